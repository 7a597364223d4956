"""The recurrent memories against independent transcriptions of their equations, and against torch's own modules."""

import numpy as np
import pytest
import torch

from memagents.memories import make_memory
from memagents.ops import recurrence

D, H, T = 3, 4, 6


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn_step(x, state, gates):
    (gate,) = gates
    h = np.tanh(gate(x, state["hidden"]))
    return h, {"hidden": h}


def lstm_step(x, state, gates):
    i, f, g, o = (gate(x, state["hidden"]) for gate in gates)
    c = sigmoid(f) * state["cell"] + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, {"hidden": h, "cell": c}


def gru_step(x, state, gates):
    reset, update, content = gates
    h = state["hidden"]
    r, z = sigmoid(reset(x, h)), sigmoid(update(x, h))
    n = np.tanh(content.w_ih @ x + content.b_ih + r * (content.w_hh @ h + content.b_hh))
    h = z * h + (1 - z) * n
    return h, {"hidden": h}


STEPS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


class Gate:
    """One gate of one layer, cut out of the stacked weights."""

    def __init__(self, layer, index):
        rows = slice(index * H, (index + 1) * H)
        self.w_ih, self.w_hh, self.b_ih, self.b_hh = (w.detach().numpy()[rows] for w in layer.weights())

    def __call__(self, x, h):
        return self.w_ih @ x + self.b_ih + self.w_hh @ h + self.b_hh


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("name", STEPS)
def test_equals_a_literal_transcription_of_the_equations(name, num_layers):
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, hidden_size=H, num_layers=num_layers).double()
    inputs = torch.randn(T, 1, D, dtype=torch.float64)
    outputs, final = memory(inputs, torch.zeros(T, 1, dtype=torch.bool), memory.initial_state(1))

    layers = [[Gate(layer, index) for index in range(layer.weight_hh.shape[0] // H)] for layer in memory.layers]
    states = [{field: np.zeros(H) for field in final._fields} for _ in layers]
    for t in range(T):
        x = inputs[t, 0].numpy()
        for number, gates in enumerate(layers):
            x, states[number] = STEPS[name](x, states[number], gates)
        np.testing.assert_allclose(outputs[t, 0].detach().numpy(), x, atol=1e-12)
    for field in final._fields:
        expected = np.stack([state[field] for state in states])
        np.testing.assert_allclose(getattr(final, field)[0].detach().numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_traced_gates_are_those_that_made_the_states(name):
    """They fit into the equations, with what was held before and after a step."""
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, hidden_size=H, num_layers=2).double()
    inputs, starts = torch.randn(T, 3, D, dtype=torch.float64), torch.zeros(T, 3, dtype=torch.bool)
    starts[0, 0] = starts[2, 1] = True
    begun = type(memory.initial_state(3))(*(torch.randn_like(field) for field in memory.initial_state(3)))
    trace = {key: value.detach().numpy() for key, value in memory.trace(inputs, starts, begun).items()}
    for t, row, number in np.ndindex(T, 3, 2):
        after = {key: values[t, row, number] for key, values in trace.items()}
        before = dict.fromkeys(begun._fields, np.zeros(H))
        if not starts[t, row]:
            earlier = {key: value[t - 1] for key, value in trace.items()} if t else begun._asdict()
            before = {key: np.asarray(earlier[key][row, number]) for key in begun._fields}
        x, h = trace["hidden"][t, row, number - 1] if number else inputs[t, row].numpy(), before["hidden"]
        gates = [Gate(memory.layers[number], index) for index in range(3)]
        if name == "lstm":
            kept = after["forget_gates"] * before["cell"] + after["input_gates"] * np.tanh(gates[2](x, h))
            np.testing.assert_allclose(after["cell"], kept, atol=1e-12)
            np.testing.assert_allclose(after["hidden"], after["output_gates"] * np.tanh(kept), atol=1e-12)
        else:
            content = gates[2].w_ih @ x + gates[2].b_ih + after["reset_gates"] * (gates[2].w_hh @ h + gates[2].b_hh)
            z = after["update_gates"]
            np.testing.assert_allclose(after["hidden"], z * h + (1 - z) * np.tanh(content), atol=1e-12)


@pytest.mark.parametrize(("name", "module"), [("rnn", torch.nn.RNN), ("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU)])
def test_with_the_same_weights_equals_torchs_own_module(name, module):
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, hidden_size=H)
    theirs = module(D, H)
    theirs.load_state_dict({f"{key.removeprefix('layers.0.')}_l0": w for key, w in memory.state_dict().items()})
    inputs = torch.randn(T, 5, D)
    outputs, _ = memory(inputs, torch.zeros(T, 5, dtype=torch.bool), memory.initial_state(5))
    torch.testing.assert_close(outputs, theirs(inputs)[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", STEPS)
def test_by_torchs_own_kernels_it_comes_to_the_same(name, monkeypatch):
    """They take the same layout, on a GPU, and where torch holds no library that ours could call."""
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, hidden_size=H, num_layers=2).double()
    inputs, starts = torch.randn(T, 3, D, dtype=torch.float64), torch.zeros(T, 3, dtype=torch.bool)
    starts[0, 0] = starts[2, 1] = starts[4, 1] = starts[5, 2] = True
    begun = type(memory.initial_state(3))(*(torch.randn_like(field) for field in memory.initial_state(3)))

    def everything():
        outputs, last = memory(inputs, starts, begun)
        loss = outputs.square().sum() + sum(field.sin().sum() for field in last)
        return outputs, last, torch.autograd.grad(loss, [*memory.parameters()])

    ours = everything()
    monkeypatch.setattr(recurrence, "can_unroll", lambda inputs: False)
    monkeypatch.setattr(recurrence, "unroll_cell", None)
    torch.testing.assert_close(ours, everything(), atol=1e-12, rtol=1e-12)


def test_relu_is_a_choice_of_the_elman_network():
    memory = make_memory("rnn", input_size=D, hidden_size=H, nonlinearity="relu")
    inputs, starts = torch.randn(T, 2, D), torch.zeros(T, 2, dtype=torch.bool)
    outputs, _ = memory(inputs, starts, memory.initial_state(2))
    torch.testing.assert_close(outputs, memory.loop(inputs, starts, memory.initial_state(2))[0])
    assert (outputs >= 0).all()
    assert (outputs == 0).any()


def test_the_cell_of_an_lstm_is_that_of_the_last_episode_of_each_row():
    torch.manual_seed(0)
    memory = make_memory("lstm", input_size=D, hidden_size=H).double()
    inputs = 10 * torch.randn(T, 2, D, dtype=torch.float64)
    starts = torch.zeros(T, 2, dtype=torch.bool)
    starts[4, 0] = starts[1, 1] = True
    _, final = memory(inputs, starts, memory.initial_state(2))
    for row, start in ((0, 4), (1, 1)):
        _, alone = memory(inputs[start:, [row]], starts[start:, [row]], memory.initial_state(1))
        torch.testing.assert_close(final.cell[[row]], alone.cell, atol=1e-14, rtol=1e-14)
