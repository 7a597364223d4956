"""Each encoder against a transcription of its paper in plain loops, and what it is known for."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from memagents.encoders import encoder_class
from memagents.encoders.neocognitron import Layer

VECTOR = spaces.Box(-1, 1, (2, 3))
ALPHA, EPSILON, MIDDLE = 0.5, 1e-8, 2


def build(name, space, **options):
    torch.manual_seed(0)
    return encoder_class(name)(space, **options).double()


def weights(module):
    return {name: weight.detach().numpy() for name, weight in module.named_parameters()}


def test_the_perceptron_equals_its_equation():
    encoder = build("perceptron", VECTOR, features_dim=4)
    w, batch = weights(encoder), torch.randn(5, 2, 3, dtype=torch.float64)
    for observation, features in zip(batch.numpy(), encoder(batch).detach().numpy(), strict=True):
        threshold = w["linear.weight"] @ observation.reshape(6) + w["linear.bias"]
        np.testing.assert_allclose(features, 1 / (1 + np.exp(-threshold)), atol=1e-10)


def test_radial_basis_functions_equal_their_equations():
    encoder = build("rbf", VECTOR, features_dim=4, num_centers=7)
    with torch.no_grad():
        encoder.log_beta.normal_()
    w, batch = weights(encoder), torch.randn(5, 2, 3, dtype=torch.float64)
    for observation, features in zip(batch.numpy(), encoder(batch).detach().numpy(), strict=True):
        phi = np.zeros(7)
        for i, (center, beta) in enumerate(zip(w["centers"], np.exp(w["log_beta"]), strict=True)):
            phi[i] = np.exp(-beta * np.sum((observation.reshape(6) - center) ** 2))
        np.testing.assert_allclose(features, w["linear.weight"] @ phi + w["linear.bias"], atol=1e-10)


def test_a_radial_basis_function_is_1_at_its_centre_and_nothing_far_away():
    encoder = build("rbf", VECTOR, num_centers=3, features_dim=3)
    with torch.no_grad():
        encoder.linear.weight.copy_(torch.eye(3))
        encoder.linear.bias.zero_()
    at_centers = encoder(encoder.centers.view(3, 2, 3))
    torch.testing.assert_close(at_centers.diagonal(), torch.ones(3, dtype=torch.float64), atol=1e-14, rtol=0)
    assert (at_centers <= 1).all()
    assert (encoder(100 * torch.ones(1, 2, 3, dtype=torch.float64)) < 1e-100).all()


def area(plane, row, column):
    """The 5 x 5 cells around a cell; beyond the edge all is dark."""
    return np.pad(plane, MIDDLE)[row : row + 5, column : column + 5]


def layer_by_hand(below, a, b, r):
    """S-cells, then C-cells, one by one."""
    near = np.exp(-0.5 * (np.arange(5.0) - MIDDLE) ** 2)
    d = np.outer(near, near) / np.outer(near, near).sum()
    c = d / len(below)
    num_planes, (height, width) = len(a), below[0].shape
    u_s = np.zeros((num_planes, height, width))
    for k, row, column in np.ndindex(u_s.shape):
        areas = [area(plane, row, column) for plane in below]
        excitation = sum((a[k, j] * areas[j]).sum() for j in range(len(below)))
        v_c = np.sqrt(EPSILON + sum((c * u**2).sum() for u in areas))
        u_s[k, row, column] = r * max((1 + excitation) / (1 + 2 * r / (1 + r) * b[k] * v_c) - 1, 0)
    u_c = np.zeros((num_planes, -(-height // 2), -(-width // 2)))
    for k, row, column in np.ndindex(u_c.shape):
        blurred = [(d * area(plane, 2 * row, 2 * column)).sum() for plane in u_s]
        x = max((1 + blurred[k]) / (1 + sum(blurred) / num_planes) - 1, 0)
        u_c[k, row, column] = x / (ALPHA + x)
    return u_c


def test_the_neocognitron_equals_its_equations():
    encoder = build("neocognitron", spaces.Box(-1, 3, (2, 9, 12)), features_dim=4, num_planes=3)
    images = 4 * torch.rand(2, 2, 9, 12, dtype=torch.float64) - 1
    w = weights(encoder)
    for image, features in zip(images.numpy(), encoder(images).detach().numpy(), strict=True):
        cells = (image + 1) / 4
        for number, r in enumerate((4.0, 1.5, 1.5)):
            a, b = (np.exp(w[f"layers.{number}.{name}"]) for name in ("log_a", "log_b"))
            cells = layer_by_hand(cells, a, b, r)
        assert cells.any()
        np.testing.assert_allclose(features, w["linear.weight"] @ cells.reshape(-1) + w["linear.bias"], atol=1e-10)


@pytest.mark.parametrize("r", [1.5, 4.0])
def test_an_s_cell_that_learned_a_pattern_responds_where_the_cosine_with_it_exceeds_r_over_1_plus_r(r):
    torch.manual_seed(0)
    layer = Layer(1, 1, r).double()
    c, pattern, noise = layer.c[0, 0], *torch.rand(2, 5, 5, dtype=torch.float64)
    with torch.no_grad():
        layer.log_a.copy_((1e6 * c * pattern).log())
        layer.log_b.fill_((1e6 * (c * pattern**2).sum().sqrt() / 2).log())
    responses = []
    for share in torch.linspace(0, 1, 50):
        u = (1 - share) * pattern + share * noise**9
        cosine = (c * pattern * u).sum() / ((c * pattern**2).sum() * (c * u**2).sum()).sqrt()
        responses.append(bool(layer.s_cells(u[None, None])[0, 0, MIDDLE, MIDDLE] > 0))
        assert responses[-1] == bool(cosine > r / (1 + r))
    assert len(set(responses)) == 2


def test_the_neocognitron_tolerates_a_shift_better_than_another_pattern():
    encoder = build("neocognitron", spaces.Box(0, 1, (1, 24, 24)))
    torch.manual_seed(1)
    pattern, other = torch.rand(2, 1, 1, 6, 6, dtype=torch.float64).round()

    def cells(pattern, column):
        image = torch.zeros(1, 1, 24, 24, dtype=torch.float64)
        image[..., 8:14, column : column + 6] = pattern
        return encoder.layers(image)

    shifted = (cells(pattern, 8) - cells(pattern, 9)).norm()
    assert shifted < (cells(pattern, 8) - cells(other, 8)).norm()
    assert shifted > 0


@pytest.mark.parametrize("shape", [(3, 10, 8), (1, 8, 8), (4, 33, 20)])
def test_the_neocognitron_reads_channels_first_or_last_and_any_size(shape):
    first = build("neocognitron", spaces.Box(0, 1, shape), num_planes=4)
    last = build("neocognitron", spaces.Box(0, 1, (*shape[1:], shape[0])), num_planes=4)
    images = torch.rand(2, *shape, dtype=torch.float64)
    torch.testing.assert_close(last(images.permute(0, 2, 3, 1)), first(images))


def test_the_neocognitron_has_finite_gradients_in_the_dark():
    encoder = build("neocognitron", spaces.Box(0, 1, (1, 8, 8)))
    image = torch.zeros(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    encoder(image).square().sum().backward()
    assert image.grad.isfinite().all()
    assert all(weight.grad.isfinite().all() for weight in encoder.parameters())


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(-1, 1, (4,)), "a neocognitron reads images, spaces of 3 axes; got Box"),
        (spaces.Discrete(3), "a neocognitron reads images, spaces of 3 axes; got Discrete"),
        (spaces.Box(0, 255, (3, 7, 20), np.uint8), "at least 8 x 8 pixels, got shape .3, 7, 20."),
        (spaces.Box(0, np.inf, (3, 20, 20)), "images need finite bounds"),
    ],
)
def test_the_neocognitron_refuses_what_is_no_image(space, message):
    with pytest.raises(ValueError, match=message):
        encoder_class("neocognitron")(space)
