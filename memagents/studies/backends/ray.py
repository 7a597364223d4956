"""Runs on the machines of a Ray cluster, each as a task of its own.

All machines need the same packages, and the study folder under the same path. A task whose worker or machine is lost is
started again by Ray elsewhere, and goes on from the run's newest checkpoint (`--checkpoint-every`).

Whoever reaches a cluster's ports can run anything on its machines, unless it asks for a token. Without an address, Ray
is started for the study, on this machine alone and with a token, which Ray keeps in ~/.ray. A cluster of several
machines is its owner's: in a network that strangers do not reach, and with a token too, the same file on each machine:

    export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0     # everywhere
    ray get-auth-token --generate                            # once; then copy ~/.ray/auth_token
    ray start --head --port 6379 --include-dashboard=false   # on the first machine
    ray start --address FIRST:6379                           # on the others
    memagents compare ... --backend ray --ray-address FIRST:6379
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from memagents.runs.config import TrainConfig
from memagents.runs.signals import StoppedError, stopping_at_once
from memagents.studies.backends.cells import SECONDS_TO_END, Backend, Outcome, attempt_elsewhere, for_cluster, need

MAX_RETRIES = 3
"""How often a run is started again whose worker or machine was lost. One that raises an error is not."""

PATIENCE_WITH_MACHINES = 120.0
"""Seconds to wait for a folder: as long as network file systems keep the locks of a machine that is gone."""


def on_ray(address: str | None, jobs: int) -> Backend:
    """Runs on a Ray cluster, as many at a time as it has cores for.

    Args:
        address: of a running cluster, "auto" for the one on this machine; None starts Ray here, for `jobs` at a time.
        jobs: see `address`.

    Raises:
        MissingExtraError: if Ray is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Ray would otherwise hide GPUs from tasks that ask for none; it warns that this will be so.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray = need("ray", "ray")

    def train_all(cells: Sequence[TrainConfig]) -> Iterator[Outcome]:
        planned = [for_cluster(cell) for cell in cells]
        with connected(ray, address, cores=jobs * max(cell.threads or 1 for cell in planned)):
            # A worker that trains one run only leaves nothing behind for the next.
            task = ray.remote(max_retries=MAX_RETRIES, max_calls=1)(train_as_task)
            running = {}
            for original, cell in zip(cells, planned, strict=True):
                options = {"num_cpus": cell.threads, "name": str(original.run_folder)}
                running[task.options(**options).remote(cell, sys.argv)] = original
            try:
                while running:
                    (ended, *_), _ = ray.wait(list(running))
                    yield running.pop(ended), failure(ray, ended)
            finally:
                cancel(ray, list(running))

    return train_all


def train_as_task(cell: TrainConfig, command: list[str]) -> str | None:
    """What a task does."""
    try:
        return attempt_elsewhere(cell, command, PATIENCE_WITH_MACHINES)
    except StoppedError as stopped:
        if stopped.exit_code == 128 + signal.SIGINT:  # by which Ray cancels a task
            raise
        # The machine is about to go: dead, the worker counts as lost, and Ray starts the run elsewhere.
        os._exit(stopped.exit_code)


@contextmanager
def connected(ray: Any, address: str | None, cores: int) -> Iterator[None]:
    """While this context is open, tasks go to the cluster at an address, or to one that is started here.

    Raises:
        ConnectionError: if there is no cluster at the address.
    """
    try:
        if address is None:
            # Ray listens on the machine's own address, also when nobody else is meant to come.
            os.environ.setdefault("RAY_AUTH_MODE", "token")
            ray.init(num_cpus=cores, include_dashboard=False)
        else:
            ray.init(address=address)
    except ConnectionError as error:
        raise ConnectionError(
            f"there is no Ray cluster at {address}: `ray start --head` starts one; without --ray-address there is "
            f"one for the study, on this machine ({error})"
        ) from error
    try:
        with stopping_at_once():
            yield
    finally:
        ray.shutdown()


def failure(ray: Any, ended: Any) -> str | None:
    """What a task said when it ended, or why Ray gave it up."""
    try:
        said: str | None = ray.get(ended)
    except ray.exceptions.RayError as error:
        return f"was lost, {type(error).__name__}: {str(error).strip()}"
    return said


def cancel(ray: Any, tasks: list[Any]) -> None:
    """Ends tasks: those that train save what they have, as after Ctrl-C."""
    for task in tasks:
        ray.cancel(task)
    if tasks:
        ray.wait(tasks, num_returns=len(tasks), timeout=SECONDS_TO_END)
