"""The laws every registered memory keeps (numbered as in CONTRIBUTING.md).

A new memory is tested by being registered: nothing in this file names one.
"""

import copy
import functools
import itertools
import pickle
import pkgutil
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from checks import without_checks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sizes import small
from torch import Tensor

import memagents.memories
from memagents.memories import Memory, list_memories, make_memory, map_state
from memagents.memories.registry import memory_class, memory_options

D = 5
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}

memories = pytest.mark.parametrize("name", list_memories())
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])


@st.composite
def batches(draw: st.DrawFn) -> tuple[int, int, Tensor, int]:
    """T, B, random episode starts (from none to all of them) and a seed."""
    num_steps, num_rows = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    seed = draw(st.integers(0, 2**16))
    starts = torch.rand(num_steps, num_rows, generator=torch.Generator().manual_seed(seed)) < density
    return num_steps, num_rows, starts, seed


# Shapes are checked at every call by the second law and those without random batches; in the others, not once more.
not_once_more = pytest.mark.usefixtures("unchecked")
for_all_examples = HealthCheck.function_scoped_fixture  # which hypothesis warns of: the fixture holds for all of them
laws = settings(max_examples=24, deadline=None, derandomize=True, suppress_health_check=[for_all_examples])


@functools.cache
def variants(name: str) -> list[dict[str, Any]]:
    """A memory at its default, and with each of its closed choices taken once; always small."""
    options = memory_options(name)
    others: list[tuple[str, Any]] = [("num_layers", 2)] if "num_layers" in options else []
    for option, parameter in options.items():
        others += [(option, choice) for choice in choices(parameter.annotation) if choice != parameter.default]
    return [small(name), *({**small(name), option: choice} for option, choice in others)]


def choices(annotation: Any) -> tuple[Any, ...]:
    """All that an option of a closed type can be."""
    if annotation is bool:
        return False, True
    return get_args(annotation) if get_origin(annotation) is Literal else ()


VARIANTS = [(name, number) for name in list_memories() for number in range(len(variants(name)))]
each_variant = pytest.mark.parametrize(("name", "variant"), VARIANTS)


def build(name: str, dtype: torch.dtype, seed: int = 0, variant: int = 0) -> Memory[Any]:
    torch.default_generator.manual_seed(seed)  # without a note for every other device, in which tests are slow
    return make_memory(name, input_size=D, **variants(name)[variant]).to(dtype)


def random_state(memory: Memory[Any], num_rows: int) -> tuple[Tensor, ...]:
    """A state that memory can be in: what it holds after a few steps of noise."""
    kind = next(itertools.chain(memory.parameters(), memory.buffers()), torch.zeros(0)).dtype
    noise = torch.randn(3, num_rows, D, dtype=kind)
    with torch.no_grad():
        return memory(noise, torch.zeros(3, num_rows, dtype=torch.bool), memory.initial_state(num_rows))[1]


def case(name: str, dtype: torch.dtype, batch: tuple[int, int, Tensor, int]) -> tuple[Memory[Any], Tensor, Tensor, Any]:
    num_steps, num_rows, starts, seed = batch
    memory = build(name, dtype, seed, variant=seed % len(variants(name)))
    return memory, torch.randn(num_steps, num_rows, D, dtype=dtype), starts, random_state(memory.to(dtype), num_rows)


def assert_same(a: Any, b: Any, tolerance: float) -> None:
    outputs, state = a
    other_outputs, other_state = b
    torch.testing.assert_close(outputs, other_outputs, atol=tolerance, rtol=tolerance)
    for field, other in zip(state, other_state, strict=True):
        torch.testing.assert_close(field, other, atol=tolerance, rtol=tolerance)


