"""The Hierarchical Attention Network against a transcription of its paper, and what its attention can and cannot do."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from memagents.memories import make_memory, map_state

D, H, C, N, T = 3, 4, 3, 2, 17
START = 10  # the second of the third chunk's three steps: an episode is cut short

queries = pytest.mark.parametrize("query", ["input", "constant"])


def build(query="input", **options):
    torch.manual_seed(0)
    sizes = {"hidden_size": H, "chunk_size": C, "num_chunks": N} | options
    return make_memory("han", input_size=D, query=query, **sizes).double()


def no_starts(num_steps, num_rows=1):
    return torch.zeros(num_steps, num_rows, dtype=torch.bool)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum()


class Paper:
    """Sections 2.1 and 2.2 word by word, computed anew from the whole episode at every step."""

    def __init__(self, memory):
        self.w = {name: weight.detach().numpy() for name, weight in memory.named_parameters()}
        self.asks = memory.queries is not None

    def affine(self, name, x):
        return self.w[f"{name}.weight"] @ x + self.w[f"{name}.bias"]

    def gru(self, name, x, h):
        w_ih, w_hh, b_ih, b_hh = (
            self.w[f"{name}.layers.0.{key}"] for key in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        ih, hh = w_ih @ x + b_ih, w_hh @ h + b_hh
        r, z = sigmoid(ih[:H] + hh[:H]), sigmoid(ih[H : 2 * H] + hh[H : 2 * H])
        return z * h + (1 - z) * np.tanh(ih[2 * H :] + r * hh[2 * H :])

    def __call__(self, episode):
        """The output after the last input of an episode, and the weights of sentences and words by chunk number."""
        sentences, annotations, h_s = [], [], np.zeros(H)
        for begin in range(0, len(episode), C):
            words, h_w = [], np.zeros(H)
            for x in episode[begin : begin + C]:
                h_w = self.gru("word_gru", x, h_w)
                words.append(h_w)
            u = [np.tanh(self.affine("word_key", h)) for h in words]
            alpha = softmax(np.array([u_t @ self.w["word_context"] for u_t in u]))
            s = sum(a * h for a, h in zip(alpha, words, strict=True))
            h_s = self.gru("sentence_gru", s, h_s)
            sentences.append(u)
            annotations.append(h_s)
        x, first = episode[-1], max(0, len(annotations) - 1 - N)
        u_s, q = np.split(self.affine("queries", x), 2) if self.asks else (self.w["sentence_context"], None)
        scores = [np.tanh(self.affine("sentence_key", h)) @ u_s for h in annotations[first:]]
        alpha = softmax(np.array(scores))
        reads = [words[-1], sum(a * h for a, h in zip(alpha, annotations[first:], strict=True))]
        betas = {}
        if self.asks:
            betas = {i: softmax(np.array([u_t @ q for u_t in u])) for i, u in enumerate(sentences) if i >= first}
            v = np.zeros(H)
            for i, beta in betas.items():
                for t, b in enumerate(beta):
                    v += alpha[i - first] * b * sentences[i][t]
            reads.append(v)
        return self.affine("readout", np.concatenate(reads)), dict(enumerate(alpha, first)), betas


@queries
def test_equals_a_literal_transcription_of_the_equations(query):
    memory = build(query)
    inputs, starts = torch.randn(T, 1, D, dtype=torch.float64), no_starts(T)
    starts[START] = True
    outputs, _ = memory(inputs, starts, memory.initial_state(1))
    trace = memory.trace(inputs, starts, memory.initial_state(1))
    paper = Paper(memory)
    for t in range(T):
        begin = START if t >= START else 0
        y, alpha, beta = paper(inputs[begin : t + 1, 0].numpy())
        np.testing.assert_allclose(outputs[t, 0].detach().numpy(), y, atol=1e-10)
        for i, weight in alpha.items():
            np.testing.assert_allclose(trace["attention"][t, 0, i % (N + 1)].item(), weight, atol=1e-10)
        for i, weights in beta.items():
            inside = trace["word_attention"][t, 0, i % (N + 1), : len(weights)].detach().numpy()
            np.testing.assert_allclose(inside, alpha[i] * weights, atol=1e-10)


@queries
@pytest.mark.parametrize("seed", range(8))
def test_forward_equals_the_loop_while_chunks_come_and_go(query, seed):
    """As the laws do, over sequences long enough for chunks to leave the ring."""
    memory = build(query)
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(40, 3, D, generator=generator, dtype=torch.float64)
    starts = torch.rand(40, 3, generator=generator) < (0.0, 0.03, 0.1, 0.5)[seed % 4]
    before = torch.randn(seed + 5, 3, D, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        _, state = memory.loop(before, no_starts(seed + 5, 3), memory.initial_state(3))
    results, gradients = [], []
    for unroll in (memory, memory.loop):
        begin = map_state(lambda field: field.clone().requires_grad_(field.is_floating_point()), state)
        outputs, final = unroll(inputs, starts, begin)
        results.append((outputs, *final))
        loss = outputs.square().sum() + sum(field.sin().sum() for field in final if field.is_floating_point())
        wanted = [*(field for field in begin if field.requires_grad), *memory.parameters()]
        gradients.append(torch.autograd.grad(loss, wanted, materialize_grads=True))
    for fast, slow in zip(results[0] + gradients[0], results[1] + gradients[1], strict=True):
        torch.testing.assert_close(fast, slow, atol=1e-10, rtol=1e-10)


@queries
def test_attention_is_shared_out_among_what_was_seen_and_nothing_else(query):
    memory = build(query)
    trace = memory.trace(torch.randn(T, 5, D, dtype=torch.float64), no_starts(T, 5), memory.initial_state(5))
    one = torch.ones(T, 5, dtype=torch.float64)
    weights = [trace[name] for name in ("pooling", "attention", "word_attention") if name in trace]
    assert len(weights) == (3 if query == "input" else 2)
    for weight in weights:
        assert (weight >= 0).all()
        torch.testing.assert_close(weight.flatten(2).sum(-1), one)
    for t in range(T):
        assert (trace["pooling"][t] > 0).sum(-1).tolist() == [t % C + 1] * 5
        assert (trace["attention"][t] > 0).sum(-1).tolist() == [min(t // C, N) + 1] * 5
        if query == "input":
            words = min(t // C, N) * C + t % C + 1
            assert (trace["word_attention"][t] > 0).flatten(1).sum(-1).tolist() == [words] * 5


@pytest.mark.parametrize(("query", "follows"), [("input", True), ("constant", False)])
def test_what_closed_chunks_are_asked_follows_the_present_input_only_with_input_queries(query, follows):
    memory = build(query)
    past = torch.randn(2 * C, 1, D, dtype=torch.float64)
    ratios = []
    for now in torch.randn(2, 1, 1, D, dtype=torch.float64):
        attention = memory.trace(torch.cat([past, now]), no_starts(2 * C + 1), memory.initial_state(1))["attention"]
        ratios.append(attention[-1, 0, 0] / attention[-1, 0, 1])
    assert torch.isclose(*ratios, rtol=1e-12) != follows


def test_words_can_be_read_for_as_long_as_their_chunk_is_held():
    """The sentence GRU, which goes back further, is switched off."""
    memory = build()
    with torch.no_grad():
        for weight in memory.sentence_gru.parameters():
            weight.zero_()
    inputs = torch.randn(T, 1, D, dtype=torch.float64, requires_grad=True)
    outputs, _ = memory(inputs, no_starts(T), memory.initial_state(1))
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    oldest = ((T - 1) // C - N) * C
    assert (gradient[:oldest] == 0).all()
    assert (gradient[oldest:] != 0).any(-1).all()


def test_older_words_are_felt_through_the_sentence_gru():
    memory = build()
    inputs = torch.randn(T, 1, D, dtype=torch.float64, requires_grad=True)
    outputs, _ = memory(inputs, no_starts(T), memory.initial_state(1))
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    assert (gradient != 0).any(-1).all()


def test_the_default_has_about_as_many_parameters_as_the_default_lstm():
    assert sum(weight.numel() for weight in make_memory("han", input_size=64).parameters()) == 96_912


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "output"}, "query must be one of input, constant, got 'output'"),
        ({"chunk_size": 0}, "chunk_size must be an integer of at least 1, got 0"),
        ({"num_chunks": 0}, "num_chunks must be an integer of at least 1, got 0"),
        ({"hidden_size": -1}, "hidden_size must be an integer of at least 1, got -1"),
    ],
)
def test_an_impossible_option_is_named(options, message, unchecked):
    with pytest.raises(ValueError, match=message):
        make_memory("han", input_size=D, **options)


def recall(name, updates, **options):
    """Chunked recall: 6 chunks of a tag and 3 items; then a tag and a position ask for an item. Chance is 1/4.

    Returns:
        The share of right answers over the last 20 updates.
    """
    torch.manual_seed(0)
    memory = make_memory(name, input_size=14, **options)
    readout = torch.nn.Linear(memory.output_size, 4)
    weights = [*memory.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(weights, lr=1e-2)
    rows, right = torch.arange(64), []
    for _ in range(updates):
        tags = torch.rand(64, 6).argsort(1)
        items = torch.randint(4, (64, 6, 3))
        chunks = torch.cat([tags[..., None], 6 + items], 2).flatten(1)
        chunk, position = torch.randint(6, (64, 8)), torch.randint(3, (64, 8))
        asked = F.one_hot(tags.gather(1, chunk), 14) + F.one_hot(10 + position, 14) + F.one_hot(torch.tensor(13), 14)
        inputs = torch.cat([F.one_hot(chunks, 14), asked], 1).float().transpose(0, 1)
        starts = no_starts(len(inputs), 64)
        starts[0] = True
        outputs, _ = memory(inputs, starts, memory.initial_state(64))
        answers, wanted = readout(outputs[-8:]), items[rows[:, None], chunk, position].T
        loss = F.cross_entropy(answers.flatten(0, 1), wanted.flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        right.append((answers.argmax(-1) == wanted).float().mean().item())
    return sum(right[-20:]) / 20


@pytest.mark.slow
def test_it_learns_which_item_stood_where_in_which_chunk_and_a_gru_of_its_size_does_not():
    assert recall("han", 100, hidden_size=32, chunk_size=4, num_chunks=8) > 0.95
    assert recall("gru", 100, hidden_size=80) < 0.6
