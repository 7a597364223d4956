"""PPO's objective by a kernel beside the same in torch's operations."""

from math import inf

import pytest
import torch
from torch.nn import functional as F

from memagents.kernels.objective import Coefficients, Rollout, clipped_objective

STEPS = 301


def drawn(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(STEPS, dtype=dtype, generator=generator)


def in_operations(log_prob, values, entropy, rollout, told):
    """As Schulman et al. write it, and stable-baselines3 logs it."""
    advantages = rollout.advantages
    if told.normalize:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = (log_prob - rollout.old_log_prob).exp()
    bounded = ratio.clamp(1 - told.clip_range, 1 + told.clip_range)
    policy_loss = -torch.minimum(advantages * ratio, advantages * bounded).mean()
    moved = (values - rollout.old_values).clamp(-told.clip_range_vf, told.clip_range_vf)
    value_loss = F.mse_loss(rollout.old_values + moved if told.clip_range_vf < inf else values, rollout.returns)
    entropy_loss = -(-log_prob if entropy is None else entropy).mean()
    loss = policy_loss + told.ent_coef * entropy_loss + told.vf_coef * value_loss
    clipped = ((ratio - 1).abs() > told.clip_range).to(loss.dtype).mean()
    return loss, (policy_loss, value_loss, entropy_loss, clipped, (ratio - 1 - ratio.log()).mean(), loss)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 3e-6)])
@pytest.mark.parametrize("clip_range_vf", [inf, 0.2])
@pytest.mark.parametrize("normalize", [0, 1])
@pytest.mark.parametrize("ent_coef", [0.0, 0.3])
@pytest.mark.parametrize("has_entropy", [False, True])
def test_it_is_torchs_in_value_and_in_all_gradients(has_entropy, ent_coef, normalize, clip_range_vf, dtype, tolerance):
    log_prob, values, entropy = (drawn(seed, dtype).mul(0.3).requires_grad_() for seed in range(3))
    rollout = Rollout(drawn(3, dtype) * 0.3, *(drawn(seed, dtype) for seed in range(4, 7)))
    told = Coefficients(0.2, clip_range_vf, 0.7, ent_coef, normalize)
    given = log_prob, values, entropy if has_entropy else None, rollout, told
    (found, measured), (expected, quantities) = clipped_objective(*given), in_operations(*given)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    for ours, theirs in zip(measured, quantities, strict=True):
        assert ours == pytest.approx(theirs.item(), abs=tolerance, rel=10 * tolerance)
    for each in (log_prob, values, entropy):
        ours, theirs = (
            torch.autograd.grad(loss, each, retain_graph=True, allow_unused=True)[0] for loss in (found, expected)
        )
        theirs = torch.zeros_like(each) if theirs is None else theirs
        torch.testing.assert_close(torch.zeros_like(each) if ours is None else ours, theirs, atol=tolerance, rtol=1e-5)


def one_step(log_ratio, advantage, value=0.0, **coefficients):
    """The gradients of a single step whose old log-probability, value and return are 0."""
    log_prob, values = (
        torch.tensor([number], dtype=torch.float64, requires_grad=True) for number in (log_ratio, value)
    )
    zero = torch.zeros(1, dtype=torch.float64)
    told = Coefficients(
        **{"clip_range": 0.2, "clip_range_vf": inf, "vf_coef": 1.0, "ent_coef": 0.0, "normalize": 1} | coefficients
    )
    loss, measured = clipped_objective(log_prob, values, None, Rollout(zero, zero, zero + advantage, zero), told)
    return *(float(d) for d in torch.autograd.grad(loss, (log_prob, values))), measured


# Figure 1 of the paper: nothing is gained beyond 1 + ε where the advantage is above 0, and below 1 - ε where it is not.
@pytest.mark.parametrize(
    ("ratio", "advantage", "goes_on"), [(1.3, 1.0, False), (0.7, 1.0, True), (1.3, -1.0, True), (0.7, -1.0, False)]
)
def test_a_ratio_is_clipped_only_where_that_gains_less(ratio, advantage, goes_on):
    d_log_prob, _, measured = one_step(torch.tensor(ratio, dtype=torch.float64).log(), advantage)
    assert d_log_prob == pytest.approx(-ratio * advantage if goes_on else 0.0)
    assert measured.clip_fraction == 1


def test_the_advantage_of_a_single_step_is_not_normalised():
    assert one_step(0.0, 3.0)[0] == pytest.approx(-3.0)


def test_values_beyond_their_range_get_no_gradient():
    assert one_step(0.0, 0.0, value=0.5)[1] == pytest.approx(1.0)
    assert one_step(0.0, 0.0, value=0.5, clip_range_vf=0.1)[1] == 0
    assert one_step(0.0, 0.0, value=0.5, clip_range_vf=0.1)[2].value_loss == pytest.approx(0.01)


@pytest.mark.parametrize("place", ["log_prob", "values", "advantages", "returns"])
def test_what_is_undefined_makes_the_objective_and_a_gradient_so(place):
    told = {"log_prob": drawn(0), "values": drawn(1), "advantages": drawn(2), "returns": drawn(3)}
    told[place][5] = torch.nan
    log_prob, values = (told[name].requires_grad_() for name in ("log_prob", "values"))
    rollout = Rollout(drawn(4), drawn(5), told["advantages"].detach(), told["returns"].detach())
    loss, _ = clipped_objective(log_prob, values, None, rollout, Coefficients(0.2, inf, 0.5, 0.0, 0))
    assert loss.isnan()
    gradients = torch.autograd.grad(loss, (log_prob, values))
    assert any(d[5].isnan() for d in gradients)
