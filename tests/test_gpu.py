"""What holds on a GPU as on the CPU, and what holds there only. Nothing of this runs on a machine without one."""

import warnings
from typing import Any

import pytest
import torch
from sizes import small
from torch import Tensor

from memagents import MemoryA2C, MemoryPPO, make_vec_env
from memagents.agents.precision import autocast, matrix_products
from memagents.agents.sequences import unroll
from memagents.memories import Memory, list_memories, make_memory

if not torch.cuda.is_available():
    pytest.skip("needs a GPU that torch can compute on", allow_module_level=True)

GPU = torch.device("cuda")
T, B, D = 12, 5, 4
ENV = "memagents_envs:MemAgents/TMaze-v0"

memories = pytest.mark.parametrize("name", list_memories())


def build(name: str, dtype: torch.dtype = torch.float64) -> Memory[Any]:
    torch.manual_seed(0)
    return make_memory(name, input_size=D, **small(name)).to(dtype)


def sequences(dtype: torch.dtype = torch.float64, density: float = 0.2) -> tuple[Tensor, Tensor]:
    starts = torch.rand(T, B, generator=torch.Generator().manual_seed(1)) < density
    return torch.randn(T, B, D, dtype=dtype), starts


def with_gradients(memory: Memory[Any], inputs: Tensor, starts: Tensor, loop: bool = False) -> list[Tensor]:
    """Outputs, the state afterwards, and the gradients of inputs and parameters, on the CPU."""
    inputs = inputs.clone().requires_grad_()
    outputs, state = (memory.loop if loop else memory)(inputs, starts, memory.initial_state(inputs.shape[1]))
    floating = [field for field in state if field.is_floating_point()]
    loss = outputs.square().sum() + sum(field.sin().sum() for field in floating)
    gradients = torch.autograd.grad(loss, [inputs, *memory.parameters()], materialize_grads=True)
    return [each.detach().cpu() for each in (outputs, *state, *gradients)]


def assert_all_close(ours: list[Tensor], theirs: list[Tensor], tolerance: float) -> None:
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, atol=tolerance, rtol=tolerance)


