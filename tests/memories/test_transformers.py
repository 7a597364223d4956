"""The three transformers against literal transcriptions of their papers' equations, and how far back they look."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from memagents.memories import make_memory
from memagents.memories.gtrxl import gate as gtrxl_gate

D, H, K, L, W, T = 3, 8, 2, 2, 3, 10
E = H // K
START = 4

transformers = pytest.mark.parametrize("name", ["transformer", "transformer_xl", "gtrxl"])


def build(name, seed=0, **options):
    """A memory whose every parameter is drawn at random, so that none of them can be left out unnoticed."""
    torch.manual_seed(seed)
    options = {"hidden_size": H, "num_layers": L, "num_heads": K, "window": W, **options}
    memory = make_memory(name, input_size=D, **options).double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.copy_(torch.randn_like(parameter) / parameter.shape[-1] ** 0.5)
    return memory


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def layer_norm(x, w, name):
    normal = (x - x.mean()) / np.sqrt(((x - x.mean()) ** 2).mean() + 1e-5)
    return normal * w[f"{name}_weight"] + w[f"{name}_bias"]


def feedforward(x, w):
    hidden = np.maximum(w["widen"] @ x + w["widen_bias"], 0)
    return w["narrow"] @ hidden + w["narrow_bias"]


def sinusoid(position):
    angles = [position / 10_000 ** (2 * i / H) for i in range(H // 2)]
    return np.array([np.sin(a) for a in angles] + [np.cos(a) for a in angles])


def attention(past: list[NDArray], w, relative):
    """What the last entry of `past` reads of all entries, head by head."""
    values, u, v = [], np.zeros((K, E)), np.zeros((K, E))
    if relative:
        u, v = w["content_bias"][:, 0], w["position_bias"][:, 0]
    w_keys, w_values = np.split(w["keys_values"], 2)
    for head in range(K):
        rows = slice(head * E, (head + 1) * E)
        q = w["queries"][rows] @ past[-1]
        scores = []
        for age in range(len(past)):
            score = (q + u[head]) @ (w_keys[rows] @ past[-1 - age])
            if relative:
                score += (q + v[head]) @ (w["position_keys"][rows] @ sinusoid(age))
            scores.append(score / np.sqrt(E))
        weights = softmax(np.array(scores))
        values.append(sum(p * (w_values[rows] @ past[-1 - age]) for age, p in enumerate(weights)))
    read = w["output"] @ np.concatenate(values)
    return read if relative else read + w["output_bias"]


def transformer_layer(past, w):
    x = past[-1] + attention([layer_norm(e, w, "attention_norm") for e in past], w, relative=False)
    return x + feedforward(layer_norm(x, w, "feedforward_norm"), w)


def transformer_xl_layer(past, w):
    x = layer_norm(past[-1] + attention(past, w, relative=True), w, "attention_norm")
    return layer_norm(x + feedforward(x, w), w, "feedforward_norm")


def gate(x, y, w, name):
    w_r, w_z, w_h = np.split(w[f"{name}_branch"], 3)
    u_r, u_z = np.split(w[f"{name}_stream"], 2)
    r = sigmoid(w_r @ y + u_r @ x)
    z = sigmoid(w_z @ y + u_z @ x - w[f"{name}_gate_bias"])
    h = np.tanh(w_h @ y + w[f"{name}_reset"] @ (r * x))
    return (1 - z) * x + z * h


def gtrxl_layer(past, w):
    read = attention([layer_norm(e, w, "attention_norm") for e in past], w, relative=True)
    x = gate(past[-1], np.maximum(read, 0), w, "attention")
    return gate(x, np.maximum(feedforward(layer_norm(x, w, "feedforward_norm"), w), 0), w, "feedforward")


LAYERS = {"transformer": transformer_layer, "transformer_xl": transformer_xl_layer, "gtrxl": gtrxl_layer}


@transformers
def test_equals_a_literal_transcription_of_the_equations(name):
    memory = build(name)
    inputs = torch.randn(T, 1, D, dtype=torch.float64)
    starts = torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    outputs, _ = memory(inputs, starts, memory.initial_state(1))

    weights = {key: value.numpy() for key, value in memory.state_dict().items()}
    by_layer = [{k.removeprefix("layers."): v[n] for k, v in weights.items() if "layers." in k} for n in range(L)]
    past: list[list[NDArray]] = [[] for _ in range(L)]
    for t in range(T):
        if t == START:
            past = [[] for _ in range(L)]
        x = weights["embed.weight"] @ inputs[t, 0].numpy() + weights["embed.bias"]
        if name == "transformer":
            x = x + sinusoid(t if t < START else t - START)
        for n in range(L):
            past[n].append(x)
            x = LAYERS[name](past[n][-W - 1 :], by_layer[n])
        if name == "transformer":
            x = layer_norm(x, {"last_weight": weights["last.weight"], "last_bias": weights["last.bias"]}, "last")
        np.testing.assert_allclose(outputs[t, 0].detach().numpy(), x, atol=1e-10, rtol=0)


@transformers
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_looks_back_exactly_layers_times_window_steps(name, num_layers):
    memory = build(name, num_layers=num_layers)
    reach = num_layers * W
    inputs = torch.randn(reach + 2, 1, D, dtype=torch.float64, requires_grad=True)
    outputs, _ = memory(inputs, torch.zeros(len(inputs), 1, dtype=torch.bool), memory.initial_state(1))
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    assert (gradient[0] == 0).all()
    assert gradient[1].abs().max() > 1e-12


@transformers
def test_the_traced_attention_is_a_distribution_over_the_steps_of_the_episode(name):
    memory = build(name)
    inputs = torch.randn(T, 2, D, dtype=torch.float64)
    starts = torch.zeros(T, 2, dtype=torch.bool)
    starts[START, 0] = True
    attention = memory.trace(inputs, starts, memory.initial_state(2))["attention"]
    assert attention.shape == (T, 2, L, K, W + 1)
    torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]))
    assert (attention[START, 0, ..., :-1] == 0).all(), "the first step of an episode has itself alone to read"
    assert (attention[START + 1, 0, ..., :-2] == 0).all()
    assert (attention[START + 1, 1] > 0).all()


def test_the_traced_attention_of_the_first_layer_is_that_of_the_equations():
    memory = build("transformer", num_layers=1)
    inputs = torch.randn(2, 1, D, dtype=torch.float64)
    trace = memory.trace(inputs, torch.zeros(2, 1, dtype=torch.bool), memory.initial_state(1))
    w = {key: value.numpy() for key, value in memory.state_dict().items()}
    layer = {key.removeprefix("layers."): value[0] for key, value in w.items() if "layers." in key}
    past = [w["embed.weight"] @ x[0].numpy() + w["embed.bias"] + sinusoid(t) for t, x in enumerate(inputs)]
    first, second = (layer_norm(x, layer, "attention_norm") for x in past)
    q, k = layer["queries"][:E] @ second, layer["keys_values"][:E]
    expected = softmax(np.array([q @ (k @ first), q @ (k @ second)]) / np.sqrt(E))
    np.testing.assert_allclose(trace["attention"][1, 0, 0, 0, -2:].detach().numpy(), expected, atol=1e-12)


def test_a_gate_with_a_large_bias_is_the_identity_and_with_a_small_one_the_candidate():
    torch.manual_seed(0)
    x, y, *matrices = (torch.randn(rows, H).double() for rows in (3, 3, 3 * H, 2 * H, H))
    torch.testing.assert_close(gtrxl_gate(x, y, *matrices, torch.full((H,), 50.0).double()), x)
    candidate = gtrxl_gate(x, y, *matrices, torch.full((H,), -50.0).double())
    assert (candidate.abs() < 1).all(), "a candidate is a tanh"


def test_gtrxl_begins_nearly_as_the_identity_if_its_gates_have_a_large_bias():
    changes = []
    for gate_bias in (0.0, 8.0):
        torch.manual_seed(0)
        memory = make_memory("gtrxl", input_size=D, gate_bias=gate_bias).double()
        inputs = torch.randn(50, 2, D, dtype=torch.float64)
        outputs, _ = memory(inputs, torch.zeros(50, 2, dtype=torch.bool), memory.initial_state(2))
        changes.append((outputs - memory.embed(inputs)).abs().mean())
    assert changes[0] > 0.5
    assert changes[1] < 0.02


@transformers
def test_a_feed_forward_network_is_four_times_as_wide_in_between_or_as_one_wishes(name):
    assert make_memory(name, input_size=D, hidden_size=H).layers.widen.shape[1] == 4 * H
    memory = make_memory(name, input_size=D, hidden_size=H, feedforward_size=5)
    assert memory.layers.widen.shape[1:] == (5, H)
    assert memory.layers.narrow.shape[1:] == (H, 5)
    with pytest.raises(ValueError, match="feedforward_size must be an integer of at least 1, got 0"):
        make_memory(name, input_size=D, feedforward_size=0)


@transformers
def test_impossible_sizes_are_named(name):
    with pytest.raises(ValueError, match="hidden_size must be a multiple of num_heads, got 7 and 2"):
        make_memory(name, input_size=D, hidden_size=7, num_heads=2)
    with pytest.raises(ValueError, match="window must be an integer of at least 1, got 0"):
        make_memory(name, input_size=D, window=0)
