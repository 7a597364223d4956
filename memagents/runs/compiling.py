"""Kernels of all memories, compiled before they are needed."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final

import torch
from gymnasium.spaces import Box, Discrete
from jaxtyping import Float
from torch import Tensor

from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.agents.steps import clip_and_step
from memagents.kernels.objective import Coefficients, Rollout, clipped_objective
from memagents.kernels.recurrence_step import ENOUGH
from memagents.memories.registry import list_memories, make_memory

SOME: Final = Coefficients(clip_range=0.2, clip_range_vf=0.2, vf_coef=0.5, ent_coef=0.1, normalize=1)
"""Kernels are the same for any."""


def compile_kernels(dtype: torch.dtype) -> None:
    """Trains every memory for two steps, each an episode, and acts for one; then learns from what a policy answers.

    What is on the disk is read there.
    """
    for name in list_memories():
        memory = make_memory(name, input_size=3).to(dtype)
        inputs = torch.zeros(2, ENOUGH, 3, dtype=dtype, requires_grad=True)
        outputs, state = memory(inputs, torch.ones(2, ENOUGH, dtype=torch.bool), memory.initial_state(ENOUGH))
        outputs.sum().backward()
        with torch.no_grad():
            memory.fast_step(inputs[0], state)
    learn_from_answers(torch.zeros(ENOUGH, 3, dtype=dtype, requires_grad=True))


def learn_from_answers(remembered: Float[Tensor, "N H"]) -> None:
    """A step of PPO's, from what is remembered on."""
    policy = MemoryActorCriticPolicy(Box(0, 1, (3,)), Discrete(2), lambda _: 0.0, memory="none").to(remembered.dtype)
    with torch.no_grad():
        policy._answer(remembered, remembered)[0].sample()
    rollout = Rollout(*torch.zeros(len(Rollout._fields), len(remembered), dtype=remembered.dtype))
    for _ in range(2):  # the optimizer's first step is torch's
        distribution, values = policy._answer(remembered, remembered)
        log_prob = distribution.log_prob(torch.zeros(len(remembered)))
        objective, _ = clipped_objective(log_prob, values.flatten(), distribution.entropy(), rollout, SOME)
        torch.autograd.backward(objective)
        clip_and_step(policy, 1.0)


def compile_in_processes(dtypes: Sequence[torch.dtype]) -> None:
    """`compile_kernels` for each kind of numbers, all at the same time.

    Raises:
        ValueError: for none.
    """
    if not dtypes:
        raise ValueError("no kinds of numbers to compile for: expected float32, float64 or both")
    with ProcessPoolExecutor(len(dtypes), get_context("spawn")) as processes:
        list(processes.map(compile_kernels, dtypes))
