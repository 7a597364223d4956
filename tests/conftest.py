"""What all tests share."""

import gc
import multiprocessing
import os
from collections.abc import Iterator

import pytest
import torch
from checks import without_checks

# The tests run in parallel processes; more threads in each would only fight each other, also in those that they start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

# What is imported stays, and to look through it for garbage again and again would take a twentieth of the time.
gc.disable()

# Processes of environments begin as those of studies do, as copies of one that has imported all that they need.
# (Their list is not imported here: of what is imported before the checks are switched on, nothing is checked.)
multiprocessing.set_forkserver_preload(["memagents.runs.training", "torch._dynamo"])


def pytest_collection_finish() -> None:
    """From here on there may be garbage, but not among what was imported."""
    gc.freeze()
    gc.enable()


# For what a user's wrong argument is answered with; and, for whole files, where agents train at length whose parts are
# checked in their own tests: the checks would take longer than the training.
@pytest.fixture
def unchecked() -> Iterator[None]:
    with without_checks():
        yield


@pytest.fixture(scope="module")
def unchecked_file() -> Iterator[None]:
    with without_checks():
        yield


@pytest.fixture(params=[1, 3])
def num_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many threads, also for little work."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr("memagents.kernels.threads.FEWEST_OPERATIONS", 1)
    yield request.param
    torch.set_num_threads(before)
