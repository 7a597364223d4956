"""Runs so small that they end in a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos import STEP
from stable_baselines3.common.vec_env import VecEnv

from memagents.runs import models
from memagents.runs.config import TrainConfig
from memagents.runs.results import RunResult
from memagents.runs.training import train

TINY = {
    "env": "memagents_envs:MemAgents/TMaze-v0",
    "env_kwargs": {"corridor_length": 2},
    "memory": "gru",
    "memory_kwargs": {"hidden_size": 4},
    "n_envs": 2,
    "timesteps": 96,
    "algo_kwargs": {"n_steps": 16, "n_epochs": 1},
    "eval_episodes": 4,
}


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., TrainConfig]:
    """Makes tiny configurations, with changes."""
    return lambda **changes: TrainConfig(**TINY | {"folder": tmp_path / "run"} | changes)


@pytest.fixture
def chaotic(tmp_path: Path) -> Callable[..., TrainConfig]:
    """Makes runs of 48 steps in two environments, of which the second fails at a step of the third rollout."""

    def make(fault: str = "error", vectorization: str = "dummy", at: int = STEP, **changes: Any) -> TrainConfig:
        settings: dict[str, Any] = {
            "env": "chaos:Chaos-v0",
            "env_kwargs": {"fault": fault, "at": at, **changes.pop("env_kwargs", {})},
            "memory": "gru",
            "memory_kwargs": {"hidden_size": 4},
            "n_envs": 2,
            "timesteps": 96,
            "algo_kwargs": {"n_steps": 16, "n_epochs": 1},
            "eval_episodes": 2,
            "vectorization": vectorization,
            "step_timeout": 2.0 if fault == "hang" else None,
            "folder": tmp_path / "run",
        }
        return TrainConfig(**settings | changes)

    return make


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run that wrote to every sink."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with pytest.MonkeyPatch.context() as patch:
        # Whoever runs the tests may have a key, and does not want these runs uploaded.
        patch.setenv("WANDB_MODE", "offline")
        return train(TrainConfig(**TINY, folder=folder, log=("tensorboard", "wandb"), checkpoint_every=40))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A finished run, with checkpoints after 32, 64 and 96 steps."""
    return train(TrainConfig(**TINY, folder=tmp_path_factory.mktemp("trained") / "run", checkpoint_every=32))


@pytest.fixture
def environments_built(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the environments that are built from here on."""
    built: list[str] = []

    def make(env: str, *arguments: object, **keywords: object) -> VecEnv:
        built.append(env)
        return make_vec_env(env, *arguments, **keywords)

    make_vec_env = models.make_vec_env
    monkeypatch.setattr(models, "make_vec_env", make)
    return built
