"""Least Recently Used Access against a literal transcription of its equations, and driven by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from memagents.memories import make_memory

D, H, N, W, T, START, DECAY = 3, 4, 5, 4, 12, 5, 0.9


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def cosine(u, v):
    return u @ v / np.sqrt((u @ u + 1e-6) * (v @ v + 1e-6))


def random_mann(num_reads=2, **options):
    """A small network in float64 with every parameter random, and all its gates moved."""
    torch.manual_seed(0)
    sizes = {"hidden_size": H, "memory_size": N, "word_size": W, "num_reads": num_reads, "usage_decay": DECAY}
    memory = make_memory("mann", input_size=D, **sizes, **options).double()
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.7 * torch.randn_like(weight)
    return memory


class Transcription:
    """One row, one step at a time, one head after the other."""

    def __init__(self, memory):
        self.weights = {name: weight.detach().numpy() for name, weight in memory.named_parameters()}
        self.num_reads, self.kind = memory.num_reads, memory.controller.kind
        self.start()

    def start(self):
        self.h, self.c = np.zeros(H), np.zeros(H)
        self.memory, self.usage = np.zeros((N, W)), np.zeros(N)
        self.wr, self.r = [np.zeros(N)] * self.num_reads, [np.zeros(W)] * self.num_reads

    def control(self, x):
        p = self.weights
        past = np.concatenate([*self.r, self.h] if self.kind == "lstm" else self.r)
        gates = p["controller.from_input.weight"] @ x + p["controller.from_input.bias"]
        gates = gates + p["controller.from_past.weight"] @ past
        if self.kind == "lstm":
            i, f, g, o = np.split(gates, 4)
            self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
            self.h = sigmoid(o) * np.tanh(self.c)
        else:
            self.h = np.tanh(gates)
        return np.split(p["controller.interface.weight"] @ self.h + p["controller.interface.bias"], self.num_reads)

    def step(self, x):
        heads = self.control(x)
        ranked = sorted(range(N), key=lambda i: self.usage[i] + 1e-5 * i)
        least_used = np.array([float(i in ranked[: self.num_reads]) for i in range(N)])  # eq. 6
        ww = [  # eq. 7
            sigmoid(head[-1]) * w + (1 - sigmoid(head[-1])) * least_used for head, w in zip(heads, self.wr, strict=True)
        ]
        self.memory[ranked[0]] = 0
        for head, w in zip(heads, ww, strict=True):  # eq. 8
            for i in range(N):
                self.memory[i] += w[i] * head[:W]
        self.wr = [softmax(np.array([cosine(head[:W], word) for word in self.memory])) for head in heads]  # eqs 2, 3
        self.r = [sum(w[i] * self.memory[i] for i in range(N)) for w in self.wr]  # eq. 4
        self.usage = DECAY * self.usage + sum(self.wr) + sum(ww)  # eq. 5
        p = self.weights
        return (
            p["from_hidden.weight"] @ self.h + p["from_hidden.bias"] + p["from_reads.weight"] @ np.concatenate(self.r)
        )


@pytest.mark.parametrize("controller", ["lstm", "feedforward"])
@pytest.mark.parametrize("num_reads", [1, 2])
def test_equals_a_literal_transcription_of_the_equations(num_reads, controller):
    memory = random_mann(num_reads, controller=controller)
    inputs, starts = 2 * torch.randn(T, 1, D, dtype=torch.float64), torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    outputs, final = memory(inputs, starts, memory.initial_state(1))
    expected = Transcription(memory)
    for t in range(T):
        if t == START:
            expected.start()
        np.testing.assert_allclose(outputs[t, 0].detach(), expected.step(inputs[t, 0].numpy()), atol=1e-10)
    np.testing.assert_allclose(final.memory[0].detach(), expected.memory, atol=1e-10)
    np.testing.assert_allclose(final.usage[0].detach(), expected.usage, atol=1e-10)
    np.testing.assert_allclose(final.read_weights[0].detach(), np.stack(expected.wr), atol=1e-10)


def test_in_long_runs_reading_is_attention_and_the_least_used_slot_holds_nothing_but_the_last_write():
    memory = random_mann()
    inputs, starts = torch.randn(200, 3, D, dtype=torch.float64), torch.zeros(200, 3, dtype=torch.bool)
    trace = memory.trace(inputs, starts, memory.initial_state(3))
    for name in ("read_weights", "write_weights", "usage"):
        assert (trace[name] >= 0).all()
    torch.testing.assert_close(trace["read_weights"].sum(-1), torch.ones(200, 3, 2, dtype=torch.float64))
    assert ((trace["gates"] > 0) & (trace["gates"] < 1)).all()
    assert (trace["least_used"].sum(-1) == memory.num_reads).all()
    for t in range(1, 200):
        written = trace["write_weights"][t].mT @ trace["keys"][t]
        least = trace["usage"][t - 1].argmin(-1)
        kept = trace["memory"][t - 1].clone()
        kept[range(3), least] = 0
        torch.testing.assert_close(trace["memory"][t], kept + written)
        assert (trace["least_used"][t - 1][range(3), least] == 1).all()
        grown = trace["read_weights"][t].sum(1) + trace["write_weights"][t].sum(1)
        torch.testing.assert_close(trace["usage"][t], DECAY * trace["usage"][t - 1] + grown)


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


YES, NO = 30.0, -30.0


@pytest.fixture
def scripted():
    sizes = {"hidden_size": H, "memory_size": N, "word_size": W}
    memory = make_memory("mann", input_size=1, **sizes)
    memory.controller = Script(H)
    return memory


def told(gate, *keys):
    return torch.stack([torch.cat([key, torch.tensor([gate])]) for key in keys])[:, None]


def test_with_the_gate_shut_every_word_goes_to_a_slot_of_its_own_until_the_oldest_makes_room(scripted):
    words = torch.cat([torch.eye(W), -torch.ones(1, W), torch.ones(1, W)])
    state = scripted.initial_state(1)
    held = []
    for x in told(NO, *words):
        _, state = scripted.step(x, state)
        held.append(state.memory[0])
    torch.testing.assert_close(held[N - 1], words[:N])
    torch.testing.assert_close(held[N], words[[5, 1, 2, 3, 4]])


def test_with_the_gate_open_a_word_is_written_where_was_read_last(scripted):
    first, second = torch.eye(W)[:2]
    _, state = scripted.step(told(NO, first)[0], scripted.initial_state(1))
    _, after = scripted.step(told(YES, second)[0], state)
    torch.testing.assert_close(after.write_weights, state.read_weights)
    assert after.write_weights[0, 0].argmax() == 0


def test_a_key_reads_the_words_that_resemble_it_e_times_as_much_as_those_that_do_not_and_itself_as_well(scripted):
    words = torch.eye(W)
    state = scripted.initial_state(1)
    for x in told(NO, *words):
        _, state = scripted.step(x, state)
    for number, word in enumerate(words):
        _, after = scripted.step(told(NO, word)[0], state)
        expected = torch.zeros(N)
        expected[[number, W]] = 1.0
        torch.testing.assert_close(after.read_weights[0, 0], torch.softmax(expected, -1), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"controller": "gru"}, "controller must be one of lstm, feedforward, got 'gru'"),
        ({"word_size": 0}, "word_size must be an integer of at least 1, got 0"),
        ({"num_reads": 3, "memory_size": 2}, "num_reads must be at most memory_size, which is 2, got 3"),
        ({"usage_decay": 1.0}, "usage_decay must be at least 0 and below 1, got 1.0"),
    ],
)
def test_an_option_out_of_its_range_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_memory("mann", input_size=D, **options)
