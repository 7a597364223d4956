"""Checkpoints: a model with all that decides how its training goes on, on disk whole or not at all.

    checkpoints/step-000040000.zip   after that many steps, between an update and the rollout that follows
    checkpoints/final.zip            after the last update
    checkpoints/LATEST               the name of the newest that outlasts a loss of power

Each is a model file (`MemoryPPO.load` reads it) with one more section, "training": the random generators, the
environments, what the logger holds, and how far the metrics were. A file is written beside its place and gets its name
when it is complete; one that exists is never written again. From then on it outlasts its process. Until it outlasts
the machine, the disk must have it, and training does not wait for that: if the power goes meanwhile, the hashes in the
file tell that it is not whole, and the one before it is taken.
"""

import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from memagents.agents.archives import Archive
from memagents.agents.normalization import SECTION, set_normalization
from memagents.agents.respawns import RespawningVecEnv, respawns_of
from memagents.agents.rollouts import MemoryMixin
from memagents.agents.serialization import open_archive, read_parameters
from memagents.errors import CheckpointError
from memagents.files import discard, make_last, reading, sync_file, write_file
from memagents.kinds import check_kinds
from memagents.runs.env_states import capture, is_plain, restore_env
from memagents.runs.folder import RunFolder
from memagents.runs.generators import generator_states, set_generator_states
from memagents.runs.signals import StopRequest

LATEST = "LATEST"

PROGRESS = (
    "num_timesteps",
    "_episode_num",
    "_n_updates",
    "_current_progress_remaining",
    "_last_obs",
    "_last_original_obs",
    "_last_episode_starts",
    "_last_state",
    "ep_info_buffer",
    "ep_success_buffer",
)
"""Attributes of an algorithm that training changes, besides its parameters and its optimizer."""

LOGGED = {"name_to_value": Any, "name_to_count": int, "name_to_excluded": tuple[str, ...]}
"""Tables of a logger that fill up until its next row, and of what kind their values are."""

TRAINING: dict[str, Any] = {
    "generators": dict[str, Any],
    "environments": dict[str, Any] | None,
    "logger": dict[str, Any],
    "metrics_size": int,
    "seconds": float,
}
"""What stands in the section "training"."""


@dataclass(frozen=True)
class Session:
    """One process's share of a run.

    Attributes:
        exact: whether environments can be put back where they were; see `env_states`.
        seconds_before: how long earlier sessions trained.
        started: when this one began to.
    """

    exact: bool
    seconds_before: float
    started: float

    @property
    def seconds(self) -> float:
        """How long the run has trained, over all sessions."""
        return self.seconds_before + time.perf_counter() - self.started


def write_checkpoint(model: MemoryMixin, path: Path, metrics: Path, session: Session) -> None:
    """Writes a checkpoint, which outlasts this process, and, after `note_latest`, the machine.

    Raises:
        CheckpointWriteError: if it cannot be written; the checkpoints before it are still there.
    """
    training = {
        "generators": generator_states(),
        "environments": capture(model.env) if session.exact else None,
        "respawns": respawns_of(model.env).get_state(),
        "logger": logged(model),
        "metrics_size": size(metrics),
        "seconds": session.seconds,
    }
    write_file(path, model.packed(training=training), lasting=False)


def note_latest(path: Path, metrics: Path) -> None:
    """Waits until a checkpoint, and the metrics that belong to it, are on the disk, and notes that it is the latest.

    Raises:
        CheckpointWriteError: if that fails; the checkpoints before it are still there.
    """
    if metrics.exists():
        sync_file(metrics)
    make_last(path)
    write_file(path.with_name(LATEST), f"{path.name}\n".encode(), lasting=False)


def logged(model: MemoryMixin) -> dict[str, dict[str, Any]]:
    """What the logger holds for its next row."""
    return {name: {k: x for k, x in getattr(model.logger, name).items() if is_plain(x)} for name in LOGGED}


