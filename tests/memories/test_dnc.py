"""The Differentiable Neural Computer against a literal transcription of its equations, and driven by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from memagents.memories import make_memory

D, H, N, W, T, START = 3, 4, 5, 4, 10, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def oneplus(x):
    return 1 + np.log(1 + np.exp(x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def cosine(u, v):
    return u @ v / np.sqrt((u @ u + 1e-6) * (v @ v + 1e-6))


def random_dnc(seed=0, num_reads=2, **options):
    """A small machine in float64 with every parameter random, and all its gates moved."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": H, "memory_size": N, "word_size": W, "num_reads": num_reads}
    memory = make_memory("dnc", input_size=D, **sizes, **options).double()
    with torch.no_grad():
        for weight in memory.parameters():
            weight += 0.7 * torch.randn_like(weight)
    return memory


class Transcription:
    """One row, one step at a time, in the order of the paper's Methods."""

    def __init__(self, memory):
        self.weights = {name: weight.detach().numpy() for name, weight in memory.named_parameters()}
        self.dnc, self.num_reads = memory, memory.num_reads
        self.start()

    def start(self):
        self.h, self.c = np.zeros(H), np.zeros(H)
        self.memory, self.usage = np.zeros((N, W)), np.zeros(N)
        self.link, self.precedence = np.zeros((N, N)), np.zeros(N)
        self.ww, self.wr = np.zeros(N), np.zeros((self.num_reads, N))
        self.r = np.zeros((self.num_reads, W))

    def control(self, x):
        p = self.weights
        lstm = self.dnc.controller.kind == "lstm"
        past = np.concatenate([*self.r, self.h] if lstm else self.r)
        gates = p["controller.from_input.weight"] @ x + p["controller.from_input.bias"]
        gates = gates + p["controller.from_past.weight"] @ past
        if lstm:
            i, f, g, o = np.split(gates, 4)
            self.c = sigmoid(f) * self.c + sigmoid(i) * np.tanh(g)
            self.h = sigmoid(o) * np.tanh(self.c)
        else:
            self.h = np.tanh(gates)
        interface = p["controller.interface.weight"] @ self.h + p["controller.interface.bias"]
        heads, write = np.split(interface, [self.num_reads * sum(self.dnc.read_sizes.values())])
        return [parts(head, self.dnc.read_sizes) for head in np.split(heads, self.num_reads)], parts(
            write, self.dnc.write_sizes
        )

    def content(self, key, strength, mask):
        mask = np.ones(W) if mask is None else sigmoid(mask)
        scores = [oneplus(strength) * cosine(key * mask, word * mask) for word in self.memory]
        return softmax(np.array(scores))

    def allocation(self):
        free_list = sorted(range(N), key=lambda i: self.usage[i] + 1e-5 * i)
        at_least = 1e-6 + (1 - 1e-6) * self.usage
        allocation = np.zeros(N)
        for j in range(N):
            allocation[free_list[j]] = 1 - at_least[free_list[j]]
            for i in range(j):
                allocation[free_list[j]] *= at_least[free_list[i]]
        return allocation

    def write(self, heads, told):
        retention = np.ones(N)
        for head, w in zip(heads, self.wr, strict=True):
            retention *= 1 - sigmoid(head["free_gates"]) * w
        self.usage = (self.usage + self.ww - self.usage * self.ww) * retention
        content = self.content(told["write_key"], told["write_strength"], told.get("write_mask"))
        allocation_gate, write_gate = sigmoid(told["allocation_gate"]), sigmoid(told["write_gate"])
        self.ww = write_gate * (allocation_gate * self.allocation() + (1 - allocation_gate) * content)
        if self.dnc.deallocate:
            self.memory = self.memory * np.outer(retention, np.ones(W))
        erased = np.ones((N, W)) - np.outer(self.ww, sigmoid(told["erase"]))
        self.memory = self.memory * erased + np.outer(self.ww, told["write_vector"])

    def link_up(self):
        link = np.zeros((N, N))
        for i, j in np.ndindex(N, N):
            if i != j:
                link[i, j] = (1 - self.ww[i] - self.ww[j]) * self.link[i, j] + self.ww[i] * self.precedence[j]
        self.link = link
        self.precedence = (1 - self.ww.sum()) * self.precedence + self.ww

    def read_weights(self, head, w):
        content = self.content(head["read_keys"], head["read_strengths"], head.get("read_masks"))
        if not self.dnc.links:
            return content
        backward, forward = self.link.T @ w, self.link @ w
        if self.dnc.sharpen_links:
            backward, forward = (
                (d + 1e-6) ** oneplus(s) / ((d + 1e-6) ** oneplus(s)).sum()
                for d, s in zip((backward, forward), head["sharpness"], strict=True)
            )
        modes = softmax(head["read_modes"])
        return modes[0] * backward + modes[1] * content + modes[2] * forward

    def step(self, x):
        heads, told = self.control(x)
        self.write(heads, told)
        if self.dnc.links:
            self.link_up()
        self.wr = np.stack([self.read_weights(head, w) for head, w in zip(heads, self.wr, strict=True)])
        self.r = np.stack([self.memory.T @ w for w in self.wr])
        p = self.weights
        return p["from_hidden.weight"] @ self.h + p["from_hidden.bias"] + p["from_reads.weight"] @ self.r.flatten()


