import numpy as np
import torch

from memagents.sequence_tasks.optimizers import GravesRMSprop


def test_equals_a_literal_transcription_of_the_equations():
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(6, 3)) + 1.0
    weight = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = GravesRMSprop([weight], learning_rate=0.1)

    w, n, m, change = (np.zeros(3) for _ in range(4))
    for g in gradients:
        n = 0.95 * n + 0.05 * g**2
        m = 0.95 * m + 0.05 * g
        change = 0.9 * change - 0.1 * g / np.sqrt(n - m**2 + 1e-4)
        w = w + change
        weight.grad = torch.as_tensor(g)
        optimizer.step()
        np.testing.assert_allclose(weight.detach().numpy(), w, atol=1e-12)


def test_a_parameter_without_a_gradient_stays_as_it_is():
    trained, untouched = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = GravesRMSprop([trained, untouched], learning_rate=0.1)
    trained.sum().backward()
    optimizer.step()
    assert (trained < 1).all()
    assert (untouched == 1).all()
