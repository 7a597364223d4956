"""Attention over a window of the past that is carried from call to call and cut at episode starts.

A step reads its *context*: what was kept from before the sequence, then the sequence itself. Every step may look back
the same number of steps, wherever a sequence was cut, so that acting (one step at a time) and training (many) agree.

Axes: B batch rows, T time, W steps that can be looked back, C = W + T context, D features, K heads. Batch comes first
here, for that is how attention is computed.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from memagents.ops.linear import linear
from memagents.ops.recurrence import check_positive

SHORTEST = 16
"""Steps that a block has at least: many products of tiny matrices take longer than fewer of larger ones."""


class Blocks(NamedTuple):
    """A sequence of many windows cut into blocks, each of which reads a window of its own: further back none can look.

    So the cost of attention grows with the length of the sequence, and not with its square. A block is a row of the
    batch: all other functions here see blocks and their contexts as they see sequences.

    Attributes:
        number: blocks in a sequence, N.
        window: steps that can be looked back.
    """

    number: int
    window: int

    @classmethod
    def of(cls, length: int, window: int) -> "Blocks":
        """As many as there can be of equal length, each at least as long as the window and `SHORTEST`."""
        most = max(length // max(window, SHORTEST), 1)
        return cls(max(n for n in range(1, most + 1) if length % n == 0), window)

    def split(self, x: Float[Tensor, "B T *D"] | Int[Tensor, "B T"]) -> Tensor:
        """A sequence as blocks, `[B·N, T/N, ...]`."""
        return torch.unflatten(x, 1, (self.number, -1)).flatten(0, 1)

    def join(self, x: Float[Tensor, "BN L *D"]) -> Tensor:
        """Undoes `split`."""
        return torch.unflatten(x, 0, (-1, self.number)).flatten(1, 2)

    def contexts(self, kept: Float[Tensor, "B W D"], x: Float[Tensor, "BN L D"]) -> Float[Tensor, "BN C D"]:
        """What each block reads: a window, which is the end of the block before it or was kept, and then itself."""
        if self.number == 1:
            return torch.cat([kept, x], 1)
        earlier = torch.unflatten(x, 0, (-1, self.number))[:, :-1, -self.window :]
        return torch.cat([torch.cat([kept[:, None], earlier], 1).flatten(0, 1), x], 1)

    def last(self, contexts: Float[Tensor, "BN C D"]) -> Float[Tensor, "B C D"]:
        """The context of the last block of every sequence."""
        return contexts[self.number - 1 :: self.number]


def ages(length: int, window: int, device: torch.device) -> Int[Tensor, "T C"]:
    """How many steps before step t of the sequence entry c of its context was; below zero, it is still to come."""
    step = torch.arange(length, device=device)[:, None]
    return step + window - torch.arange(window + length, device=device)


def visible(time: Int[Tensor, "B T"], window: int) -> Bool[Tensor, "B T C"]:
    """What each step may read of its context: itself and the last `window` steps, as far as they are of its episode."""
    age = ages(time.shape[1], window, time.device)
    return (age >= 0) & (age <= time.clamp(max=window)[..., None])


def keep(context: Float[Tensor, "B *L C D"], time: Int[Tensor, "B T"], window: int) -> Float[Tensor, "B *L W D"]:
    """The last `window` entries of a context, to be carried on; zeros where the episode had not begun.

    What was carried into the context has such zeros already, and is reset if an episode begins with its first step: of
    a single step nothing has to be looked at.
    """
    kept = context[..., context.shape[-2] - window :, :]
    if time.shape[1] == 1:
        return kept
    age = torch.arange(window - 1, -1, -1, device=time.device)
    of_this_episode = (age <= time[:, -1:]).view(len(time), *[1] * (context.dim() - 3), window, 1)
    return torch.where(of_this_episode, kept, 0)


def split_heads(x: Float[Tensor, "B S D"], num_heads: int) -> Float[Tensor, "B K S E"]:
    """Features dealt out to the heads."""
    return x.view(*x.shape[:2], num_heads, -1).transpose(1, 2)


def merge_heads(x: Float[Tensor, "B K S E"]) -> Float[Tensor, "B S D"]:
    """Undoes `split_heads`."""
    return x.transpose(1, 2).flatten(2)


def attend(
    queries: Float[Tensor, "B K T E"],
    keys: Float[Tensor, "B K C E"],
    values: Float[Tensor, "B K C V"],
    readable: Bool[Tensor, "B T C"],
) -> Float[Tensor, "B K T V"]:
    """Scaled dot-product attention, softmax(q·k / √E) v, over what can be read."""
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=readable[:, None])


def content_scores(
    queries: Float[Tensor, "B K T E"], context: Float[Tensor, "B C H"], to_keys: Float[Tensor, "KE H"]
) -> Float[Tensor, "B K T C"]:
    """q·k, where the keys are W x of the context x."""
    return queries @ split_heads(linear(context, to_keys), queries.shape[1]).mT


def content_scores_of_step(
    queries: Float[Tensor, "B K E"], context: Float[Tensor, "B C H"], to_keys: Float[Tensor, "KE H"]
) -> Float[Tensor, "B K C"]:
    """`content_scores` of a single step.

    It asks the context itself, for q·(W x) = (Wᵀ q)·x: making keys of a whole window is most of the work.
    """
    asked = queries.transpose(0, 1) @ to_keys.view(queries.shape[1], -1, to_keys.shape[1])
    return asked.transpose(0, 1) @ context.mT


def shared_scores(queries: Float[Tensor, "B K T E"], keys: Float[Tensor, "K R E"]) -> Float[Tensor, "B K T R"]:
    """q·k where all rows of the batch read the same keys: one product for each head."""
    scores = queries.transpose(0, 1).flatten(1, 2) @ keys.mT
    return torch.unflatten(scores, 1, (queries.shape[0], -1)).transpose(0, 1)


def read_values(
    weights: Float[Tensor, "B K T C"], context: Float[Tensor, "B C H"], to_values: Float[Tensor, "KV H"]
) -> Float[Tensor, "B K T V"]:
    """Σ w v, where the values are W x of the context x."""
    return weights @ split_heads(linear(context, to_values), weights.shape[1])


def read_values_of_step(
    weights: Float[Tensor, "B K C"], context: Float[Tensor, "B C H"], to_values: Float[Tensor, "KV H"]
) -> Float[Tensor, "B KV"]:
    """`read_values` of a single step, the heads side by side. It sums up the context first: W (Σ w x)."""
    read = (weights @ context).transpose(0, 1)
    values = read @ to_values.view(weights.shape[1], -1, to_values.shape[1]).mT
    return values.transpose(0, 1).flatten(1)


def ask(
    queries: Float[Tensor, "B T E"], context: Float[Tensor, "B C D"], to_keys: Float[Tensor, "E D"]
) -> Float[Tensor, "B T C"]:
    """`content_scores` of one head, with keys that may have more features than what they are made of.

    Then, and for a single step, the context itself is asked.
    """
    if queries.shape[1] == 1 or context.shape[2] <= queries.shape[2]:
        return queries @ to_keys @ context.mT
    return queries @ linear(context, to_keys).mT


def answer(
    weights: Float[Tensor, "B T C"], context: Float[Tensor, "B C D"], to_values: Float[Tensor, "V D"]
) -> Float[Tensor, "B T V"]:
    """`read_values` of one head, by the same rule."""
    if weights.shape[1] == 1 or context.shape[2] <= len(to_values):
        return linear(weights @ context, to_values)
    return weights @ linear(context, to_values)


def attention_weights(scores: Float[Tensor, "... T C"], readable: Bool[Tensor, "... #T C"]) -> Float[Tensor, "... T C"]:
    """Softmax of the scores over what can be read; exactly zero elsewhere."""
    return scores.masked_fill(~readable, -torch.inf).softmax(-1)


def past(time: Int[Tensor, "B T"], window: int) -> Bool[Tensor, "B T C"]:
    """What each step may read of its context when it does not read itself."""
    age = ages(time.shape[1], window, time.device)
    return (age >= 1) & (age <= time.clamp(max=window)[..., None])


def weights_beside_blank(
    scores: Float[Tensor, "... T C"], readable: Bool[Tensor, "... T C"]
) -> Float[Tensor, "... T C"]:
    """`attention_weights` where one more, blank entry of score 0 can be read, so that nothing has to be there."""
    return F.pad(scores.masked_fill(~readable, -torch.inf), (0, 1)).softmax(-1)[..., :-1]


def by_context(x: Float[Tensor, "... T R"], length: int) -> Float[Tensor, "... T C"]:
    """From one column for each age (the window's oldest first, the present last) to one for each entry of the context.

    Row t moves t columns to the right: its oldest age is entry t of the context. Zeros fill the rest. Flattening rows
    that are one column too wide makes that move without any index.
    """
    steps, columns = x.shape[-2:]
    flat = F.pad(x, (0, length)).flatten(-2)[..., : steps * (columns - 1 + length)]
    return flat.view(*x.shape[:-1], columns - 1 + length)


def by_age(x: Float[Tensor, "... T C"], window: int) -> Float[Tensor, "... T R"]:
    """Undoes `by_context`: the `window + 1` columns that a step can reach, the oldest first."""
    steps, columns = x.shape[-2:]
    return F.pad(x.flatten(-2), (0, steps)).view(*x.shape[:-1], columns + 1)[..., : window + 1]


def sinusoid(position: Int[Tensor, "..."], features: int, dtype: torch.dtype) -> Float[Tensor, "... D"]:
    """Positions as sines and cosines of geometrically falling frequencies (Vaswani et al. 2017, section 3.5).

    All sines stand before all cosines; the paper alternates them, which is the same up to the order of features.
    """
    exponent = torch.arange(0, features, 2, dtype=torch.float64, device=position.device) / features
    angle = position[..., None].double() / 10_000**exponent
    return torch.cat([angle.sin(), angle.cos()], -1)[..., :features].to(dtype)


def check_heads(hidden_size: int, num_heads: int) -> None:
    """Raises ValueError unless the features can be dealt out evenly to the heads."""
    check_positive(hidden_size=hidden_size, num_heads=num_heads)
    if hidden_size % num_heads:
        near = max(hidden_size // num_heads, 1) * num_heads
        raise ValueError(
            f"hidden_size must be a multiple of num_heads, got {hidden_size} and {num_heads}; try hidden_size={near}"
        )
