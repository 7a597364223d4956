"""Where to read and to write in an external memory: the addressing of the NTM, the DNC and the MANN, piece by piece.

Weights over slots are attention: none is negative, and together they are at most 1.

Alex Graves, Greg Wayne, Ivo Danihelka: Neural Turing Machines. arXiv:1410.5401, 2014, section 3 ("NTM").
Alex Graves et al.: Hybrid computing using a neural network with dynamic external memory. Nature 538, 2016, Methods
("DNC").
Adam Santoro et al.: Meta-Learning with Memory-Augmented Neural Networks. ICML 2016, section 3 ("MANN").
Róbert Csordás, Jürgen Schmidhuber: Improving Differentiable Neural Computers Through Memory Masking, De-allocation,
and Link Distribution Sharpness Control. ICLR 2019, arXiv:1904.10278 ("repairs").

Axes: B batch, N slots, W features of a word, K heads, R heads that read, S places a head can move by.
"""

from functools import reduce
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from memagents.kernels.parts import SHORT
from memagents.kernels.usage import LEAST, TIE


def cosine_similarity(keys: Float[Tensor, "B K W"], memory: Float[Tensor, "B N W"]) -> Float[Tensor, "B K N"]:
    """Between keys and words: k·M_i / (|k| |M_i|) (NTM eq. 6), each length as sqrt(|v|² + SHORT²)."""
    similarity: Tensor = _CosineSimilarity.apply(keys, memory)  # type: ignore[no-untyped-call]
    return similarity


def content_weights(
    keys: Float[Tensor, "B K W"], memory: Float[Tensor, "B N W"], strengths: Float[Tensor, "B K 1"]
) -> Float[Tensor, "B K N"]:
    """Attention to words that resemble a key: softmax(β cos(k, M_i)) (NTM eq. 5)."""
    return torch.softmax(strengths * cosine_similarity(keys, memory), -1)


def masked_content_weights(
    keys: Float[Tensor, "B K W"],
    memory: Float[Tensor, "B N W"],
    strengths: Float[Tensor, "B K 1"],
    masks: Float[Tensor, "B K W"],
) -> Float[Tensor, "B K N"]:
    """Attention to words that resemble a key where a mask is open: softmax(β cos(k∘m, M_i∘m)) (repairs, 3.1)."""
    seen_by_each = (memory[:, None] * masks[:, :, None]).flatten(0, 1)
    similarity = cosine_similarity((keys * masks).flatten(0, 1)[:, None], seen_by_each)
    return torch.softmax(strengths * similarity.view(*keys.shape[:2], -1), -1)


def interpolate(
    content: Float[Tensor, "B K N"], previous: Float[Tensor, "B K N"], gates: Float[Tensor, "B K 1"]
) -> Float[Tensor, "B K N"]:
    """As far as the gate is open where the content points, else where the head was: g w^c + (1-g) w (NTM eq. 7)."""
    return torch.lerp(previous, content, gates)


def shift(weights: Float[Tensor, "B K N"], shifts: Float[Tensor, "B K S"]) -> Float[Tensor, "B K N"]:
    """Moves heads along the slots, the last of which is followed by the first: w_i = Σ_j w_j s(i-j) (NTM eq. 8).

    Args:
        weights: where the heads are.
        shifts: attention to moves by -S//2, ..., -1, 0, +1, ..., +S//2 slots.
    """
    num_slots, reach = weights.shape[-1], shifts.shape[-1] // 2
    slots = torch.arange(num_slots, device=weights.device)
    moves = torch.arange(-reach, reach + 1, device=weights.device)
    return (weights[..., (slots[:, None] - moves) % num_slots] * shifts[..., None, :]).sum(-1)


def sharpen(
    weights: Float[Tensor, "B K N"], exponents: Float[Tensor, "B K 1"], floor: float = 1e-16
) -> Float[Tensor, "B K N"]:
    """Concentrates weights: w_i^γ / Σ_j w_j^γ (NTM eq. 9), in logarithms, because powers underflow.

    `floor` is added to every weight; where all may be zero, as links at the start, it bounds the gradient.
    """
    return torch.softmax(exponents * torch.log(weights + floor), -1)


def write(
    memory: Float[Tensor, "B N W"],
    weights: Float[Tensor, "B K N"],
    erase: Float[Tensor, "B K W"],
    add: Float[Tensor, "B K W"],
) -> Float[Tensor, "B N W"]:
    """Every head erases, then every head adds: M ∘ Π(1 - w e^T) + Σ w a^T (NTM eqs 3, 4)."""
    if weights.shape[1] == 1:  # the same in fewer operations
        return memory + weights.mT * (add - erase * memory)
    for head, erased in zip(weights.unbind(1), erase.unbind(1), strict=True):
        memory = memory - head[..., None] * (erased[:, None] * memory)
    return torch.baddbmm(memory, weights.mT, add)


