"""Runs as jobs of a Slurm cluster, by way of submitit.

Logs, and what submitit hands to the jobs, go to the folder `slurm` in the study folder, which all machines must share.
A job that is preempted or out of time saves what it has and goes back to the queue; Slurm's own requeueing does as
well, for a run goes on from its newest checkpoint whoever starts it.

When the study's process is interrupted, it cancels its jobs. When it is killed, they go on; those of a study that is
started again meanwhile wait for them.
"""

import math
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from memagents.runs.config import TrainConfig
from memagents.runs.signals import StoppedError, stopping_at_once
from memagents.studies.backends.cells import Backend, Outcome, attempt_elsewhere, for_cluster, need

SECONDS_BETWEEN_LOOKS = 10.0
"""How often Slurm is asked which jobs have ended, at most."""

SHARED = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "tasks_per_node", "name")
"""Parameters that submitit knows on every cluster; to the names of others it wants the cluster's put in front."""


def on_slurm(folder: Path, parameters: Mapping[str, Any], cluster: str = "slurm") -> Backend:
    """Runs on a Slurm cluster, as many at a time as it lets.

    Args:
        folder: for logs.
        parameters: of the jobs, such as partition, timeout_min, mem_gb, cpus_per_task and array_parallelism.
        cluster: another of submitit's: "local" or "debug" need no Slurm.

    Raises:
        MissingExtraError: if submitit is not installed.
        ValueError: if there is no such cluster here, or a parameter is none of its.
    """
    submitit = need("submitit", "slurm")
    named = {name if name in SHARED else f"slurm_{name}": value for name, value in parameters.items()}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
        executor.update_parameters(**{"name": "memagents", "cpus_per_task": 1} | named)
    except (RuntimeError, NameError, AssertionError) as error:
        raise ValueError(f"submitit cannot use {cluster} with these parameters: {error}") from error

    def train_all(cells: Sequence[TrainConfig]) -> Iterator[Outcome]:
        threads = int(parameters.get("cpus_per_task", 1))
        planned = [for_cluster(cell, threads) for cell in cells]
        # One array of jobs, all alike, so the run with most threads says how many cores each has.
        executor.update_parameters(cpus_per_task=max(cell.threads or 1 for cell in planned))
        with stopping_at_once(), executor.batch():
            jobs = [executor.submit(Job(), cell, sys.argv) for cell in planned]
        running = dict(zip(jobs, cells, strict=True))
        try:
            with stopping_at_once():
                for job in submitit.helpers.as_completed(jobs, poll_frequency=SECONDS_BETWEEN_LOOKS):
                    yield running.pop(job), failure(job)
        finally:
            for job in running:
                job.cancel(check=False)

    return train_all


def failure(job: Any) -> str | None:
    """What a job said when it ended, or that it did not."""
    try:
        said: str | None = job.result()
    # Whatever it is, it is about this job, and must not stop the others.
    except Exception as error:
        return f"was lost as job {job.job_id}, {type(error).__name__}: {error}; its log is {job.paths.stderr}"
    return said


class Job:
    """What a job does, as submitit wants it: to be called, and able to say what is left to do."""

    def __call__(self, cell: TrainConfig, command: list[str]) -> str | None:
        with saving_before_requeue():
            # A job of a study that was killed may take as long as it has.
            return attempt_elsewhere(cell, command, patience=math.inf)

    def checkpoint(self, *arguments: Any) -> Any:
        """The same once more: the run's folder says where to go on."""
        return need("submitit", "slurm").helpers.DelayedSubmission(self, *arguments)


@contextmanager
def saving_before_requeue() -> Iterator[None]:
    """While this context is open, a run that is preempted saves what it has, and is put back in the queue only then.

    submitit does the latter in its handler of a signal, wherever the run is.
    """
    number = preemption_signal()
    requeue = signal.getsignal(number)
    if not callable(requeue):  # submitit's cluster "debug" has no queue
        yield
        return
    is_preempted = False

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_preempted
        is_preempted = True
        signal.raise_signal(signal.SIGTERM)

    signal.signal(number, ask_to_stop)
    try:
        with stopping_at_once():
            yield
    except StoppedError:
        if not is_preempted:
            raise
        requeue(number, None)  # which ends the process
    finally:
        signal.signal(number, requeue)


def preemption_signal() -> int:
    """The signal by which submitit's jobs are told that they are preempted."""
    environment = need("submitit", "slurm").JobEnvironment
    return int(getattr(signal, f"SIG{environment.USR_SIG}"))
