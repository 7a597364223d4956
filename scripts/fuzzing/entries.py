"""The ways into the package by which damaged files, folders, configurations and words are sent: a part of `fuzz.py`."""

import io
import json
import math
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from fuzzing.configs import BASES
from stable_baselines3.common.logger import Logger

from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.agents.rollouts import MemoryMixin
from memagents.cli import main
from memagents.runs import folder as folders
from memagents.runs import training
from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.runs.models import ALGORITHMS, build_env, load_model
from memagents.runs.results import RunResult
from memagents.runs.training import evaluate_run, resume, train

NEWEST = "step-000000032.zip"
"""The newest checkpoint of an unfinished run."""

LARGEST = 64
"""No number of a configuration may be larger for it to be trained here."""


class FindingError(Exception):
    """Something was taken that should not have been, or is not what it was."""


class TooLargeError(Exception):
    """A configuration that is accepted, and would take too long here."""


@dataclass(frozen=True)
class Valid:
    """What is damaged: of each configuration a finished run, and the same one unfinished, with two checkpoints.

    Attributes:
        folder: where all of it is.
    """

    folder: Path

    def make(self) -> None:
        for base, config in enumerate(BASES):
            result = train(replace(config, folder=self.finished(base)), bar=False)
            model = load_model(result)
            model.save(self.folder / f"{base}-model.zip")
            model.policy.save(self.folder / f"{base}-policy.zip")
            shutil.copytree(self.finished(base), self.unfinished(base))
            folder = RunFolder(self.unfinished(base))
            folder.model_file.unlink()
            folder.evaluation_file.unlink()
            folder.record_file.write_text(json.dumps(folder.record() | {"status": "interrupted"}))
        self.victim.write_text("not to be touched")

    @property
    def victim(self) -> Path:
        """A file that no damage is done to, and that nothing may write to."""
        return self.folder / "victim"

    def finished(self, base: int) -> Path:
        return self.folder / f"{base}-finished"

    def unfinished(self, base: int) -> Path:
        return self.folder / f"{base}-unfinished"

    def file(self, entry: str, base: int) -> bytes:
        """What an entry reads when nothing is damaged."""
        places = {
            "policy": self.folder / f"{base}-policy.zip",
            "resume": self.unfinished(base) / "checkpoints" / NEWEST,
            "evaluate": self.finished(base) / "checkpoints" / "final.zip",
        }
        return places.get(entry, self.folder / f"{base}-model.zip").read_bytes()


# Files. Each entry gives the parameters that came out.


def load(valid: Valid, base: int, contents: bytes, scratch: Path) -> np.ndarray:
    """A model, from a path or a stream, with environments or without."""
    (scratch / "model.zip").write_bytes(contents)
    source: Any = scratch / "model" if len(contents) % 2 else io.BytesIO(contents)
    with closing(build_env(BASES[base], n_envs=2, seed=0)) as env:
        model = ALGORITHMS[BASES[base].algo].load(source, env=env if len(contents) % 3 else None)
        parameters = model.policy.parameters_to_vector()
        use(model, env)
    return parameters


def set_parameters(valid: Valid, base: int, contents: bytes, scratch: Path) -> np.ndarray:
    """The parameters alone, into a model that is there."""
    model = ALGORITHMS[BASES[base].algo].load(io.BytesIO(valid.file("load", base)))
    model.set_parameters(io.BytesIO(contents))
    parameters = model.policy.parameters_to_vector()
    with closing(build_env(BASES[base], n_envs=2, seed=0)) as env:
        use(model, env)
    return parameters


def policy(valid: Valid, base: int, contents: bytes, scratch: Path) -> np.ndarray:
    """A policy alone."""
    loaded = MemoryActorCriticPolicy.load(io.BytesIO(contents))
    observation = loaded.observation_space.sample()
    check_finite(loaded.predict(observation, deterministic=True)[0])
    return loaded.parameters_to_vector()


def go_on(valid: Valid, base: int, contents: bytes, scratch: Path) -> np.ndarray:
    """A run whose newest checkpoint is damaged. It can go on from the one before it, to the same end."""
    shutil.copytree(valid.unfinished(base), scratch / "run", symlinks=True)
    (scratch / "run" / "checkpoints" / NEWEST).write_bytes(contents)
    return look_at(resume(scratch / "run", bar=False))