def parts(vector, sizes):
    """A vector cut into named parts."""
    cuts = np.split(vector, np.cumsum(list(sizes.values()))[:-1])
    return {name: cut[0] if len(cut) == 1 else cut for name, cut in zip(sizes, cuts, strict=True)}


REPAIRS = {"masked_content": True, "deallocate": True, "sharpen_links": True}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_reads": 1},
        {"controller": "feedforward"},
        {"links": False},
        {"links": False, "masked_content": True, "deallocate": True},
        {"masked_content": True},
        {"deallocate": True},
        {"sharpen_links": True},
        REPAIRS,
    ],
    ids=lambda options: " ".join(f"{name}={value}" for name, value in options.items()) or "default",
)
def test_equals_a_literal_transcription_of_the_equations(options):
    memory = random_dnc(**options)
    inputs, starts = 2 * torch.randn(T, 1, D, dtype=torch.float64), torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    outputs, final = memory(inputs, starts, memory.initial_state(1))
    expected = Transcription(memory)
    for t in range(T):
        if t == START:
            expected.start()
        np.testing.assert_allclose(outputs[t, 0].detach(), expected.step(inputs[t, 0].numpy()), atol=1e-10)
    held = {"memory": expected.memory, "usage": expected.usage, "write_weights": expected.ww}
    held |= {"read_weights": expected.wr, "reads": expected.r}
    if memory.links:
        held |= {"links": expected.link, "precedence": expected.precedence}
    for field, value in held.items():
        np.testing.assert_allclose(getattr(final, field)[0].detach(), value, atol=1e-10)


@pytest.mark.parametrize("options", [{}, REPAIRS], ids=["as published", "repaired"])
def test_usage_weights_and_links_stay_what_they_should_be_in_long_runs(options):
    memory = random_dnc(**options)
    memory.controller.interface.weight.data *= 5
    inputs, starts = torch.randn(200, 3, D, dtype=torch.float64), torch.rand(200, 3) < 0.02
    trace = memory.trace(inputs, starts, memory.initial_state(3))
    assert ((trace["usage"] >= 0) & (trace["usage"] <= 1)).all()
    for name in ("write_weights", "read_weights", "allocation", "precedence", "read_modes"):
        assert (trace[name] >= 0).all()
        assert (trace[name].sum(-1) <= 1 + 1e-9).all()
    links = trace["links"]
    assert (links.diagonal(dim1=-2, dim2=-1) == 0).all()
    assert (links >= 0).all()
    assert (links.sum(-1) <= 1 + 1e-9).all()
    assert (links.sum(-2) <= 1 + 1e-9).all()
    for name in ("free_gates", "allocation_gate", "write_gate", "erase"):
        assert ((trace[name] >= 0) & (trace[name] <= 1)).all()
    for name in ("read_strengths", "write_strength"):
        assert (trace[name] >= 1).all()


def test_the_trace_tells_what_was_written_where():
    memory = random_dnc()
    inputs, starts = torch.randn(T, 2, D, dtype=torch.float64), torch.zeros(T, 2, dtype=torch.bool)
    trace = memory.trace(inputs, starts, memory.initial_state(2))
    for t in range(1, T):
        w = trace["write_weights"][t][..., None]
        written = trace["memory"][t - 1] * (1 - w * trace["erase"][t]) + w * trace["write_vector"][t]
        torch.testing.assert_close(trace["memory"][t], written)
        gate, allocated = trace["write_gate"][t][:, 0], trace["allocation_gate"][t][:, 0] * trace["allocation"][t]
        assert (trace["write_weights"][t] >= gate * allocated - 1e-12).all()


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
MODES = {"backward": [YES, NO, NO], "content": [NO, YES, NO], "forward": [NO, NO, YES]}
WORDS = torch.tensor([[0.9, -0.5, 0.1, 0.3], [-0.4, 0.8, 0.6, -0.2], [0.2, 0.3, -0.9, 0.7]])


