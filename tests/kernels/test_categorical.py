"""The categorical distribution by kernels beside torch's."""

import pytest
import torch
from torch.distributions import Categorical

from memagents.kernels.categorical import draw, judge

BOTH = pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])


def drawn(rows, num_actions, dtype=torch.float64):
    generator = torch.Generator().manual_seed(rows)
    logits = 3 * torch.randn(rows, num_actions, dtype=dtype, generator=generator)
    return logits.requires_grad_(), torch.randint(num_actions, (rows,), generator=generator)


@BOTH
@pytest.mark.parametrize("shape", [(1, 2), (37, 5), (500, 4), (20, 1)])
@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
def test_log_probabilities_and_entropies_are_torchs_and_so_are_their_gradients(shape, weights, dtype, tolerance):
    logits, actions = drawn(*shape, dtype=dtype)
    torchs = Categorical(logits=logits)
    found, expected = judge(logits, actions), (torchs.log_prob(actions), torchs.entropy())
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    factor = torch.linspace(-1, 1, shape[0], dtype=dtype)

    def gradient(each):
        wanted = [weight * (told * factor).sum() for weight, told in zip(weights, each, strict=True) if weight]
        return torch.autograd.grad(sum(wanted), logits)[0]

    torch.testing.assert_close(gradient(found), gradient(expected), atol=tolerance, rtol=tolerance)


@BOTH
def test_actions_are_drawn_as_by_torch_and_come_with_their_log_probabilities(dtype, tolerance):
    logits, _ = drawn(200, 6, dtype)
    torch.manual_seed(5)
    actions, log_prob, defined = draw(logits)
    torch.manual_seed(5)
    assert defined
    assert torch.equal(actions, torch.multinomial(logits.softmax(-1), 1)[:, 0])
    torch.testing.assert_close(
        log_prob, Categorical(logits=logits).log_prob(actions).detach(), atol=tolerance, rtol=1e-6
    )


@BOTH
def test_actions_that_are_ruled_out_have_no_share(dtype, tolerance):
    logits = torch.tensor([[0.0, -torch.inf, 1.0], [-500.0, 0.0, 300.0]], dtype=dtype).requires_grad_()
    log_prob, entropy = judge(logits, torch.tensor([2, 2]))
    share = torch.tensor(1.0, dtype=dtype).sigmoid()
    expected = torch.stack([share.log(), torch.tensor(0.0, dtype=dtype)])
    torch.testing.assert_close(log_prob, expected, atol=tolerance, rtol=tolerance)
    mixed = -(share * share.log() + (1 - share) * (1 - share).log())
    torch.testing.assert_close(entropy, torch.stack([mixed, 0 * mixed]), atol=tolerance, rtol=tolerance)
    (gradient,) = torch.autograd.grad(log_prob.sum() + entropy.sum(), logits)
    assert gradient.isfinite().all()
    assert gradient[0, 1] == 0
    assert all(draw(logits)[0][0] != 1 for _ in range(50))


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_what_is_undefined_in_a_row_stays_there_and_draws_nothing(wrong):
    logits, actions = drawn(9, 3)
    with torch.no_grad():
        logits[4, 1] = wrong
    for told in judge(logits, actions):
        assert told.isnan().tolist() == [row == 4 for row in range(9)]
    assert not draw(logits)[2]


@pytest.mark.parametrize("actions", [[0, 1, 3], [0, -1, 1], [0, 1]])
def test_actions_that_there_are_not_are_refused(actions, unchecked):
    with pytest.raises(ValueError, match=rf"for each of 3 rows, of those from 0 to 2, got {len(actions)}"):
        judge(drawn(3, 3)[0], torch.tensor(actions))
