"""Runs as jobs of submitit, which is installed for these tests alone; its own stand-ins take Slurm's place."""

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from memagents.files import read_json
from memagents.runs.config import TrainConfig
from memagents.studies.backends import slurm

PINS = ("submitit==1.5.4", "cloudpickle==3.1.2")
TINY = {"env": "CartPole-v1", "n_envs": 2, "algo_kwargs": {"n_steps": 16, "n_epochs": 1}, "eval_episodes": 2}


@pytest.fixture(scope="module", autouse=True)
def submitit(tmp_path_factory):
    """The package, for this process and for the jobs."""
    folder = tmp_path_factory.mktemp("submitit")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--target", folder]
    installed = subprocess.run([*install, *PINS], capture_output=True, text=True, check=False)
    if installed.returncode:
        pytest.skip(f"submitit cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        yield importlib.import_module("submitit")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(slurm, "SECONDS_BETWEEN_LOOKS", 0.1)


# submitit's stand-in for a cluster leaves its logs open.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_every_job_comes_back_once_with_why_it_did_not_finish(tmp_path):
    fine = TrainConfig(**TINY, memory="none", timesteps=32, folder=tmp_path / "fine")
    wrong = TrainConfig(**TINY, memory="nonne", folder=tmp_path / "wrong")
    outcomes = dict_of(slurm.on_slurm(tmp_path / "slurm", {"partition": "long"}, cluster="debug")([fine, wrong]))
    assert outcomes[fine.folder] is None
    assert outcomes[wrong.folder].startswith("failed, ValueError: unknown memory 'nonne'")
    assert read_json(fine.folder / "run.json")["torch_threads"] == 1


@pytest.mark.slow
def test_a_preempted_job_saves_what_it_has_and_goes_on_when_its_turn_comes_again(tmp_path):
    cell = TrainConfig(**TINY, memory="none", timesteps=1_600, folder=tmp_path / "run")
    preemption = threading.Thread(target=preempt, args=(cell.folder,))
    preemption.start()
    backend = slurm.on_slurm(tmp_path / "slurm", {"timeout_min": 10, "cpus_per_task": 1}, cluster="local")
    assert dict_of(backend([cell])) == {cell.folder: None}
    preemption.join()
    record = read_json(cell.folder / "run.json")
    assert len(record["resumed"]) == 1
    assert 0 < record["resumed"][0]["at_step"] < 1_600
    assert any("log.err" in path.name for path in (tmp_path / "slurm").iterdir())


def preempt(folder: Path) -> None:
    """Tells a job as Slurm would, once it has trained a little."""
    metrics, deadline = folder / "metrics.jsonl", time.monotonic() + 120
    while not (metrics.exists() and metrics.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(json.loads((folder / "run.lock").read_text())["pid"], signal.SIGUSR2)


def dict_of(outcomes):
    return {cell.folder: failure for cell, failure in outcomes}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"partitionn": "long"}, "partitionn"), ({}, "cannot use slurm with these parameters: Could not detect")],
)
def test_parameters_that_slurm_does_not_have_and_machines_without_it_are_refused(
    parameters, message, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match=message):
        slurm.on_slurm(tmp_path, parameters, cluster="local" if parameters else "slurm")