def scripted(**options):
    sizes = {"hidden_size": H, "memory_size": N, "word_size": W, "num_reads": 1}
    memory = make_memory("dnc", input_size=1, **sizes, **options)
    memory.controller = Script(H)
    return memory


def tell(memory, word=None, mode="content", key=None, free=False):
    """An interface vector: write a word to a free slot, or nothing; read by a mode; free what was read before."""
    told = {
        "read_keys": torch.zeros(W) if key is None else key,
        "read_strengths": torch.tensor([YES]),
        "free_gates": torch.tensor([YES if free else NO]),
        "read_modes": torch.tensor(MODES[mode]),
        "write_key": torch.zeros(W),
        "write_strength": torch.tensor([NO]),
        "erase": torch.full((W,), YES),
        "write_vector": torch.zeros(W) if word is None else word,
        "allocation_gate": torch.tensor([YES]),
        "write_gate": torch.tensor([NO if word is None else YES]),
    }
    return torch.cat([told[name] for name in (*memory.read_sizes, *memory.write_sizes)])[None]


def run(memory, state, *interfaces):
    """The states after each step."""
    states = []
    for interface in interfaces:
        _, state = memory.step(interface, state)
        states.append(state)
    return states


def test_three_words_are_read_back_in_the_order_written_and_in_reverse():
    memory = scripted()
    *_, state = run(memory, memory.initial_state(1), *(tell(memory, word) for word in WORDS))
    onward = [tell(memory, key=WORDS[0]), *[tell(memory, mode="forward")] * 2]
    for now, word in zip(run(memory, state, *onward), WORDS, strict=True):
        torch.testing.assert_close(now.reads[0, 0], word, atol=1e-3, rtol=0)
    back = [tell(memory, key=WORDS[2]), *[tell(memory, mode="backward")] * 2]
    for now, word in zip(run(memory, state, *back), WORDS.flip(0), strict=True):
        torch.testing.assert_close(now.reads[0, 0], word, atol=1e-3, rtol=0)


def test_words_are_written_to_free_slots_one_after_the_other_until_none_is_left():
    memory = scripted()
    states = run(memory, memory.initial_state(1), *(tell(memory, word) for word in WORDS.repeat(3, 1)[: N + 2]))
    for number, state in enumerate(states[:N]):
        torch.testing.assert_close(state.write_weights[0], torch.eye(N)[number], atol=1e-4, rtol=0)
    for state in states[N:]:
        assert state.write_weights.sum() < 1e-4


def test_a_slot_that_was_read_and_freed_is_written_next():
    memory = scripted()
    *_, state = run(memory, memory.initial_state(1), *(tell(memory, word) for word in WORDS))
    found, freed = run(memory, state, tell(memory, key=WORDS[1]), tell(memory, WORDS[0], free=True))
    torch.testing.assert_close(found.read_weights[0, 0], torch.eye(N)[1], atol=1e-3, rtol=0)
    torch.testing.assert_close(freed.write_weights[0], torch.eye(N)[1], atol=5e-3, rtol=0)


@pytest.mark.parametrize("deallocate", [False, True])
def test_freeing_erases_what_was_stored_only_if_that_was_asked_for(deallocate):
    memory = scripted(deallocate=deallocate)
    *_, state = run(memory, memory.initial_state(1), *(tell(memory, word) for word in WORDS))
    *_, freed = run(memory, state, tell(memory, key=WORDS[1]), tell(memory, free=True))
    expected = WORDS.clone()
    expected[1] *= not deallocate
    torch.testing.assert_close(freed.memory[0, :3], expected, atol=1e-3, rtol=0)
    assert freed.usage[0, 1] < 1e-3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"controller": "gru"}, "controller must be one of lstm, feedforward, got 'gru'"),
        ({"memory_size": 0}, "memory_size must be an integer of at least 1, got 0"),
        ({"links": False, "sharpen_links": True}, "sharpen_links=True needs links=True"),
    ],
)
def test_an_option_out_of_its_range_is_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_memory("dnc", input_size=D, **options)
