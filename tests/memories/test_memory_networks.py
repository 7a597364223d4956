"""MemN2N and the key-value network against literal transcriptions of their equations; frame stacking by hand."""

import numpy as np
import pytest
import torch

from memagents.memories import make_memory
from memagents.memories.memn2n import MemN2N

D, H, N, T = 3, 6, 4, 9
START = 3


def softmax_beside_blank(scores):
    e = np.exp(np.array(scores))
    return e / (1 + e.sum())


def memn2n(past, x, w, num_hops, tying):
    """`past` from the newest to the oldest."""
    embedding, time = w["embeddings"], w["times"]
    u = embedding[0] @ x
    for hop in range(num_hops):
        a, c = (hop, hop + 1) if tying == "adjacent" else (0, 1)
        # Times are stored from the oldest, N steps ago, to the newest, 1 step ago.
        m = [embedding[a] @ o + time[a][N - age] for age, o in enumerate(past, start=1)]
        cs = [embedding[c] @ o + time[c][N - age] for age, o in enumerate(past, start=1)]
        p = softmax_beside_blank([u @ m_i for m_i in m])
        read = sum((p_i * c_i for p_i, c_i in zip(p, cs, strict=True)), np.zeros(H))
        u = (u if tying == "adjacent" else w["between_hops.weight"] @ u) + read
    return u


def kvmemnn(past, x, w):
    q = w["keys"] @ x
    k = [w["keys"] @ o + w["key_times"][N - age] for age, o in enumerate(past, start=1)]
    following = [x, *past]
    v = [
        w["values"] @ np.concatenate([o, following[age - 1]]) + w["value_times"][N - age]
        for age, o in enumerate(past, start=1)
    ]
    for rotation in w["rotations"]:
        p = softmax_beside_blank([q @ k_i for k_i in k])
        q = rotation @ (q + sum((p_i * v_i for p_i, v_i in zip(p, v, strict=True)), np.zeros(H)))
    return q


def build(name, **options):
    torch.manual_seed(0)
    memory = make_memory(name, input_size=D, hidden_size=H, memory_size=N, **options).double()
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.copy_(torch.randn_like(parameter) / 2)
    return memory


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("memn2n", {"num_hops": 1, "tying": "adjacent"}),
        ("memn2n", {"num_hops": 3, "tying": "adjacent"}),
        ("memn2n", {"num_hops": 3, "tying": "layerwise"}),
        ("kvmemnn", {"num_hops": 1}),
        ("kvmemnn", {"num_hops": 3}),
    ],
)
def test_equals_a_literal_transcription_of_the_equations(name, options):
    memory = build(name, **options)
    inputs = torch.randn(T, 1, D, dtype=torch.float64)
    starts = torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    outputs, _ = memory(inputs, starts, memory.initial_state(1))

    weights = {key: value.numpy() for key, value in memory.state_dict().items()}
    stream = inputs[:, 0].numpy()
    for t in range(T):
        begin = START if t >= START else 0
        past = [stream[i] for i in range(t - 1, max(begin, t - N) - 1, -1)]
        if name == "memn2n":
            expected = memn2n(past, stream[t], weights, **options)
        else:
            expected = kvmemnn(past, stream[t], weights)
        np.testing.assert_allclose(outputs[t, 0].detach().numpy(), expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("name", ["memn2n", "kvmemnn"])
def test_holds_exactly_as_many_inputs_as_it_has_slots(name):
    memory = build(name)
    inputs = torch.randn(N + 2, 1, D, dtype=torch.float64, requires_grad=True)
    outputs, _ = memory(inputs, torch.zeros(N + 2, 1, dtype=torch.bool), memory.initial_state(1))
    (gradient,) = torch.autograd.grad(outputs[-1].sum(), inputs)
    assert (gradient[0] == 0).all()
    assert gradient[1].abs().max() > 1e-12


@pytest.mark.parametrize("name", ["memn2n", "kvmemnn"])
def test_the_traced_attention_covers_the_inputs_of_the_episode_and_leaves_something_to_the_blank_slot(name):
    memory = build(name, num_hops=2)
    inputs = torch.randn(T, 1, D, dtype=torch.float64)
    starts = torch.zeros(T, 1, dtype=torch.bool)
    starts[START] = True
    attention = memory.trace(inputs, starts, memory.initial_state(1))["attention"][:, 0]
    assert attention.shape == (T, 2, N)
    assert (attention.sum(-1) < 1).all()
    assert (attention[START] == 0).all(), "at the start of an episode there is nothing to read"
    assert (attention[START + 2, :, -2:] > 0).all()
    assert (attention[START + 2, :, :-2] == 0).all()


def test_a_key_value_network_finds_what_followed_the_last_time():
    """Inputs one-hot, embeddings the identity times a large number: the value read is the successor."""
    memory = build("kvmemnn", num_hops=1)
    sharp = 10.0
    with torch.no_grad():
        for parameter in memory.parameters():
            parameter.zero_()
        memory.keys[:D] = sharp * torch.eye(D)
        memory.values[D:, D:] = torch.eye(D)
        memory.rotations[0] = torch.eye(H)
    tokens = torch.tensor([0, 2, 1, 0])
    inputs = torch.eye(D, dtype=torch.float64)[tokens][:, None]
    outputs, _ = memory(inputs, torch.zeros(4, 1, dtype=torch.bool), memory.initial_state(1))
    torch.testing.assert_close(outputs[3, 0, D:], torch.eye(D, dtype=torch.float64)[2], atol=1e-12, rtol=0)


def test_an_unknown_tying_is_refused(unchecked):
    with pytest.raises(ValueError, match="tying must be 'adjacent' or 'layerwise', got 'none'"):
        MemN2N(input_size=D, tying="none")


def test_frames_are_stacked_from_the_oldest_with_zeros_before_the_episode():
    memory = make_memory("frame_stack", input_size=1, num_frames=3)
    inputs = torch.arange(1.0, 7.0)[:, None, None]
    starts = torch.zeros(6, 1, dtype=torch.bool)
    starts[3] = True
    outputs, state = memory(inputs, starts, memory.initial_state(1))
    assert outputs[:, 0].tolist() == [[0, 0, 1], [0, 1, 2], [1, 2, 3], [0, 0, 4], [0, 4, 5], [4, 5, 6]]
    assert state.frames[0].tolist() == [[5], [6]]