def size(file: Path) -> int:
    """The size of a file; 0 if there is none."""
    return file.stat().st_size if file.exists() else 0


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint.

    Attributes:
        path: its file.
        archive: what stands in it.
        training: the section that a plain model file has not.
        steps: environment steps before it.
    """

    path: Path
    archive: Archive
    training: dict[str, Any]
    steps: int

    @classmethod
    def read(cls, path: Path) -> "Checkpoint":
        """Opens a checkpoint.

        Raises:
            CheckpointError: of the kind that says what is wrong with it.
        """
        archive = open_archive(path)
        training = archive.section("training")
        with reading(path):
            steps = archive.encoded("model")[0]["attributes"]["num_timesteps"]
            check_kinds({name: training[name] for name in TRAINING}, TRAINING)
            check_kinds({"num_timesteps": steps}, {"num_timesteps": int})
        return cls(path, archive, training, steps)

    def restore(self, model: MemoryMixin, seed: int) -> None:
        """Makes a freshly built model go on as the one that was saved.

        Where the environments could not be saved, they begin new episodes, and that is said.

        Raises:
            CheckpointError: if it is not one of such a model in such environments.
        """
        model.take_parameters(read_parameters(self.archive), str(self.path))
        encoded, decoder = self.archive.encoded("model")
        with reading(self.path):
            model.restore_progress({name: decoder.decode(encoded["attributes"][name]) for name in PROGRESS})
            for name, kind in LOGGED.items():
                table = self.training["logger"][name]
                check_kinds(table, dict.fromkeys(table, kind), where=f"{name}: ")
                getattr(model.logger, name).update(table)
            self._restore_surroundings(model, seed)

    def _restore_surroundings(self, model: MemoryMixin, seed: int) -> None:
        """Environments and random generators."""
        assert model.env is not None
        if self.training["environments"] is not None:
            restore_env(model.env, self.training["environments"])
        else:
            say(f"{self.path}: these environments cannot be saved, so new episodes begin here")
            if (normalized := model.get_vec_normalize_env()) is not None:
                set_normalization(normalized, self.archive.section(SECTION))
            model.env.seed(seed + self.steps)
            model._last_obs = None  # as SB3 marks that learn() is to reset
            if isinstance(env := model.env.unwrapped, RespawningVecEnv):
                env.count_from(self.steps // model.n_envs)
        if "respawns" in self.training:  # files of before have none
            respawns_of(model.env).set_state(self.training["respawns"])
        set_generator_states(self.training["generators"])


def newest_checkpoint(folder: RunFolder) -> Checkpoint | None:
    """The newest checkpoint that is whole and whose metrics are there; says which ones are not."""
    models = [path for path in folder.checkpoints.glob("*.zip") if path != folder.failed_model_file]
    for path in sorted(models, key=order, reverse=True):
        try:
            checkpoint = Checkpoint.read(path)
        except (CheckpointError, OSError) as error:
            say(f"{error}; an earlier checkpoint is looked for")
            continue
        if 0 <= checkpoint.training["metrics_size"] <= size(folder.metrics_file):
            return checkpoint
        say(f"{path}: metrics that were there are gone; an earlier checkpoint is looked for")
    return None


def discard_after(checkpoint: Checkpoint) -> None:
    """Removes what cannot be used any more: newer checkpoints, of which `newest_checkpoint` said what is wrong."""
    for path in checkpoint.path.parent.glob("*.zip"):
        if order(path) > order(checkpoint.path):
            discard(path)


def order(path: Path) -> tuple[bool, str]:
    """What checkpoints are sorted by: "final" comes after all steps."""
    return path.stem == "final", path.stem


class Checkpoints(BaseCallback):
    """Writes a checkpoint each time another `every` steps are done, and when the run is asked to stop.

    The disk is waited for in a thread, so an error of its own is raised at the next checkpoint, or at the end. Close it
    when training has ended in whatever way.

    Args:
        folder: the run's folder.
        every: steps between two; None for none but where the run is asked to stop.
        session: see there.
        stop: whether the run was asked to stop.
    """

    def __init__(self, folder: RunFolder, every: int | None, session: Session, stop: StopRequest) -> None:
        super().__init__()
        self._folder, self._every, self._session, self._stop = folder, every, session, stop
        self._due = float("inf")
        self._begun_at = 0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoints")
        self._noted: Future[None] | None = None

    def close(self) -> None:
        """Waits for the disk."""
        self._thread.shutdown()

    def _on_training_start(self) -> None:
        self._begun_at = self.model.num_timesteps
        self._set_due()

    def _on_training_end(self) -> None:
        self.write("final")
        self.wait()

    # A rollout starts right after an update, so the saved parameters have seen all steps counted so far.
    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps >= self._due or self._stop.made:
            self._set_due()
            self.write(f"step-{steps:09d}")
        if self._stop.made:
            self.wait()
        self._stop.obey()

    def _on_step(self) -> bool:
        if self._stop.overdue:
            self._stop.obey()
        return True

    def write(self, name: str) -> None:
        """Writes a checkpoint, unless it would be the one that this session began from."""
        assert isinstance(self.model, MemoryMixin)
        if self.model.num_timesteps > self._begun_at:
            path, metrics = self._folder.checkpoints / f"{name}.zip", self._folder.metrics_file
            self.wait()
            write_checkpoint(self.model, path, metrics, self._session)
            self._noted = self._thread.submit(note_latest, path, metrics)

    def wait(self) -> None:
        """Until the last checkpoint is on the disk; raises what was in its way."""
        if self._noted is not None:
            self._noted.result()

    def _set_due(self) -> None:
        if self._every is not None:
            steps = self.model.num_timesteps
            self._due = steps - steps % self._every + self._every


def say(text: str) -> None:
    """Tells how the run goes on."""
    print(text, file=sys.stderr, flush=True)
