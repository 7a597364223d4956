"""What `kill_test.py` and `resume_matrix.py` share: runs in processes to be killed, and what must be equal then."""

import hashlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import redirect_stderr, suppress
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from memagents.agents.serialization import open_archive
from memagents.runs.config import TrainConfig, short_name
from memagents.runs.folder import RunFolder
from memagents.runs.models import load_model
from memagents.runs.results import RunResult
from memagents.runs.training import resume
from memagents.studies.backends.local import PRELOADED

TIMING = ("time/fps", "time/time_elapsed")

# Its processes are copies of one that has imported all they need and computed nothing: they begin at once.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([*PRELOADED, "memagents_envs", "popgym"])


def name(config: TrainConfig) -> str:
    return f"{short_name(config.env)} {config.memory} {config.algo}"


def start_record(config: TrainConfig) -> None:
    """A folder with the configuration and nothing else, for `resume` to begin with."""
    with suppress(KeyboardInterrupt), RunFolder(config.run_folder).recording(config):
        raise KeyboardInterrupt


def launch(folder: Path) -> BaseProcess:
    """A process that goes on with the run in a folder."""
    process = CONTEXT.Process(target=child, args=(folder,))
    process.start()
    return process


def child(folder: Path) -> None:
    """What is killed."""
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        resume(folder)


def newest(folder: RunFolder) -> str:
    """The name of the newest checkpoint; empty if there is none."""
    try:
        return max((path.name for path in folder.checkpoints.glob("*.zip")), default="")
    except FileNotFoundError:  # a run that begins makes the folder anew
        return ""


def wait_for(process: BaseProcess, condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Waits until something is so, or the process has ended."""
    deadline = time.monotonic() + seconds
    while process.is_alive() and not condition() and time.monotonic() < deadline:
        time.sleep(0.0005)


def fingerprint(result: RunResult) -> dict[str, str]:
    """Hashes of what must be equal at the end."""
    model = load_model(result)
    tensors = list(model.policy.state_dict().values())
    states = model.policy.optimizer.state_dict()["state"].values()
    optimizer = [torch.as_tensor(value) for state in states for value in state.values()]
    rows = [{key: value for key, value in row.items() if key not in TIMING} for row in result.metrics()]
    contents = {
        "parameters": b"".join(tensor.numpy().tobytes() for tensor in tensors),
        "optimizer": b"".join(tensor.numpy().tobytes() for tensor in optimizer),
        "metrics": json.dumps(rows).encode(),
        "evaluation": json.dumps(result.evaluation.to_json()).encode(),
    }
    if result.config.normalize:
        parts = open_archive(result.model_file).parts
        contents["normalization"] = parts["normalization.json"] + parts["normalization.safetensors"]
    return {what: hashlib.sha256(part).hexdigest()[:16] for what, part in contents.items()}