@not_once_more
@memories
@dtypes
@laws
@given(batch=batches(), cut=st.floats(0, 1))
def test_law_1_any_split_into_chunks_equals_the_whole(name, dtype, batch, cut):
    memory, inputs, starts, state = case(name, dtype, batch)
    at = round(cut * len(inputs))
    pieces, carried = [], state
    for chunk in (slice(0, at), slice(at, None)):
        if len(inputs[chunk]):
            outputs, carried = memory(inputs[chunk], starts[chunk], carried)
            pieces.append(outputs)
    assert_same((torch.cat(pieces), carried), memory(inputs, starts, state), TOLERANCE[dtype])


@memories
@dtypes
@laws
@given(batch=batches())
def test_law_2_forward_equals_the_loop_over_step(name, dtype, batch):
    memory, inputs, starts, state = case(name, dtype, batch)
    told = memory(inputs, starts, state)
    with without_checks():  # of steps they are checked below
        expected = memory.loop(inputs, starts, state)
    assert_same(told, expected, TOLERANCE[dtype])


@each_variant
@dtypes
@pytest.mark.parametrize("training", [False, True], ids=["acting", "training"])
def test_law_2_a_fast_step_equals_a_step(name, variant, dtype, training):
    memory = build(name, dtype, variant=variant)
    state, x = random_state(memory, 3), torch.randn(3, D, dtype=dtype)
    with torch.set_grad_enabled(training):
        assert_same(memory.fast_step(x, state), memory.step(x, state), TOLERANCE[dtype])


@not_once_more
@memories
@laws
@given(batch=batches())
def test_law_2_gradients_of_forward_equal_those_of_the_loop(name, batch):
    memory, inputs, starts, state = case(name, torch.float64, batch)
    gradients = []
    for unroll in (memory, memory.loop):
        x = inputs.clone().requires_grad_()
        begin = map_state(lambda field: field.clone().requires_grad_(field.is_floating_point()), state)
        outputs, final = unroll(x, starts, begin)
        loss = outputs.square().sum() + sum(field.sin().sum() for field in final if field.is_floating_point())
        wanted = [x, *(field for field in begin if field.requires_grad), *memory.parameters()]
        gradients.append(torch.autograd.grad(loss, wanted, materialize_grads=True))
    for fast, slow in zip(*gradients, strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-10, rtol=1e-10)


@not_once_more
@memories
@laws
@given(batch=batches(), at=st.floats(0, 1))
def test_law_3_an_episode_start_cuts_the_past_in_values_and_in_gradients(name, batch, at):
    memory, inputs, starts, state = case(name, torch.float64, batch)
    cut = round(at * (len(inputs) - 1))
    starts[cut] = True
    inputs.requires_grad_()
    outputs, _ = memory(inputs, starts, state)

    fresh, _ = memory(inputs[cut:], starts[cut:], memory.initial_state(starts.shape[1]))
    torch.testing.assert_close(outputs[cut:], fresh, atol=1e-10, rtol=1e-10)
    (gradient,) = torch.autograd.grad(outputs[cut:].sum(), inputs)
    assert (gradient[:cut] == 0).all()

    forgotten = map_state(lambda field: field * torch.nan if field.is_floating_point() else field, state)
    again, _ = memory(inputs[cut:], starts[cut:], forgotten)
    assert again.isfinite().all(), "an undefined state survived an episode start"


@not_once_more
@memories
@laws
@given(batch=batches(), at=st.floats(0, 1))
def test_law_4_the_future_does_not_leak(name, batch, at):
    memory, inputs, starts, state = case(name, torch.float64, batch)
    now = round(at * (len(inputs) - 1))
    inputs.requires_grad_()
    outputs, _ = memory(inputs, starts, state)
    (gradient,) = torch.autograd.grad(outputs[: now + 1].sum(), inputs)
    assert (gradient[now + 1 :] == 0).all()


