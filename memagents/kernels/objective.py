"""PPO's objective, by a kernel: its value, its gradient, and what is said of it, in one walk over a minibatch.

Schulman et al.: Proximal Policy Optimization Algorithms. arXiv:1707.06347, 2017, equations 7 and 9.

    L = E[-min(r A, clip(r, 1 - ε, 1 + ε) A)] + c_v E[(V - R)²] - c_e E[H]    r = e^{log π(a) - log π_old(a)}

Axis: N steps of a minibatch.
"""

from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.compilation import Array, compiled
from memagents.kernels.exponentials import exp_
from memagents.kernels.unroll import arrays

NOTHING: Final = 1e-8
"""What SB3 adds to the standard deviation of advantages, by which they are divided."""


class Coefficients(NamedTuple):
    """What the objective is made with.

    Attributes:
        clip_range: ε.
        clip_range_vf: how far values may move from those of the rollout; infinity for any distance.
        vf_coef: c_v.
        ent_coef: c_e.
        normalize: 1 where advantages are brought to mean 0 and standard deviation 1.
    """

    clip_range: float
    clip_range_vf: float
    vf_coef: float
    ent_coef: float
    normalize: float


class Measured(NamedTuple):
    """Means over a minibatch; see SB3's `PPO.train`, which logs them under these names."""

    policy_gradient_loss: float
    value_loss: float
    entropy_loss: float
    clip_fraction: float
    approx_kl: float
    loss: float


class Rollout(NamedTuple):
    """What the rollout says of the steps of a minibatch, each `[N]`."""

    old_log_prob: Float[Tensor, " N"]
    old_values: Float[Tensor, " N"]
    advantages: Float[Tensor, " N"]
    returns: Float[Tensor, " N"]


def clipped_objective(
    log_prob: Float[Tensor, " N"],
    values: Float[Tensor, " N"],
    entropy: Float[Tensor, " N"] | None,
    rollout: Rollout,
    coefficients: Coefficients,
) -> tuple[Float[Tensor, ""], Measured]:
    """L, and what is said of it.

    Args:
        log_prob: of the rollout's actions, now.
        values: now.
        entropy: now; without it the mean of -log π(a) stands in its place, as in SB3.
        rollout: of these steps.
        coefficients: of the three parts.
    """
    measured = np.empty(len(Measured._fields))
    loss: Tensor = _Objective.apply(log_prob, values, entropy, rollout, coefficients, measured)  # type: ignore[no-untyped-call]
    return loss, Measured(*measured.tolist())


@compiled
def weigh_up(
    log_prob: Float[Array, " N"],
    values: Float[Array, " N"],
    entropy: Float[Array, " N"],
    old_log_prob: Float[Array, " N"],
    old_values: Float[Array, " N"],
    advantages: Float[Array, " N"],
    returns: Float[Array, " N"],
    coefficients: Float[Array, " 5"],
    d_log_prob: Float[Array, " N"],
    d_values: Float[Array, " N"],
    measured: Float[Array, " 6"],
) -> None:
    """L and its gradient. Without rows of `entropy`, -log π(a) stands in its place."""
    number, zero = len(log_prob), log_prob.dtype.type(0)
    clip_range, clip_range_vf, vf_coef, ent_coef, normalize = coefficients
    ratio, divergence, mixed = d_log_prob, zero, zero
    for n in range(number):
        ratio[n] = log_prob[n] - old_log_prob[n]
    for n in range(number):
        divergence -= ratio[n]
    exp_(ratio)
    for n in range(number):
        divergence += ratio[n] - 1
    for n in range(number):
        mixed += entropy[n] if len(entropy) > 0 else -log_prob[n]
    gained, clipped = gain(ratio, advantages, clip_range, normalize, d_log_prob)
    if len(entropy) == 0:
        for n in range(number):
            d_log_prob[n] += log_prob.dtype.type(ent_coef / number)
    measured[0], measured[1] = -gained / number, mistake(values, old_values, returns, clip_range_vf, vf_coef, d_values)
    measured[2], measured[3], measured[4] = -mixed / number, clipped / number, divergence / number
    measured[5] = measured[0] + ent_coef * measured[2] + vf_coef * measured[1]


