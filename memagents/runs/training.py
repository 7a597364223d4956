"""One configuration becomes one run folder."""

import math
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.respawns import respawns_of
from memagents.agents.rollouts import MemoryMixin
from memagents.errors import BoundaryError, CheckpointError, NonFiniteUpdate
from memagents.runs.checkpoints import (
    Checkpoint,
    Checkpoints,
    Session,
    discard_after,
    newest_checkpoint,
    say,
)
from memagents.runs.config import TrainConfig
from memagents.runs.env_states import is_exact
from memagents.runs.evaluation import SEED_OFFSET, Evaluation, check_episodes, evaluate
from memagents.runs.folder import RunFolder, write_json
from memagents.runs.lock import locked
from memagents.runs.models import (
    algorithm_options,
    as_seen_by,
    build_env,
    build_evaluation_env,
    build_model,
    load_model,
    model_arguments,
)
from memagents.runs.progress import ProgressReport, Rows, log_respawns
from memagents.runs.results import RunResult, read_config
from memagents.runs.signals import StopRequest
from memagents.runs.sinks import open_sinks
from memagents.runs.sizes import of_wanted_size
from memagents.runs.validation import check_config

__all__ = ["RunResult", "TrainConfig", "resume", "train"]

ROWS = 200
"""About how many rows of metrics a run leaves, however long it is."""

BOUNDS = ("best_return", "memoryless_return")
"""What environments may declare of themselves, and `run.json` then holds."""


def train(config: TrainConfig, *, bar: bool | None = None) -> RunResult:
    """Trains an agent, evaluates it and keeps everything in one run folder.

    A folder that holds the finished run is not trained again. An unfinished run goes on from its newest checkpoint that
    is whole, to the same result as if nothing had happened; without one it starts again from the beginning.

    The first SIGINT or SIGTERM lets the run finish its rollout and its update, if that takes ten seconds at most, and
    write a checkpoint; a second one ends it at once.

    Args:
        config: what to do.
        bar: whether to draw a progress bar; by default in a terminal. Without it there is a line every few seconds.

    Raises:
        ValueError: for a configuration that cannot work, before an environment is built, and for a folder that holds
            a run of another configuration.
        RunInUseError: if another process is at it.
        CheckpointError: if the folder holds what is no run, or no checkpoint of this one.
        CheckpointWriteError: if a checkpoint cannot be written; those before it are still there.
        StoppedError: if it was asked to stop.
    """
    check_config(config)
    folder = RunFolder(config.run_folder)
    if folder.holds_finished(config):
        print(f"{folder.path}: finished before, not trained again", file=sys.stderr)
        return RunResult.load(folder.path)
    with locked(folder.path):
        folder.check()
        checkpoint = newest_checkpoint(folder)
        with folder.recording(config, None if checkpoint is None else checkpoint.steps) as record:
            run(config, folder, record, bar, checkpoint)
    return RunResult.load(folder.path)


def resume(path: Path, *, bar: bool | None = None) -> RunResult:
    """Goes on with the run in a folder, as it was configured.

    Raises:
        ValueError: if there is no run in it.
    """
    record = RunFolder(path).record()
    if record is None:
        raise ValueError(f"{path} holds no run: there is no run.json in it")
    return train(read_config(record["config"], path), bar=bar)


