"""Transformer-XL: cached activations, read with relative positions.

Zihang Dai, Zhilin Yang, Yiming Yang, Jaime Carbonell, Quoc V. Le, Ruslan Salakhutdinov: Transformer-XL: Attentive
Language Models Beyond a Fixed-Length Context. ACL 2019, arXiv:1901.02860, sections 3.2 and 3.3.
"""

from functools import cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from memagents.kernels.layers import Weights
from memagents.memories.registry import register_memory
from memagents.memories.transformer import Transformer, feedforward, norm
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
from memagents.ops.linear import linear
from memagents.ops.stacked import scaled


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

    def _parameters_of(self, layers: int, size: int, inner: int) -> dict[str, Tensor]:
        parameters = super()._parameters_of(layers, size, inner)
        del parameters["output_bias"]
        biases = (torch.zeros(layers, self.num_heads, 1, size // self.num_heads) for _ in range(2))
        names = ("content_bias", "position_bias")
        return parameters | {"position_keys": scaled(layers, size, size)} | dict(zip(names, biases, strict=True))

    def _last(self, hidden_size: int) -> nn.Module:
        return nn.Identity()

    def _ages(self, like: Tensor) -> Float[Tensor, "R H"]:
        return encoded_ages(self.window, self.output_size, like.dtype, like.device)

    def _enter(self, inputs: Tensor, time: Tensor) -> Tensor:
        x: Tensor = self.embed(inputs)
        return x

    def _known(self, w: Weights, entries: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        return entries

    def _read(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]
    ) -> Float[Tensor, "B T H"]:
        _, to_values = w.keys_values.chunk(2)
        return merge_heads(read_values(self._attention(w, known, readable), known, to_values))

    def _read_of_step(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]
    ) -> Float[Tensor, "B H"]:
        to_keys, to_values = w.keys_values.chunk(2)
        by_content, by_position = asking(
            w, torch.unflatten(linear(known[:, -1], w.queries), 1, (self.num_heads, 1, -1))
        )
        scores = content_scores_of_step(by_content.squeeze(2), known, to_keys)
        position = by_position.squeeze(2).transpose(0, 1) @ self._age_keys(w, known, 1).mT
        weights = attention_weights(scores + position.transpose(0, 1), readable[:, None])
        return read_values_of_step(weights, known, to_values)

    def _attention(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]
    ) -> Float[Tensor, "B K T C"]:
        length = readable.shape[1]
        to_keys, _ = w.keys_values.chunk(2)
        by_content, by_position = asking(w, split_heads(linear(known[:, -length:], w.queries), self.num_heads))
        scores = content_scores(by_content, known, to_keys)
        position = shared_scores(by_position, self._age_keys(w, known, length))
        return attention_weights(scores.add_(by_context(position, length)), readable[:, None])

    def _join(self, w: Weights, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        x = norm(x + linear(read, w.output), w.attention_norm_weight, w.attention_norm_bias)
        return norm(x + feedforward(w, x), w.feedforward_norm_weight, w.feedforward_norm_bias)

    def _age_keys(self, w: Weights, known: Float[Tensor, "B C H"], length: int) -> Float[Tensor, "K R E"]:
        """W_kR R of each age that a step can reach, the oldest first."""
        ages = encoded_ages(known.shape[1] - length, known.shape[2], known.dtype, known.device)
        return split_heads(linear(ages, w.position_keys)[None], self.num_heads)[0]


def asking(w: Weights, queries: Float[Tensor, "B K T E"]) -> tuple[Float[Tensor, "B K T E"], Float[Tensor, "B K T E"]]:
    """(q + u) / √E and (q + v) / √E: scores are the largest array of all, so it is not they that are divided."""
    scale = queries.shape[-1] ** -0.5
    return scale * (queries + w.content_bias), scale * (queries + w.position_bias)


@cache
def encoded_ages(window: int, features: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "R D"]:
    """R of each age that a step can reach, the oldest first."""
    with torch.inference_mode(False):  # what is made for an agent that acts is there for one that learns too
        return sinusoid(torch.arange(window, -1, -1, device=device), features, dtype)
