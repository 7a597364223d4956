"""What tests of operations share."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(params=[1, 3])
def num_threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many threads, also for little work."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    monkeypatch.setattr("memagents.kernels.threads.FEWEST_OPERATIONS", 1)
    yield request.param
    torch.set_num_threads(before)
