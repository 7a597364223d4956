"""A categorical distribution, by kernels: what it thinks of actions, and drawing them.

    p_a = e^{z_a} / Σ_b e^{z_b}    H = -Σ_a p_a log p_a
    ∂ log p_a / ∂z_b = [a = b] - p_b    ∂H / ∂z_b = -p_b (log p_b + H)

Axes: N rows, A actions.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.compilation import Array, compiled
from memagents.kernels.exponentials import LOWEST, exp_, log_
from memagents.kernels.unroll import arrays


def judge(logits: Float[Tensor, "N A"], actions: Int[Tensor, " N"]) -> tuple[Float[Tensor, " N"], Float[Tensor, " N"]]:
    """The log-probabilities of actions, and the entropies.

    Raises:
        ValueError: for another number of actions than of rows, or one that there is not.
    """
    judged: tuple[Tensor, Tensor] = _Judge.apply(logits, actions)  # type: ignore[no-untyped-call]
    return judged


def draw(logits: Float[Tensor, "N A"]) -> tuple[Int[Tensor, " N"], Float[Tensor, " N"], bool]:
    """An action for each row: the one whose alarm rings first, of exponential clocks with these rates.

    It is how `torch.multinomial` draws one, with the same random numbers. There is no gradient.

    Returns:
        The actions, their log-probabilities, and whether all are defined: with a NaN none is.
    """
    told = logits.detach().contiguous()
    clocks = torch.empty_like(told).exponential_()
    actions, log_prob = np.empty(len(told), np.int64), told.new_empty(len(told))
    defined = first_to_ring(told.numpy(), clocks.numpy(), actions, log_prob.numpy())
    return torch.from_numpy(actions), log_prob, defined


@compiled
def likelihoods(logits: Float[Array, "N A"], relative: Float[Array, "N A"], likely: Float[Array, "N A"]) -> None:
    """By how much logits are below their row's largest, and e to that, which is 0 from so far below on."""
    for n in range(len(logits)):
        highest = logits[n, 0]
        for a in range(1, logits.shape[1]):
            highest = max(highest, logits[n, a])
        for a in range(logits.shape[1]):
            relative[n, a] = likely[n, a] = logits[n, a] - highest
    exp_(likely.reshape(-1))
    for n in range(len(logits)):
        for a in range(logits.shape[1]):
            if relative[n, a] <= LOWEST:
                likely[n, a] = 0


@compiled
def first_to_ring(
    logits: Float[Array, "N A"], clocks: Float[Array, "N A"], actions: Int[Array, " N"], log_prob: Float[Array, " N"]
) -> bool:
    """Of exponential clocks with rates e^z, and whether there is one in each row; where there is a NaN there is not."""
    relative, rates = np.empty_like(logits), np.empty_like(logits)
    likelihoods(logits, relative, rates)
    for n in range(len(logits)):
        first, soonest, total = 0, logits.dtype.type(-1), logits.dtype.type(0)
        for a in range(logits.shape[1]):
            total += rates[n, a]
            soon = rates[n, a] / clocks[n, a]
            if soon != soon:
                return False
            if soon > soonest:
                first, soonest = a, soon
        actions[n], log_prob[n] = first, total
    log_(log_prob)
    for n in range(len(logits)):
        log_prob[n] = relative[n, actions[n]] - log_prob[n]
    return True


@compiled
def look(
    logits: Float[Array, "N A"],
    actions: Int[Array, " N"],
    log_of_each: Float[Array, "N A"],
    of_each: Float[Array, "N A"],
    log_prob: Float[Array, " N"],
    entropy: Float[Array, " N"],
) -> bool:
    """Probabilities of all actions, their logs, and of them what is asked; whether there are such actions."""
    for n in range(len(actions)):
        if not 0 <= actions[n] < logits.shape[1]:
            return False
    likelihoods(logits, log_of_each, of_each)
    zero, one, total = logits.dtype.type(0), logits.dtype.type(1), entropy
    for n in range(len(logits)):
        whole = zero
        for a in range(logits.shape[1]):
            whole += of_each[n, a]
        log_prob[n] = total[n] = whole
    log_(log_prob)
    for n in range(len(logits)):
        log_total, share, mixed = log_prob[n], one / total[n], zero
        for a in range(logits.shape[1]):
            log_of_each[n, a] -= log_total
            of_each[n, a] *= share
        for a in range(logits.shape[1]):
            if of_each[n, a] != zero:
                mixed -= of_each[n, a] * log_of_each[n, a]
        log_prob[n], entropy[n] = log_of_each[n, actions[n]], mixed
    return True


@compiled
def look_back(
    actions: Int[Array, " N"],
    log_of_each: Float[Array, "N A"],
    of_each: Float[Array, "N A"],
    entropy: Float[Array, " N"],
    d_log_prob: Float[Array, " N"],
    d_entropy: Float[Array, " N"],
    d_logits: Float[Array, "N A"],
) -> None:
    """The gradient of `look`. Of `d_log_prob` and `d_entropy`, either may have no rows, which is 0."""
    zero = entropy.dtype.type(0)
    for n in range(len(actions)):
        d_likely = d_log_prob[n] if len(d_log_prob) > 0 else zero
        d_mixed = d_entropy[n] if len(d_entropy) > 0 else zero
        for a in range(of_each.shape[1]):
            surprise = log_of_each[n, a] + entropy[n] if of_each[n, a] != zero else zero
            d_logits[n, a] = -of_each[n, a] * (d_likely + d_mixed * surprise)
        d_logits[n, actions[n]] += d_likely


class _Judge(torch.autograd.Function):
    """Its gradient is written by hand."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        logits, actions = logits.contiguous(), actions.contiguous()
        log_of_each, of_each = torch.empty_like(logits), torch.empty_like(logits)
        log_prob, entropy = logits.new_empty(len(logits)), logits.new_empty(len(logits))
        told = arrays((logits, actions, log_of_each, of_each, log_prob, entropy))
        if len(actions) != len(logits) or not look(*told):
            raise ValueError(
                f"expected an action for each of {len(logits)} rows, of those from 0 to {logits.shape[1] - 1}, got "
                f"{len(actions)}: {actions}"
            )
        ctx.save_for_backward(actions, log_of_each, of_each, entropy)
        ctx.set_materialize_grads(False)
        return log_prob, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_judged: Tensor | None) -> tuple[Tensor, None]:
        known, d_logits = ctx.saved_tensors, torch.empty_like(ctx.saved_tensors[1])
        given = (d_logits.new_empty(0) if d is None else d for d in d_judged)
        look_back(*arrays((*known, *given, d_logits)))
        return d_logits, None