def retention(free_gates: Float[Tensor, "B R 1"], read_weights: Float[Tensor, "B R N"]) -> Float[Tensor, "B N"]:
    """How much of every slot is not freed after it was read: ψ = Π_i (1 - f_i w_i^r) (DNC)."""
    return reduce(torch.mul, (1 - free_gates * read_weights).unbind(1))


def used(
    usage: Float[Tensor, "B N"], write_weights: Float[Tensor, "B N"], retention: Float[Tensor, "B N"]
) -> Float[Tensor, "B N"]:
    """How much every slot is used after writing and freeing: u = (u + w - u∘w) ∘ ψ (DNC)."""
    return torch.addcmul(usage, write_weights, 1 - usage) * retention


def by_usage(usage: Float[Tensor, "B N"]) -> Int[Tensor, "B N"]:
    """The slots, those used least first; among equals, the first first (DNC: the free list φ)."""
    return (usage.detach() + TIE * torch.arange(usage.shape[-1], device=usage.device)).argsort(-1)


def allocation(usage: Float[Tensor, "B N"]) -> Float[Tensor, "B N"]:
    """Attention to free slots, the freest first: a[φ_j] = (1 - u[φ_j]) Π_{i<j} u[φ_i] (DNC).

    The gradient goes through the sorted values, not through their order.
    """
    free_list = by_usage(usage)
    ascending = LEAST + (1 - LEAST) * usage.gather(-1, free_list)
    # Not by cumprod, whose gradient makes a GPU wait: it looks for zeros, which there are none of.
    used_before = F.pad(ascending[..., :-1].log().cumsum(-1).exp(), (1, 0), value=1.0)
    return torch.zeros_like(usage).scatter(-1, free_list, (1 - ascending) * used_before)


def links_after_write(
    links: Float[Tensor, "B N N"], precedence: Float[Tensor, "B N"], write_weights: Float[Tensor, "B N"]
) -> Float[Tensor, "B N N"]:
    """What was written right after what: L_ij = (1 - w_i - w_j) L_ij + w_i p_j, and L_ii = 0 (DNC).

    Args:
        links: L before the write; L_ij is how much slot i was written right after slot j.
        precedence: where the write before this one went.
        write_weights: where this one goes.
    """
    to, since = write_weights[:, :, None], write_weights[:, None]
    links = torch.addcmul((1 - to - since) * links, to, precedence[:, None])
    itself = torch.eye(links.shape[-1], dtype=torch.bool, device=links.device)
    return links.masked_fill(itself, 0.0)


def precedence_after_write(
    precedence: Float[Tensor, "B N"], write_weights: Float[Tensor, "B N"]
) -> Float[Tensor, "B N"]:
    """Where the last write went: p = (1 - Σ w) p + w (DNC)."""
    return torch.addcmul(write_weights, 1 - write_weights.sum(-1, keepdim=True), precedence)


def read_by_mode(
    modes: Float[Tensor, "B R 3"],
    backward: Float[Tensor, "B R N"],
    content: Float[Tensor, "B R N"],
    forward: Float[Tensor, "B R N"],
) -> Float[Tensor, "B R N"]:
    """Where to read: w^r = π_1 b + π_2 c + π_3 f (DNC)."""
    return (modes[..., None] * torch.stack([backward, content, forward], 2)).sum(2)


def least_used(usage: Float[Tensor, "B N"], number: int) -> Float[Tensor, "B N"]:
    """1 for that many slots that are used least, 0 for the others (MANN eq. 6)."""
    return torch.zeros_like(usage).scatter(-1, by_usage(usage)[:, :number], 1.0)


class _CosineSimilarity(torch.autograd.Function):
    """Its gradient is derived by hand, which takes half the time of autograd's.

    With s = cos(k, M_i): ds/dk = (M_i / |M_i| - s k / |k|) / |k|, and with key and word exchanged ds/dM_i.
    """

    @staticmethod
    def forward(ctx: Any, keys: Tensor, memory: Tensor) -> Tensor:
        key_squares = (keys * keys).sum(-1, keepdim=True) + SHORT**2
        word_squares = ((memory * memory).sum(-1) + SHORT**2)[:, None]
        scale = (key_squares * word_squares).rsqrt()
        similarity = torch.bmm(keys, memory.mT) * scale
        ctx.save_for_backward(keys, memory, key_squares, word_squares, scale, similarity)
        return similarity

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        keys, memory, key_squares, word_squares, scale, similarity = ctx.saved_tensors
        across, along = gradient * scale, gradient * similarity
        along_keys = along.sum(2, keepdim=True) / key_squares
        along_words = (along.sum(1, keepdim=True) / word_squares).mT
        to_keys = torch.addcmul(torch.bmm(across, memory), keys, along_keys, value=-1)
        to_memory = torch.addcmul(torch.bmm(across.mT, keys), memory, along_words, value=-1)
        return to_keys, to_memory
