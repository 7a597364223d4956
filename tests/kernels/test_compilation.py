"""Machine code is the same whether it was just made or is read from the disk."""

import os
import subprocess
import sys

import pytest

GRADIENTS = """
import hashlib, torch
from memagents.memories import make_memory
torch.manual_seed(0)
torch.set_num_threads(1)
digest = hashlib.sha256()
memory = make_memory("mann", input_size=3, hidden_size=8)
starts = torch.rand(12, 4) < 0.2
outputs, state = memory(torch.randn(12, 4, 3), starts, memory.initial_state(4))
outputs.sin().sum().backward()
for numbers in (outputs, *state, *(weight.grad for weight in memory.parameters())):
    digest.update(numbers.detach().numpy().tobytes())
print(digest.hexdigest())
"""


# Of the MANN's kernels, which compile soonest, the copies differed too.
@pytest.mark.slow
def test_a_process_that_compiles_computes_what_the_next_one_does(tmp_path):
    def computed():
        command = [sys.executable, "-c", GRADIENTS]
        environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
        return done.stdout

    made = computed()
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")}
    assert kept
    assert computed() == made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nbc")} == kept
