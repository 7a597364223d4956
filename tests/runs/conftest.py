"""Runs so small that they end in a second."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chaos import STEP
from logged import NEVER, ROLLOUT, events, pythonpath, run_ids, session
from stable_baselines3.common.vec_env import VecEnv

from memagents.runs import models
from memagents.runs.config import TrainConfig
from memagents.runs.metrics import read_rows
from memagents.runs.results import RunResult
from memagents.runs.trackio_database import DATABASE, logged_times
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


@pytest.fixture(autouse=True, scope="module")
def as_in_production(unchecked_file: None) -> None:
    """Without checks of shapes."""


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


TRACKIO = ("trackio", "brotli", "gradio_client", "httpcore2", "httpx2", "huggingface_hub", "orjson", "python-multipart")
TRACKIO += ("starlette", "truststore", "uvicorn")
"""What trackio needs besides what is there for other reasons."""


@pytest.fixture(scope="session")
def trackio_packages(tmp_path_factory: pytest.TempPathFactory) -> Path | str:
    """A folder with trackio in it, which is too large to be there for all developers; or why there is none."""
    folder, constraints = tmp_path_factory.mktemp("trackio"), Path(__file__).parents[2] / "constraints.txt"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", f"--target={folder}"]
    done = subprocess.run([*install, f"--constraint={constraints}", *TRACKIO], capture_output=True, text=True)
    return f"trackio cannot be installed here: {done.stderr.strip().splitlines()[-1]}" if done.returncode else folder


@pytest.fixture
def trackio(trackio_packages: Path | str) -> Path:
    """A folder with trackio in it."""
    if isinstance(trackio_packages, str):
        pytest.skip(trackio_packages)
    return trackio_packages


Logging = dict[str, Any]


@pytest.fixture(scope="session")
def logging(trackio_packages: Path | str) -> Logging:
    """What makes a session log to all dashboards there are, wandb offline."""
    if isinstance(trackio_packages, str):
        return {"log": ["tensorboard", "wandb"], "WANDB_MODE": "offline"}
    packages = {"PYTHONPATH": pythonpath(trackio_packages)}
    return {"log": ["tensorboard", "wandb", "trackio"], "WANDB_MODE": "offline", **packages}


@pytest.fixture(scope="session")
def in_one_go(tmp_path_factory: pytest.TempPathFactory, logging: Logging) -> dict[str, Any]:
    """A run that logged to all dashboards, tempted to send things elsewhere; and how many asked there."""
    folder = tmp_path_factory.mktemp("in_one_go") / "study" / "TMaze-v0" / "gru-ppo-seed0"
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        hub = {"HF_ENDPOINT": url, "HF_TOKEN": "hf_secret", "TRACKIO_BUCKET_ID": "somebody/bucket"}
        session(folder, NEVER, **logging, **hub, TRACKIO_SPACE_ID="somebody/space", TRACKIO_SERVER_URL=url)
        elsewhere.settimeout(0.0)
        try:
            elsewhere.accept()
        except BlockingIOError:
            return {"folder": folder, "asked": False}
    return {"folder": folder, "asked": True}


@pytest.fixture(scope="session")
def killed_twice(tmp_path_factory: pytest.TempPathFactory, logging: Logging) -> dict[str, Any]:
    """A run that logged to all dashboards, was killed behind its checkpoint twice, and came to its end then."""
    folder = tmp_path_factory.mktemp("killed") / "run"
    known: dict[str, Any] = {"folder": folder, "ids": []}
    for dies_at in (4 * ROLLOUT - 2, 4 * ROLLOUT - 4, NEVER):
        session(folder, dies_at, **logging)
        known["ids"].append(run_ids(folder))
        if dies_at != NEVER:
            assert [step for step, _ in read_rows(folder / "metrics.jsonl")] == [32, 64, 96]  # of 64 that are saved
            known["times"] = {event.step: event.wall_time for event in events(folder)}
            known["trackio times"] = logged_times(folder / "trackio" / DATABASE)
            for file in (folder / "tensorboard").iterdir():  # as if its last event had been half written
                os.truncate(file, file.stat().st_size - 5)
    return known
