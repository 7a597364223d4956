"""Kernels beside the steps that are written as in the papers."""

import numba
import numpy as np
import pytest
import torch

from memagents.kernels import unroll
from memagents.kernels.compilation import compiled
from memagents.kernels.parts import softplus
from memagents.memories import make_memory
from memagents.ops import controller

D, H, N, W, T, B = 5, 7, 4, 3, 12, 3
CASES = {
    "ntm": {},
    "ntm, two heads that move two slots": {"num_heads": 2, "shift_range": 2, "controller": "feedforward"},
    "dnc": {"num_reads": 3},
    "dnc without links": {"links": False, "num_reads": 1, "controller": "feedforward"},
    "mann": {"num_reads": 2},
    "mann, feed-forward": {"controller": "feedforward", "usage_decay": 0.5},
}


def loud(name, options):
    """A memory whose interface vectors reach all of their range."""
    torch.manual_seed(1)
    memory = make_memory(name, input_size=D, hidden_size=H, memory_size=N, word_size=W, **options).double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.add_(torch.randn_like(parameter))
    return memory


def outputs_and_gradients(unroll, memory, starts):
    """All that comes of a random loss over outputs and last state, from a state in the middle of an episode."""
    torch.manual_seed(2)
    inputs = torch.randn(T, B, D, dtype=torch.float64, requires_grad=True)
    state = memory.initial_state(B)
    for x in torch.randn(N, B, D, dtype=torch.float64):
        _, state = memory.step(x, state)
    state = type(state)(*(field.detach().requires_grad_() for field in state))
    outputs, last = unroll(inputs, starts, state)
    loss = sum((told * torch.randn_like(told)).sum() for told in (outputs, *last))
    asked = [inputs, *state, *memory.parameters()]
    return outputs, last, torch.autograd.grad(loss, asked, allow_unused=True, materialize_grads=True)


@pytest.mark.parametrize("density", [0.0, 0.2])
@pytest.mark.parametrize("case", CASES)
def test_a_kernel_equals_the_steps_of_the_paper_in_values_and_in_all_gradients(case, density, monkeypatch):
    memory = loud(case.split(",")[0].split()[0], CASES[case])
    starts = torch.rand(T, B, generator=torch.Generator().manual_seed(3)) < density
    monkeypatch.setattr(controller, "steps", None)  # which is how it goes without a kernel
    ours = outputs_and_gradients(memory, memory, starts)
    expected = outputs_and_gradients(memory.loop, memory, starts)
    torch.testing.assert_close(ours, expected, atol=1e-10, rtol=1e-10)


def test_steps_that_are_kept_in_several_arrays_come_to_the_same(monkeypatch):
    memory = loud("dnc", {})
    starts = torch.rand(T, B, generator=torch.Generator().manual_seed(3)) < 0.2
    state = memory.initial_state(B)
    held = sum(field[0].numel() for field in state[2:])
    monkeypatch.setattr(unroll, "PIECE", 6 * held * B * 8)
    assert [len(range(T)[piece]) for piece in unroll.pieces_of(T, torch.empty(B, held, dtype=torch.float64))] == [
        5,
        5,
        2,
    ]
    in_pieces = outputs_and_gradients(memory, memory, starts)
    monkeypatch.undo()
    torch.testing.assert_close(in_pieces, outputs_and_gradients(memory, memory, starts), atol=0, rtol=0)


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann"])
def test_the_same_comes_out_every_time_to_the_last_bit(name):
    memory, starts = loud(name, {}), torch.rand(T, B, generator=torch.Generator().manual_seed(3)) < 0.2
    first, kept = outputs_and_gradients(memory, memory, starts), []
    for size in range(1, 12):
        kept.append(np.empty(997 * size))  # arrays come to lie elsewhere
        torch.testing.assert_close(outputs_and_gradients(memory, memory, starts), first, atol=0, rtol=0)


def test_what_is_undefined_does_not_become_a_number():
    memory = loud("ntm", {})
    inputs = torch.randn(T, B, D, dtype=torch.float64)
    inputs[3, 1] = torch.nan
    outputs, _ = memory(inputs, torch.zeros(T, B, dtype=torch.bool), memory.initial_state(B))
    assert outputs[3:, 1].isnan().all()
    assert outputs[:3].isfinite().all()
    assert outputs[:, [0, 2]].isfinite().all()


def test_without_a_kernel_all_goes_step_by_step(monkeypatch):
    for name, options in (("dnc", {"masked_content": True}), ("dnc", {"deallocate": True})):
        memory = loud(name, options)
        steps = []
        advance = memory._advance
        monkeypatch.setattr(
            memory, "_advance", lambda *told, advance=advance, steps=steps: steps.append(1) or advance(*told)
        )
        memory(torch.randn(T, B, D, dtype=torch.float64), torch.zeros(T, B, dtype=torch.bool), memory.initial_state(B))
        assert len(steps) == T


def test_numbers_of_sixteen_bits_are_left_to_torch():
    memory = make_memory("dnc", input_size=D, hidden_size=H, memory_size=N, word_size=W).bfloat16()
    inputs, starts = torch.randn(T, B, D).bfloat16(), torch.zeros(T, B, dtype=torch.bool)
    outputs, _ = memory(inputs, starts, memory.initial_state(B))
    expected, _ = memory.loop(inputs, starts, memory.initial_state(B))
    assert outputs.dtype == torch.bfloat16
    torch.testing.assert_close(outputs, expected, atol=0.05, rtol=0.05)


def test_where_nothing_can_be_kept_functions_are_compiled_all_the_same(monkeypatch):
    njit = numba.njit

    def without_a_place(function, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(function, **options)

    monkeypatch.setattr(numba, "njit", without_a_place)
    assert compiled(lambda x: x + 1)(1) == 2


@pytest.mark.parametrize("x", [-800.0, -1.0, 0.0, 19.0, 21.0, 800.0])
def test_softplus_is_torchs(x):
    expected = torch.nn.functional.softplus(torch.tensor(x, dtype=torch.float64)).item()
    assert softplus(x) == pytest.approx(expected, abs=1e-15)