def evaluate(valid: Valid, base: int, contents: bytes, scratch: Path) -> np.ndarray:
    """A finished run whose model is damaged."""
    shutil.copytree(valid.finished(base), scratch / "run")
    (scratch / "run" / "checkpoints" / "final.zip").write_bytes(contents)
    result = RunResult.load(scratch / "run")
    check_finite(evaluate_run(result, episodes=2).returns)
    return load_model(result).policy.parameters_to_vector()


FILE_ENTRIES = {
    "load": load,
    "set_parameters": set_parameters,
    "policy": policy,
    "resume": go_on,
    "evaluate": evaluate,
}


def use(model: MemoryMixin, env: Any) -> None:
    """Acts, learns from a rollout if it is small, and saves."""
    observation = env.reset()
    model.set_env(env)
    model.set_logger(Logger(None, []))
    check_finite(model.predict(observation, deterministic=True)[0])
    steps = model.n_steps * model.n_envs
    if steps * getattr(model, "n_epochs", 1) <= 1024:
        model.learn(steps)
    model.save(io.BytesIO())
    check_finite(model.policy.parameters_to_vector())


def look_at(result: RunResult) -> np.ndarray:
    """Whether a run that went on left everything that a run leaves."""
    check_finite([row["timesteps"] for row in result.metrics()])
    check_finite(result.curve()[1])
    check_finite(result.evaluation.returns)
    return load_model(result).policy.parameters_to_vector()


def check_finite(values: Any) -> None:
    if not np.isfinite(np.asarray(values, np.float64)).all():
        raise FindingError(f"not finite: {values}")


# Folders, configurations, words. Each entry says how it ended.


def go_on_in(folder: Path) -> str:
    look_at(resume(folder, bar=False))
    return "works"


def read(folder: Path) -> str:
    look_at(RunResult.load(folder))
    return "works"


def evaluate_in(folder: Path) -> str:
    check_finite(evaluate_run(RunResult.load(folder), episodes=2).returns)
    return "works"


FOLDER_ENTRIES = {
    "resume": (Valid.unfinished, go_on_in),
    "read": (Valid.finished, read),
    "evaluate": (Valid.finished, evaluate_in),
}
"""By name: the run that is damaged, and what is done with it."""


def train_as(config: dict[str, Any], scratch: Path) -> str:
    """Trains a configuration, if it is accepted and small."""
    if config["folder"] is None:
        config["folder"] = scratch / "run"
    look_at(train(TrainConfig(**config), bar=False))
    return "works"


def command(words: list[str]) -> str:
    """Sends words to the command line, and looks at how it answers; gives the exit code."""
    said = io.StringIO()
    with redirect_stderr(said), redirect_stdout(io.StringIO()):
        try:
            code = main(words)
        except SystemExit as end:  # as the parser of the command line does
            code = end.code
    if code not in (0, 1, 2):
        raise FindingError(f"exit code {code}")
    if code and not said.getvalue().strip():
        raise FindingError(f"exit code {code} without a word")
    if "Traceback" in said.getvalue():
        raise FindingError("a traceback is shown")
    return f"exit {code}"


@contextmanager
def nothing_large() -> Iterator[None]:
    """What is asked is examined as ever, and then only done if it is small."""

    def check(config: TrainConfig) -> None:
        check_config(config)
        if not is_small(config):
            raise TooLargeError

    def evaluate(result: RunResult, *, episodes: int, seed: int | None = None) -> Any:
        if episodes > LARGEST:
            raise TooLargeError
        return evaluate_run(result, episodes=episodes, seed=seed)

    check_config, evaluate_run = training.check_config, training.evaluate_run
    origin = folders.provenance()  # asks git, which takes longer than most cases
    with (
        patch.object(training, "check_config", check),
        patch.object(training, "evaluate_run", evaluate),
        patch.object(folders, "provenance", lambda: origin),
    ):
        yield


def is_small(config: TrainConfig) -> bool:
    """Whether a configuration is trained in a moment, here in this process."""
    here = config.vectorization != "subproc" and not config.log and config.threads in (None, 1)
    return here and all(number <= LARGEST or number == math.inf for number in numbers(vars(config)))


def numbers(value: Any) -> Iterator[float]:
    """All numbers in a value, but for seeds."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner) if key != "seed" else ()
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield value
