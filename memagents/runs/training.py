"""One configuration becomes one run folder."""

import sys
import time
from contextlib import ExitStack, closing
from typing import Any

import torch
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from memagents.errors import BoundaryError, NonFiniteUpdate
from memagents.runs.checkpoints import Checkpoints, save_model
from memagents.runs.config import TrainConfig
from memagents.runs.evaluation import SEED_OFFSET, Evaluation, evaluate
from memagents.runs.folder import RunFolder, write_json
from memagents.runs.models import algorithm_options, build_env, build_model, load_model, model_arguments
from memagents.runs.progress import ProgressReport
from memagents.runs.results import RunResult
from memagents.runs.sinks import open_sinks
from memagents.runs.validation import check_config

__all__ = ["RunResult", "TrainConfig", "train"]

ROWS = 200
"""About how many rows of metrics a run leaves, however long it is."""


def train(config: TrainConfig, *, bar: bool | None = None) -> RunResult:
    """Trains an agent, evaluates it and keeps everything in one run folder.

    A folder that holds the finished run is not trained again; an unfinished run starts again from the beginning.

    Args:
        config: what to do.
        bar: whether to draw a progress bar; by default in a terminal. Without it there is a line every few seconds.

    Raises:
        ValueError: for a configuration that cannot work, before an environment is built, and for a folder that holds
            a run of another configuration.
    """
    check_config(config)
    folder = RunFolder(config.run_folder)
    if folder.holds_finished(config):
        print(f"{folder.path}: finished before, not trained again", file=sys.stderr)
        return RunResult.load(folder.path)
    with folder.recording(config) as record:
        run(config, folder, record, bar)
    return RunResult.load(folder.path)


def run(config: TrainConfig, folder: RunFolder, record: dict[str, Any], bar: bool | None) -> None:
    """Trains, saves and evaluates the last model, and adds to `record` what became known."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    with ExitStack() as stack:
        env = stack.enter_context(closing(build_env(config, n_envs=config.n_envs, seed=config.seed)))
        model = build_model(config, env)
        record |= describe_model(config, model)
        logger = Logger(str(folder.path), open_sinks(config.log, folder.path, config))
        stack.enter_context(closing(logger))
        model.set_logger(logger)
        try:
            record |= learn(config, folder, model, bar)
        except Exception as error:
            record |= keep_what_there_is(folder, model, error)
            raise
        save_model(model, folder.model_file)
        evaluation = evaluate_model(config, model, episodes=config.eval_episodes)
        write_json(folder.evaluation_file, evaluation.to_json())
        log_evaluation(evaluation, logger.output_formats, model.num_timesteps)


def learn(config: TrainConfig, folder: RunFolder, model: OnPolicyAlgorithm, bar: bool | None) -> dict[str, Any]:
    """Trains, and tells how many steps it took and how fast they were."""
    started = time.perf_counter()
    with ProgressReport(config.timesteps, label="/".join(folder.path.parts[-2:]), bar=bar) as progress:
        checkpoints = [Checkpoints(folder.checkpoints, config.checkpoint_every)] if config.checkpoint_every else []
        rollouts = config.timesteps / (model.n_steps * model.n_envs)
        model.learn(config.timesteps, callback=[progress, *checkpoints], log_interval=max(1, round(rollouts / ROWS)))
    seconds = time.perf_counter() - started
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
            model.dump_logs()
        if model.num_timesteps > 0:
            save_model(model, folder.failed_model_file)
    except (NonFiniteUpdate, OSError) as another:
        error.add_note(f"Nor could all be kept that there was: {another}")
    return {"failure": failure}


def evaluate_model(
    config: TrainConfig, model: OnPolicyAlgorithm, *, episodes: int, seed: int | None = None
) -> Evaluation:
    """Evaluates a run's model in environments of their own; by default on seeds that it was not trained on."""
    seed = config.seed + SEED_OFFSET if seed is None else seed
    with closing(build_env(config, n_envs=min(config.n_envs, episodes), seed=seed)) as env:
        return evaluate(model, env, episodes=episodes, seed=seed)


def log_evaluation(evaluation: Evaluation, sinks: list[KVWriter], timesteps: int) -> None:
    """Writes one more row of metrics, so every dashboard shows the evaluation as the run's last word."""
    # Not the model's own logger: it still holds metrics of the last update, and would give that step a second value.
    logger = Logger(None, sinks)
    for name, value in evaluation.summary().items():
        logger.record(f"evaluation/{name}", value)
    logger.dump(timesteps)


def evaluate_run(result: RunResult, *, episodes: int, seed: int | None = None) -> Evaluation:
    """Evaluates the saved model of a finished run again; by default on the seed of its own evaluation."""
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    return evaluate_model(result.config, load_model(result), episodes=episodes, seed=seed)


def describe_model(config: TrainConfig, model: OnPolicyAlgorithm) -> dict[str, Any]:
    """What the agent was made of, with the defaults that hold in these versions."""
    arguments = algorithm_options(config.algo) | model_arguments(config, model.observation_space)
    return {
        "algorithm": {"class": type(model).__name__, "arguments": arguments},
        "parameters": sum(parameter.numel() for parameter in model.policy.parameters() if parameter.requires_grad),
        "device": str(model.device),
        "torch_threads": torch.get_num_threads(),
    }
