"""The Neural Turing Machine against a literal transcription of its equations, and driven by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from memagents.memories import make_memory

D, H, N, W, T, START = 3, 4, 6, 5, 9, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log(1 + np.exp(x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def cosine(u, v):
    return u @ v / np.sqrt((u @ u + 1e-6) * (v @ v + 1e-6))


def random_ntm(seed=0, **options):
    """A small machine in float64 with every parameter random, and all its gates moved."""
    torch.manual_seed(seed)
    memory = make_memory("ntm", input_size=D, hidden_size=H, memory_size=N, word_size=W, **options).double()
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.7 * torch.randn_like(weight)
    return memory


class Transcription:
    """One row, one step at a time, one head after the other."""

    def __init__(self, memory):
        self.weights = {name: weight.detach().numpy() for name, weight in memory.named_parameters()}
        self.num_heads, self.reach, self.kind = memory.num_heads, memory.head_sizes[3] // 2, memory.controller.kind
        self.start()

    def start(self):
        self.h, self.c = np.zeros(H), np.zeros(H)
        self.memory = np.full((N, W), 1e-6)
        self.w = [np.eye(N)[0] for _ in range(2 * self.num_heads)]
        self.r = [np.zeros(W) for _ in range(self.num_heads)]

    def control(self, x):
        """The interface vector; section 3.3 says only that the controller is a network, feed-forward or LSTM."""
        p = self.weights
        past = [*self.r, self.h] if self.kind == "lstm" else self.r
        gates = p["controller.from_input.weight"] @ x + p["controller.from_input.bias"]
        gates = gates + p["controller.from_past.weight"] @ np.concatenate(past)
        if self.kind == "lstm":
            i, f, g, o = np.split(gates, 4)
            self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
            self.h = sigmoid(o) * np.tanh(self.c)
        else:
            self.h = np.tanh(gates)
        return np.clip(p["controller.interface.weight"] @ self.h + p["controller.interface.bias"], -20, 20)

    def address(self, w, head):
        key, strength, gate, *shifts, exponent = head[:W], head[W], head[W + 1], *head[W + 2 : -1], head[-1]
        content = softmax(softplus(strength) * np.array([cosine(key, word) for word in self.memory]))  # eqs 5, 6
        gated = sigmoid(gate) * content + (1 - sigmoid(gate)) * w  # eq. 7
        s = dict(zip(range(-self.reach, self.reach + 1), softmax(np.array(shifts)), strict=True))
        moved = np.zeros(N)
        for i in range(N):  # eq. 8, all indices modulo N
            moved[i] = sum(gated[(i - move) % N] * share for move, share in s.items())
        sharp = moved ** (1 + softplus(exponent))  # eq. 9
        return sharp / sharp.sum()

    def step(self, x):
        heads, erase, add = np.split(
            self.control(x), np.cumsum([2 * self.num_heads * (W + 4 + 2 * self.reach), self.num_heads * W])
        )
        self.w = [self.address(w, head) for w, head in zip(self.w, np.split(heads, 2 * self.num_heads), strict=True)]
        self.r = [sum(w[i] * self.memory[i] for i in range(N)) for w in self.w[: self.num_heads]]  # eq. 2
        writing = self.w[self.num_heads :]
        for w, e in zip(writing, np.split(sigmoid(erase), self.num_heads), strict=True):  # eq. 3
            self.memory = np.array([self.memory[i] * (1 - w[i] * e) for i in range(N)])
        for w, a in zip(writing, np.split(np.tanh(add), self.num_heads), strict=True):  # eq. 4
            self.memory = np.array([self.memory[i] + w[i] * a for i in range(N)])
        p = self.weights
        return (
            p["from_hidden.weight"] @ self.h + p["from_hidden.bias"] + p["from_reads.weight"] @ np.concatenate(self.r)
        )


@pytest.mark.parametrize(
    "options",
    [{}, {"controller": "feedforward"}, {"num_heads": 2}, {"shift_range": 2}],
    ids=["default", "feedforward", "two heads of each kind", "moves by two"],
)
def test_equals_a_literal_transcription_of_the_equations(options):
    memory = random_ntm(**options)
    inputs, starts = 2 * torch.randn(T, 1, D, dtype=torch.float64), torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    outputs, final = memory(inputs, starts, memory.initial_state(1))
    expected = Transcription(memory)
    for t in range(T):
        if t == START:
            expected.start()
        np.testing.assert_allclose(outputs[t, 0].detach(), expected.step(inputs[t, 0].numpy()), atol=1e-10)
    np.testing.assert_allclose(final.memory[0].detach(), expected.memory, atol=1e-10)
    weights = torch.cat([final.read_weights, final.write_weights], 1)
    np.testing.assert_allclose(weights[0].detach(), np.stack(expected.w), atol=1e-10)
    np.testing.assert_allclose(final.reads[0].detach(), np.stack(expected.r), atol=1e-10)


def test_weights_are_attention_in_long_runs_and_no_part_of_the_interface_exceeds_its_limit():
    memory = random_ntm(num_heads=2)
    memory.controller.interface.weight.data *= 30
    inputs, starts = torch.randn(200, 3, D, dtype=torch.float64), torch.rand(200, 3) < 0.02
    trace = memory.trace(inputs, starts, memory.initial_state(3))
    for name in ("read_weights", "write_weights", "shifts"):
        assert (trace[name] >= 0).all()
        torch.testing.assert_close(trace[name].sum(-1), torch.ones_like(trace[name][..., 0]))
    for name in ("gates", "erase"):
        assert ((trace[name] >= 0) & (trace[name] <= 1)).all()
    assert (trace["exponents"] >= 1).all()
    assert (trace["strengths"] >= 0).all()
    assert trace["strengths"].max() <= 20.01
    assert trace["exponents"].max() <= 21.01
    assert trace["keys"].abs().max() == 20


def test_the_trace_tells_what_was_written_where():
    memory = random_ntm(num_heads=2)
    inputs, starts = torch.randn(T, 2, D, dtype=torch.float64), torch.zeros(T, 2, dtype=torch.bool)
    trace = memory.trace(inputs, starts, memory.initial_state(2))
    for t in range(1, T):
        w, e, a = (trace[name][t].unbind(1) for name in ("write_weights", "erase", "add"))
        kept = (1 - w[0][..., None] * e[0][:, None]) * (1 - w[1][..., None] * e[1][:, None])
        added = w[0][..., None] * a[0][:, None] + w[1][..., None] * a[1][:, None]
        torch.testing.assert_close(trace["memory"][t], trace["memory"][t - 1] * kept + added)


class Script(nn.Module):
    """In the controller's place: what comes in as input goes out as interface vector."""

    def __init__(self, hidden_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.from_input = nn.Identity()

    def zeros(self, batch_size):
        return torch.zeros(batch_size, self.hidden_size), torch.zeros(batch_size, 0)

    def forward(self, from_input, reads, hidden, cell):
        return hidden, cell, from_input


YES, NO = 20.0, -20.0


def tell(read_move, write_move, word=None, key=None):
    """An interface vector: by how much the reading and the writing head move, what is written, what is looked up."""

    def head(move, key):
        looked_up = torch.zeros(W) if key is None else key
        shifts = [YES if place == move else NO for place in (-1, 0, 1)]
        return torch.cat([looked_up, torch.tensor([YES, NO if key is None else YES, *shifts, YES])])

    erase = torch.full((W,), NO if word is None else YES)
    add = torch.zeros(W) if word is None else torch.atanh(word)
    return torch.cat([head(read_move, key), head(write_move, None), erase, add])[None]


@pytest.fixture
def scripted():
    memory = make_memory("ntm", input_size=1, hidden_size=H, memory_size=N, word_size=W)
    memory.controller = Script(H)
    return memory


WORDS = torch.tensor([[0.9, -0.5, 0.1, 0.3, 0.2], [-0.4, 0.8, 0.6, -0.2, 0.5], [0.2, 0.3, -0.9, 0.7, -0.6]])


def test_three_words_written_moving_on_are_read_back_moving_on(scripted):
    state = scripted.initial_state(1)
    for number, word in enumerate(WORDS):
        _, state = scripted.step(tell(0, 0 if number == 0 else 1, word), state)
    torch.testing.assert_close(state.memory[0, :3], WORDS, atol=1e-4, rtol=0)
    for number, word in enumerate(WORDS):
        _, state = scripted.step(tell(0 if number == 0 else 1, 0), state)
        torch.testing.assert_close(state.reads[0, 0], word, atol=1e-4, rtol=0)


def test_a_word_is_found_by_a_key_and_its_neighbours_by_moving_from_there(scripted):
    state = scripted.initial_state(1)
    for number, word in enumerate(WORDS):
        _, state = scripted.step(tell(0, 0 if number == 0 else -1, word), state)
    for move, expected in ((0, 1), (-1, 2), (1, 0)):
        _, after = scripted.step(tell(move, 0, key=WORDS[1]), state)
        torch.testing.assert_close(after.reads[0, 0], WORDS[expected], atol=1e-3, rtol=0)


def test_a_memory_that_is_neither_moved_in_nor_written_to_keeps_everything(scripted):
    state = scripted.initial_state(1)
    _, state = scripted.step(tell(0, 1, WORDS[0]), state)
    written = state
    for _ in range(50):
        _, state = scripted.step(tell(0, 0), state)
    torch.testing.assert_close(state.memory, written.memory, atol=1e-5, rtol=0)
    torch.testing.assert_close(state.write_weights, written.write_weights, atol=1e-5, rtol=0)


def test_a_feedforward_controller_reads_nothing_of_the_past_but_words():
    memory = random_ntm(controller="feedforward")
    x = torch.randn(2, D, dtype=torch.float64)
    state = memory.initial_state(2)
    other = state._replace(hidden=torch.randn_like(state.hidden))
    assert torch.equal(memory.step(x, state)[0], memory.step(x, other)[0])
    other = state._replace(reads=torch.randn_like(state.reads))
    assert not torch.equal(memory.step(x, state)[0], memory.step(x, other)[0])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"controller": "gru"}, "controller must be one of lstm, feedforward, got 'gru'"),
        ({"num_heads": 0}, "num_heads must be an integer of at least 1, got 0"),
        ({"shift_range": 0}, "shift_range must be an integer of at least 1, got 0"),
    ],
)
def test_an_option_out_of_its_range_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_memory("ntm", input_size=D, **options)
