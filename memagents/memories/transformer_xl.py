"""Transformer-XL: cached activations, read with relative positions.

Zihang Dai, Zhilin Yang, Yiming Yang, Jaime Carbonell, Quoc V. Le, Ruslan Salakhutdinov: Transformer-XL: Attentive
Language Models Beyond a Fixed-Length Context. ACL 2019, arXiv:1901.02860, sections 3.2 and 3.3.
"""

from functools import cache
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.kernels.layers import Layer
from memagents.memories.registry import register_memory
from memagents.memories.transformer import FeedForward, Transformer, parts_of
from memagents.ops.attention import (
    attention_weights,
    by_context,
    content_scores,
    content_scores_of_step,
    merge_heads,
    read_values,
    read_values_of_step,
    shared_scores,
    sinusoid,
    split_heads,
)
from memagents.ops.initialisation import linear


@register_memory("transformer_xl")
class TransformerXL(Transformer):
    """Transformer-XL: every layer reads its cached past by content and by relative position (Dai et al. 2019).

        q, k_s, v_s = W_q x_t, W_kE x_s, W_v x_s            for s from t - window to t; x_s may be cached (section 3.2)
        A_s = ((q + u)·k_s + (q + v)·W_kR R_{t-s}) / √E     R: sinusoid of how long ago (section 3.3)
        x = LayerNorm(x + W_o Σ_s softmax(A)_s v_s)
        x = LayerNorm(x + W_2 relu(W_1 x + b_1) + b_2)

    for each of the heads, whose outputs W_o mixes; E = H / num_heads. The first x is W_e o_t + b_e.

    Args:
        input_size: features of an input, D.
        hidden_size: features of every layer and of an output, H; a multiple of `num_heads`.
        num_layers: layers, L.
        num_heads: attention heads, K.
        window: steps before the present one that each layer can look back, W.
        feedforward_size: features between W_1 and W_2; None for 4 H.

    Deviations from the paper: the cache is not cut into segments, every step looks back the same number of steps (the
    authors' code calls that same_length); gradients stop at the start of a sequence, not between segments; u and v are
    each layer's own; no dropout; weights are drawn with variance 1/inputs.
    """

    kind: ClassVar[Literal["plain", "relative", "gated"]] = "relative"

    def _enter(self, inputs: Tensor, time: Tensor) -> Tensor:
        x: Tensor = self.embed(inputs)
        return x

    def _layer(self, hidden_size: int, num_heads: int, inner_size: int) -> nn.Module:
        return TransformerXLLayer(hidden_size, num_heads, inner_size)

    def _last(self, hidden_size: int) -> nn.Module:
        return nn.Identity()

    def _ages(self, like: Tensor) -> Float[Tensor, "R H"]:
        return encoded_ages(self.window, self.output_size, like.dtype, like.device)


class TransformerXLLayer(nn.Module):
    """Relative attention and a feed-forward network, each followed by LayerNorm."""

    def __init__(self, hidden_size: int, num_heads: int, inner_size: int) -> None:
        super().__init__()
        self.attention = RelativeAttention(hidden_size, num_heads)
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.feedforward = FeedForward(hidden_size, inner_size)
        self.feedforward_norm = nn.LayerNorm(hidden_size)

    def forward(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B T H"]:
        return self._after(context[:, -readable.shape[1] :], self.attention(context, readable))

    def step(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]) -> Float[Tensor, "B H"]:
        """`forward` for the last entry of the context alone."""
        return self._after(context[:, -1], self.attention.step(context, readable))

    def _after(self, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """What comes of an entry and of what was read for it."""
        x = self.attention_norm(x + read)
        out: Tensor = self.feedforward_norm(x + self.feedforward(x))
        return out

    def weights(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B K T C"]:
        """What each head reads."""
        return self.attention.weights(context, readable)

    def parts(self) -> Layer:
        """Its parameters, as kernels know them."""
        return relative_parts_of(self)


class RelativeAttention(nn.Module):
    """Attention that scores what is read by its content and by how long ago it was (section 3.3)."""

    def __init__(self, hidden_size: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.queries = linear(hidden_size, hidden_size, bias=False)
        self.keys_values = linear(hidden_size, 2 * hidden_size, bias=False)
        self.position_keys = linear(hidden_size, hidden_size, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(num_heads, 1, hidden_size // num_heads))
        self.position_bias = nn.Parameter(torch.zeros(num_heads, 1, hidden_size // num_heads))
        self.output = linear(hidden_size, hidden_size, bias=False)

    def forward(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B T H"]:
        _, to_values = self.keys_values.weight.chunk(2)
        out: Tensor = self.output(merge_heads(read_values(self.weights(context, readable), context, to_values)))
        return out

    def step(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]) -> Float[Tensor, "B H"]:
        """`forward` for the last entry of the context alone."""
        to_keys, to_values = self.keys_values.weight.chunk(2)
        by_content, by_position = self._asking(self.queries(context[:, -1]).unflatten(1, (self.num_heads, 1, -1)))
        scores = content_scores_of_step(by_content.squeeze(2), context, to_keys)
        position = by_position.squeeze(2).transpose(0, 1) @ self._age_keys(context, 1).mT
        weights = attention_weights(scores + position.transpose(0, 1), readable[:, None])
        out: Tensor = self.output(read_values_of_step(weights, context, to_values))
        return out

    def weights(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B K T C"]:
        """What each head reads."""
        length = readable.shape[1]
        to_keys, _ = self.keys_values.weight.chunk(2)
        by_content, by_position = self._asking(split_heads(self.queries(context[:, -length:]), self.num_heads))
        scores = content_scores(by_content, context, to_keys)
        position = shared_scores(by_position, self._age_keys(context, length))
        return attention_weights(scores.add_(by_context(position, length)), readable[:, None])

    def _asking(self, queries: Float[Tensor, "B K T E"]) -> tuple[Float[Tensor, "B K T E"], Float[Tensor, "B K T E"]]:
        """(q + u) / √E and (q + v) / √E: scores are the largest array of all, so it is not they that are divided."""
        scale = queries.shape[-1] ** -0.5
        return scale * (queries + self.content_bias), scale * (queries + self.position_bias)

    def _age_keys(self, context: Float[Tensor, "B C H"], length: int) -> Float[Tensor, "K R E"]:
        """W_kR R of each age that a step can reach, the oldest first."""
        position_keys = self.position_keys(
            encoded_ages(context.shape[1] - length, context.shape[2], context.dtype, context.device)
        )
        return split_heads(position_keys[None], self.num_heads)[0]


def relative_parts_of(layer: Any) -> Layer:
    """Parameters of a layer with relative attention, as kernels know them."""
    vectors, matrices, _ = parts_of(layer, layer.attention)
    vectors = vectors._replace(content=layer.attention.content_bias, position=layer.attention.position_bias)
    return Layer(vectors, matrices, layer.attention.position_keys.weight)


@cache
def encoded_ages(window: int, features: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "R D"]:
    """R of each age that a step can reach, the oldest first."""
    with torch.inference_mode(False):  # what is made for an agent that acts is there for one that learns too
        return sinusoid(torch.arange(window, -1, -1, device=device), features, dtype)