def run(
    config: TrainConfig,
    folder: RunFolder,
    record: dict[str, Any],
    bar: bool | None,
    checkpoint: Checkpoint | None = None,
) -> None:
    """Trains, saves and evaluates the last model, and adds to `record` what became known."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    with ExitStack() as stack:
        env = stack.enter_context(closing(build_env(config, n_envs=config.n_envs, seed=config.seed)))
        sized = of_wanted_size(config, env)
        model = build_model(sized, env)
        record |= describe_model(sized, model) | declared_bounds(env)
        session = begin_session(config, folder, checkpoint)
        record["environments_resume"] = "exactly" if session.exact else "with new episodes"
        if config.respawn:
            record["respawned"] = respawns_of(env).events  # the list itself, which grows
        logger = Logger(str(folder.path), open_sinks(config.log, folder.path, config))
        stack.enter_context(closing(logger))
        model.set_logger(logger)
        if checkpoint is not None:
            checkpoint.restore(model, config.seed)
        try:
            record |= learn(config, folder, model, bar, session)
        except Exception as error:
            record |= keep_what_there_is(folder, model, error)
            raise
        evaluation = evaluate_model(config, model, folder.model_file, episodes=config.eval_episodes)
        write_json(folder.evaluation_file, evaluation.to_json())
        log_evaluation(evaluation, logger.output_formats, model.num_timesteps)


def begin_session(config: TrainConfig, folder: RunFolder, checkpoint: Checkpoint | None) -> Session:
    """Puts the folder where the checkpoint left it, and finds out what can be saved of the environments."""
    # In processes of their own environments cannot be looked into, and take seconds to make.
    exact = config.vectorization != "subproc" and is_exact(lambda seed: build_env(config, n_envs=2, seed=seed))
    if checkpoint is None:
        return Session(exact, 0.0, time.perf_counter())
    say(f"{folder.path}: goes on from {checkpoint.path.name}, {checkpoint.steps:,} of {config.timesteps:,} steps")
    discard_after(checkpoint)
    folder.cut_metrics(checkpoint.training["metrics_size"])
    return Session(exact, checkpoint.training["seconds"], time.perf_counter())


def learn(
    config: TrainConfig, folder: RunFolder, model: MemoryMixin, bar: bool | None, session: Session
) -> dict[str, Any]:
    """Trains to the end, saves the model, and tells how many steps it took and how fast they were."""
    label, rollouts = "/".join(folder.path.parts[-2:]), config.timesteps / (model.n_steps * model.n_envs)
    with (
        ProgressReport(config.timesteps, label=label, bar=bar) as progress,
        StopRequest() as stop,
        closing(Checkpoints(folder, config.checkpoint_every, session, stop)) as checkpoints,
    ):
        rows = Rows(every=max(1, round(rollouts / ROWS)))
        model.learn(
            config.timesteps - model.num_timesteps,
            callback=[progress, rows, checkpoints],
            log_interval=sys.maxsize,  # `rows` sees to that
            reset_num_timesteps=model.num_timesteps == 0,
        )
        seconds = session.seconds
        stop.obey()
    return {
        "timesteps": model.num_timesteps,
        "seconds": round(seconds, 2),
        "steps_per_second": round(model.num_timesteps / seconds, 1),
    }


def keep_what_there_is(folder: RunFolder, model: OnPolicyAlgorithm, error: Exception) -> dict[str, Any]:
    """Writes the metrics and the model of a run that failed, and tells where it stood."""
    failure = {"type": type(error).__name__, "message": str(error), "timesteps": model.num_timesteps}
    if isinstance(error, BoundaryError):
        failure |= {"environment": error.environment, "step": error.step}
    try:
        if model.num_timesteps > folder.logged_timesteps:
            log_respawns(model)
            model.dump_logs()
        if model.num_timesteps > 0:
            model.save(folder.failed_model_file)
    except (NonFiniteUpdate, CheckpointError, OSError) as another:
        error.add_note(f"Nor could all be kept that there was: {another}")
    return {"failure": failure}


def evaluate_model(
    config: TrainConfig, model: OnPolicyAlgorithm, file: Path, *, episodes: int, seed: int | None = None
) -> Evaluation:
    """Evaluates a run's model in environments of their own; by default on seeds that it was not trained on.

    Args:
        config: of the run.
        model: the model.
        file: where the model was saved, with how its environments were normalised.
        episodes: how many.
        seed: of the environments.
    """
    seed = config.seed + SEED_OFFSET if seed is None else seed
    with closing(build_evaluation_env(config, file, n_envs=min(config.n_envs, episodes), seed=seed)) as env:
        return evaluate(model, as_seen_by(model, env), episodes=episodes, seed=seed)


def log_evaluation(evaluation: Evaluation, sinks: list[KVWriter], timesteps: int) -> None:
    """Writes one more row of metrics, so every dashboard shows the evaluation as the run's last word."""
    # Not the model's own logger: it still holds metrics of the last update, and would give that step a second value.
    logger = Logger(None, sinks)
    for name, value in evaluation.summary().items():
        logger.record(f"evaluation/{name}", value)
    logger.dump(timesteps)


def evaluate_run(result: RunResult, *, episodes: int, seed: int | None = None) -> Evaluation:
    """Evaluates the saved model of a finished run again; by default on the seed of its own evaluation."""
    check_episodes(episodes, seed)
    return evaluate_model(result.config, load_model(result), result.model_file, episodes=episodes, seed=seed)


def describe_model(config: TrainConfig, model: MemoryMixin) -> dict[str, Any]:
    """What the agent was made of, with the defaults that hold in these versions."""
    arguments = algorithm_options(config.algo) | model_arguments(config, model.observation_space)
    return {
        "algorithm": {"class": type(model).__name__, "arguments": arguments},
        "parameters": sum(parameter.numel() for parameter in model.policy.parameters() if parameter.requires_grad),
        "state_bytes": sum(field.nbytes for part in model.policy.initial_state(1) for field in part),
        "device": str(model.device),
        "torch_threads": torch.get_num_threads(),
    }


def declared_bounds(env: VecEnv) -> dict[str, float]:
    """The best return and the best without memory, by which scores are read, where the environments declare them."""
    declared = {name: env.get_attr(name, indices=0)[0] for name in BOUNDS if env.has_attr(name)}
    # Other people's environments may mean something else by these names.
    numbers = {name: float(bound) for name, bound in declared.items() if isinstance(bound, int | float | np.number)}
    return {name: bound for name, bound in numbers.items() if math.isfinite(bound)}