@not_once_more
@memories
@laws
@given(batch=batches())
def test_law_5_rows_of_a_batch_are_independent(name, batch):
    memory, inputs, starts, state = case(name, torch.float64, batch)
    outputs, final = memory(inputs, starts, state)
    for row in range(starts.shape[1]):
        alone = slice(row, row + 1)
        expected = outputs[:, alone], map_state(lambda field, alone=alone: field[alone], final)
        single_state = map_state(lambda field, alone=alone: field[alone], state)
        assert_same(memory(inputs[:, alone], starts[:, alone], single_state), expected, 1e-10)


@memories
@dtypes
def test_law_6_a_state_keeps_structure_shape_and_dtype(name, dtype):
    memory = build(name, dtype)
    begin = memory.initial_state(3)
    starts = torch.zeros(4, 3, dtype=torch.bool)
    starts[2, 1] = True
    outputs, after_forward = memory(torch.randn(4, 3, D, dtype=dtype), starts, begin)
    output, after_step = memory.step(torch.randn(3, D, dtype=dtype), begin)
    assert outputs.shape == (4, 3, memory.output_size)
    assert output.shape == (3, memory.output_size)
    assert outputs.dtype == output.dtype == dtype
    for state in (after_forward, after_step):
        assert type(state) is type(begin)
        assert [(f.shape, f.dtype) for f in state] == [(f.shape, f.dtype) for f in begin]
    assert all(len(field) == 3 for field in begin)


@each_variant
def test_law_7_every_parameter_receives_a_gradient(name, variant):
    memory = build(name, torch.float64, variant=variant)
    inputs = torch.randn(8, 4, D, dtype=torch.float64, requires_grad=True)
    outputs, _ = memory(inputs, torch.zeros(8, 4, dtype=torch.bool), random_state(memory, 4))
    outputs.square().sum().backward()
    without = [key for key, weight in memory.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not without


@each_variant
def test_law_8_copy_pickle_and_state_dict_round_trip(name, variant):
    memory = build(name, torch.float64, variant=variant)
    twin = build(name, torch.float64, seed=1, variant=variant)
    twin.load_state_dict(memory.state_dict())
    batch = torch.randn(4, 2, D, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.bool), random_state(memory, 2)
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory)), twin):
        assert_same(other(*batch), memory(*batch), 0.0)
    state = random_state(memory, 2)
    assert_same((batch[0], pickle.loads(pickle.dumps(state))), (batch[0], state), 0.0)


def test_law_9_every_file_in_the_folder_is_registered_under_its_own_name():
    files = {module.name for module in pkgutil.iter_modules(memagents.memories.__path__)} - {"base", "registry"}
    defined_in = {name: memory_class(name).__module__ for name in list_memories()}
    ours = {name for name, module in defined_in.items() if module.startswith("memagents.")}
    assert ours == files
    assert all(defined_in[name] == f"memagents.memories.{name}" for name in ours)


@memories
def test_a_memory_keeps_nothing_on_the_module_between_calls(name):
    memory = build(name, torch.float64)
    batch = torch.randn(4, 2, D, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.bool), random_state(memory, 2)
    before = pickle.dumps(memory)
    first = memory(*batch)
    assert_same(memory(*batch), first, 0.0)
    assert pickle.dumps(memory) == before


@each_variant
def test_a_trace_is_named_and_time_major_and_tells_the_states_of_the_loop(name, variant):
    memory = build(name, torch.float64, variant=variant)
    inputs, starts = torch.randn(4, 2, D, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.bool)
    starts[2, 1] = True
    state = random_state(memory, 2)
    trace = memory.trace(inputs, starts, state)
    assert all(values.shape[:2] == (4, 2) for values in trace.values())
    for t in range(4):
        _, after = memory.loop(inputs[: t + 1], starts[: t + 1], state)
        for field, value in after._asdict().items():
            torch.testing.assert_close(trace[field][t], value, atol=1e-12, rtol=0)


@memories
def test_a_memory_says_in_one_line_what_it_is(name):
    assert len((memory_class(name).__doc__ or "").splitlines()[0]) > 20