def waiting_is_an_error(mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, that it does not find all waiting yet
        torch.cuda.set_sync_debug_mode(mode)


@memories
def test_forward_on_a_gpu_equals_the_loop_on_the_cpu_again_and_again(name):
    memory = build(name)
    cases = [sequences(density=density) for density in (0.2, 0.0, 0.6)]
    expected = [with_gradients(memory, inputs, starts, loop=True) for inputs, starts in cases]
    memory.to(GPU)
    for (inputs, starts), wanted in zip(cases, expected, strict=True):
        assert_all_close(with_gradients(memory, inputs.to(GPU), starts.to(GPU)), wanted, 1e-9)


@memories
def test_32_bits_on_a_gpu_are_exact_where_asked(name):
    memory = build(name, torch.float32)
    inputs, starts = sequences(torch.float32)
    expected = with_gradients(memory.double(), inputs.double(), starts, loop=True)
    memory.float().to(GPU)
    with matrix_products("float32", GPU):
        found = with_gradients(memory, inputs.to(GPU), starts.to(GPU))
    assert_all_close([each.to(there.dtype) for each, there in zip(found, expected, strict=True)], expected, 1e-4)


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann"])
def test_a_gradient_that_comes_after_another_replay_is_still_right(name):
    memory = build(name).to(GPU)
    (first, starts), (second, _) = sequences(), sequences()
    first, second, starts = first.to(GPU), second.to(GPU), starts.to(GPU)
    begin = memory.initial_state(B)
    alone = [
        torch.autograd.grad(memory(inputs, starts, begin)[0].square().sum(), list(memory.parameters()))
        for inputs in (first, second)
    ]
    both = [memory(inputs, starts, begin)[0].square().sum() for inputs in (first, second)]
    for loss, expected in zip(both, alone, strict=True):
        found = torch.autograd.grad(loss, list(memory.parameters()))
        assert_all_close(list(found), list(expected), 1e-12)


@pytest.mark.parametrize("name", ["ntm", "dnc", "mann"])
def test_a_recording_sees_weights_that_an_optimizer_has_changed(name):
    memory = build(name)
    inputs, starts = sequences()
    with_gradients(memory.to(GPU), inputs.to(GPU), starts.to(GPU))
    with torch.no_grad():
        for weight in memory.parameters():
            weight.mul_(1.1)
    found = with_gradients(memory, inputs.to(GPU), starts.to(GPU))
    assert_all_close(found, with_gradients(memory.cpu(), inputs, starts, loop=True), 1e-9)


@memories
def test_acting_never_waits_for_the_gpu(name):
    memory = build(name, torch.float32).to(GPU)
    inputs, starts = torch.randn(B, D, device=GPU), torch.zeros(1, B, dtype=torch.bool, device=GPU)
    state = memory.initial_state(B)
    with torch.inference_mode():
        unroll(memory, inputs, starts, state)
        waiting_is_an_error("error")
        try:
            unroll(memory, inputs, starts, state)
        finally:
            waiting_is_an_error("default")


@memories
def test_16_bits_come_near_to_32_and_states_keep_theirs(name):
    memory = build(name, torch.float32).to(GPU)
    inputs, starts = sequences(torch.float32)
    inputs, starts, begin = inputs.to(GPU), starts.to(GPU), memory.initial_state(B)
    exact, exact_state = unroll(memory, inputs.flatten(0, 1), starts, begin)
    with autocast("bfloat16", GPU):
        near, state = unroll(memory, inputs.flatten(0, 1), starts, begin)
        steps, carried = [], begin
        for x, start in zip(inputs, starts, strict=True):
            output, carried = unroll(memory, x, start[None], carried)
            steps.append(output)
    assert [field.dtype for field in state] == [field.dtype for field in exact_state]
    scale = exact.std()
    assert (near.float() - exact).abs().max() < 0.1 * scale
    assert (near.float() - torch.cat(steps).float()).abs().max() < 0.1 * scale
    assert memory.bears_16_bits or near.dtype == torch.float32


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("algorithm", [MemoryPPO, MemoryA2C])
@memories
def test_an_agent_trains_on_a_gpu_and_goes_on_on_the_cpu(name, algorithm, precision, tmp_path):
    env = make_vec_env(ENV, 8, 0, env_kwargs={"corridor_length": 3})
    policy_kwargs = {"precision": precision}
    options = {"memory": name, "memory_kwargs": small(name), "policy_kwargs": policy_kwargs, "seed": 0, "device": GPU}
    model = algorithm("MlpPolicy", env, n_steps=16, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # SB3 would rather have this on the CPU
        model.learn(3 * 8 * 16)
    assert all(weight.isfinite().all() for weight in model.policy.parameters())
    model.save(tmp_path / "model")
    on_cpu = algorithm.load(tmp_path / "model", env, device="cpu")
    assert on_cpu.policy.precision == precision
    for ours, theirs in zip(on_cpu.policy.parameters(), model.policy.parameters(), strict=True):
        assert torch.equal(ours, theirs.cpu())
    on_cpu.learn(8 * 16, reset_num_timesteps=False)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("tf32", 1e-2), ("bfloat16", 5e-2)])
@memories
def test_before_the_first_update_nothing_has_changed(name, precision, tolerance):
    env = make_vec_env(ENV, 8, 0, env_kwargs={"corridor_length": 3})
    options = {"memory": name, "memory_kwargs": small(name), "policy_kwargs": {"precision": precision}, "seed": 0}
    model = MemoryPPO("MlpPolicy", env, n_steps=16, device=GPU, **options)
    differences = []

    def look(*_: Any) -> None:
        for batch in model.rollout_buffer.get():
            with torch.no_grad():
                _, log_prob, _ = model.policy.evaluate_actions(batch.observations, batch.actions.long().flatten())
            differences.append((log_prob - batch.old_log_prob).abs().max().item())

    model.train = look
    model.learn(8 * 16)
    assert differences
    assert max(differences) < tolerance


def test_settings_of_torch_hold_again_after_training():
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    for precision in ("float32", "tf32"):
        with matrix_products(precision, GPU):
            assert torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before
