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

FURTHER = """
import sys, torch
from numba.core.dispatcher import Dispatcher
from memagents.memories import make_memory
from memagents.ops.linear import Linear
from memagents.runs.compiling import compile_kernels

def kinds():
    modules = [module for name, module in sys.modules.items() if name.startswith("memagents.kernels.")]
    functions = {value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return {(function.py_func.__qualname__, kind) for function in functions for kind in function.signatures}

dtype = getattr(torch, sys.argv[1])
compile_kernels(dtype)
before = kinds()
assert before
settings = [(name, {"num_layers": 2}) for name in ("lstm", "gru", "rnn")]
for controller in ("lstm", "feedforward"):
    settings += [(name, {"controller": controller}) for name in ("ntm", "dnc", "mann")]
for name, options in settings:
    memory = make_memory(name, input_size=3, hidden_size=8, **options).to(dtype)
    starts = torch.rand(12, 4) < 0.2
    outputs, state = memory(torch.randn(12, 4, 3, dtype=dtype), starts, memory.initial_state(4))
    outputs.sum().backward()
    with torch.no_grad():
        memory.fast_step(torch.randn(100, 3, dtype=dtype), memory.initial_state(100))
features = torch.randn(2048, 128, dtype=dtype, requires_grad=True)
for outputs in (64, 256):
    Linear(128, outputs).to(dtype)(features).sum().backward()
print(*sorted(kinds() - before, key=str))
"""


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_compiled_beforehand_is_all_that_training_and_acting_need(dtype):
    done = subprocess.run([sys.executable, "-c", FURTHER, dtype], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


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