@compiled
def gain(
    ratio: Float[Array, " N"],
    advantages: Float[Array, " N"],
    clip_range: float,
    normalize: float,
    d_log_prob: Float[Array, " N"],
) -> tuple[float, int]:
    """What is gained in all steps, and in how many a ratio is clipped. `d_log_prob` may be written over ratios."""
    number, kind = len(ratio), ratio.dtype.type
    zero, low, high, per_step = kind(0), kind(1 - clip_range), kind(1 + clip_range), kind(1 / number)
    mean, scale = moments(advantages) if normalize and number > 1 else (zero, kind(1))
    gained, clipped = zero, 0
    for n in range(number):
        advantage, bounded = (advantages[n] - mean) * scale, min(max(ratio[n], low), high)
        gained += min(advantage * ratio[n], advantage * bounded)
        clipped += 1 if bounded != ratio[n] else 0
    for n in range(number):
        advantage, bounded = (advantages[n] - mean) * scale, min(max(ratio[n], low), high)
        beyond = advantage * bounded < advantage * ratio[n]  # NaN is not, and goes on
        d_log_prob[n] = zero if beyond else -per_step * advantage * ratio[n]
    return gained, clipped


@compiled
def mistake(
    values: Float[Array, " N"],
    old_values: Float[Array, " N"],
    returns: Float[Array, " N"],
    clip_range_vf: float,
    vf_coef: float,
    d_values: Float[Array, " N"],
) -> float:
    """The mean squared error of values, which move no further than so far."""
    number, kind = len(values), values.dtype.type
    zero, reach, scale = kind(0), kind(clip_range_vf), kind(2 * vf_coef / number)
    wrong = zero
    for n in range(number):
        moved = min(max(values[n] - old_values[n], -reach), reach)
        error = (values[n] if reach == np.inf else old_values[n] + moved) - returns[n]
        wrong += error * error
    for n in range(number):
        d_values[n] = zero if abs(values[n] - old_values[n]) > reach else scale * (values[n] - returns[n])
    mean: float = wrong / number
    return mean


@compiled
def moments(x: Float[Array, " N"]) -> tuple[float, float]:
    """The mean, and one by the standard deviation."""
    total, squares, kind = x.dtype.type(0), x.dtype.type(0), x.dtype.type
    for n in range(len(x)):
        total += x[n]
    mean = kind(total / len(x))
    for n in range(len(x)):
        squares += (x[n] - mean) * (x[n] - mean)
    return mean, kind(1 / (np.sqrt(squares / (len(x) - 1)) + NOTHING))


class _Objective(torch.autograd.Function):
    """Its gradient is known as soon as it is."""

    @staticmethod
    def forward(
        ctx: Any,
        log_prob: Tensor,
        values: Tensor,
        entropy: Tensor | None,
        rollout: Rollout,
        coefficients: Coefficients,
        measured: Array,
    ) -> Tensor:
        d_log_prob, d_values = torch.empty_like(log_prob), torch.empty_like(values)
        mixed = log_prob.new_empty(0) if entropy is None else entropy
        told = *arrays((log_prob, values, mixed, *rollout)), np.array(coefficients, np.float64)
        walked = *told, *arrays((d_log_prob, d_values)), measured
        weigh_up(*walked)
        ctx.save_for_backward(d_log_prob, d_values)
        ctx.d_entropy = None if entropy is None else -coefficients.ent_coef / len(log_prob)
        return log_prob.new_tensor(measured[-1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        d_log_prob, d_values = ctx.saved_tensors
        # Where entropy does not count, its own gradient is not even begun.
        d_entropy = (d_loss * ctx.d_entropy).expand_as(d_log_prob) if ctx.d_entropy else None
        return d_loss * d_log_prob, d_loss * d_values, d_entropy, None, None, None
