"""Transformer with a sliding window.

Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones, Aidan N. Gomez, Łukasz Kaiser, Illia
Polosukhin: Attention Is All You Need. NeurIPS 2017, arXiv:1706.03762, section 3.
"""

from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from memagents.kernels.layers import Told, Weights, can_unroll, unroll_layers
from memagents.memories.base import Memory
from memagents.memories.registry import register_memory
from memagents.ops.attention import (
    Blocks,
    attend,
    attention_weights,
    by_age,
    check_heads,
    content_scores,
    content_scores_of_step,
    keep,
    merge_heads,
    read_values_of_step,
    sinusoid,
    split_heads,
    visible,
)
from memagents.ops.episodes import episode_time
from memagents.ops.initialisation import linear
from memagents.ops.linear import linear as linear_map
from memagents.ops.recurrence import check_positive
from memagents.ops.stacked import Stacked, scaled


class TransformerState(NamedTuple):
    """What a transformer holds: the last inputs of every layer, `[B, L, W, H]`, and for how many steps the episode has
    been running, `[B]`."""

    inputs: Tensor
    time: Tensor


@register_memory("transformer")
class Transformer(Memory[TransformerState]):
    """Transformer: layers of self-attention over a sliding window of the past (Vaswani et al. 2017).

        x = W_e o_t + b_e + sinusoid(t)                                    section 3.5
        head_k = softmax((W_Q x)(W_K X)ᵀ / √E) W_V X                       section 3.2, eq. 1; E = H / num_heads
        x = x + W_O [head_1, ..., head_K]        with LayerNorm before each of the two branches
        x = x + W_2 relu(W_1 x + b_1) + b_2                                section 3.3, eq. 2

    X holds x of this step and of the `window` steps before it, as far as they are of the same episode. Layer upon layer
    the network looks back `num_layers * window` steps; what lies further back has exactly no effect.

    Args:
        input_size: features of an input, D.
        hidden_size: features of every layer and of an output, H; a multiple of `num_heads`.
        num_layers: layers, L.
        num_heads: attention heads, K.
        window: steps before the present one that each layer can look back, W.
        feedforward_size: features between W_1 and W_2; None for 4 H, as in the paper.

    Deviations from the paper: attends only backwards (the paper's decoder) and within a window of constant length;
    LayerNorm before the branches instead of after, and once more at the end; no dropout; t counts from the start of
    the episode; weights are drawn with variance 1/inputs.
    """

    kind: ClassVar[Literal["plain", "relative", "gated"]] = "plain"
    """How branches are joined with the stream, as kernels know it; see `kernels/transformer.py`."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        num_heads: int = 4,
        window: int = 64,
        feedforward_size: int | None = None,
    ) -> None:
        inner_size = 4 * hidden_size if feedforward_size is None else feedforward_size
        check_positive(num_layers=num_layers, window=window, feedforward_size=inner_size)
        check_heads(hidden_size, num_heads)
        super().__init__(input_size, output_size=hidden_size)
        self.num_layers, self.num_heads, self.window = num_layers, num_heads, window
        self.embed = linear(input_size, hidden_size)
        self.layers = Stacked(**self._parameters_of(num_layers, hidden_size, inner_size))
        self.last = self._last(hidden_size)

    def initial_state(self, batch_size: int) -> TransformerState:
        inputs = self.embed.weight.new_zeros(batch_size, self.num_layers, self.window, self.output_size)
        return TransformerState(inputs, torch.zeros(batch_size, dtype=torch.int64, device=inputs.device))

    def step(self, x: Float[Tensor, "B D"], state: TransformerState) -> tuple[Float[Tensor, "B H"], TransformerState]:
        readable = visible(state.time[:, None], self.window)[:, 0]
        x, contexts = self._enter(x, state.time), []
        for w, memory in zip(self.layers.each(), state.inputs.unbind(1), strict=True):
            contexts.append(torch.cat([memory, x[:, None]], 1))
            x = self._join(w, x, self._read_of_step(w, self._known(w, contexts[-1]), readable))
        kept = torch.stack([context[:, 1:] for context in contexts], 1)
        return self.last(x), TransformerState(kept, state.time + 1)

    def fast_step(
        self, x: Float[Tensor, "B D"], state: TransformerState
    ) -> tuple[Float[Tensor, "B H"], TransformerState]:
        entered, time = self._enter(x, state.time)[:, None], state.time[:, None]
        told, weights = Told(entered, state.inputs, time, self._ages(x)), self.layers.all()
        if not can_unroll(told, weights):
            return self.step(x, state)
        outputs, state = self._unroll_by_kernels(told, weights)
        return outputs[:, 0], state

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: TransformerState
    ) -> tuple[Float[Tensor, "T B H"], TransformerState]:
        time, state = episode_time(episode_starts, state.time), self.reset(state, episode_starts[0])
        x = self._enter(inputs.transpose(0, 1), time)
        told, weights = Told(x, state.inputs, time, self._ages(x)), self.layers.all()
        if can_unroll(told, weights):
            outputs, state = self._unroll_by_kernels(told, weights)
        else:
            outputs, state, _ = self._unroll(x, time, state)
        return outputs.transpose(0, 1), state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: TransformerState
    ) -> dict[str, Tensor]:
        """The state after every step and `attention [T, B, L, K, W + 1]`: what each head reads, oldest step first."""
        time = episode_time(episode_starts, state.time)
        x = self._enter(inputs.transpose(0, 1), time)
        _, _, contexts = self._unroll(x, time, self.reset(state, episode_starts[0]))
        blocks = Blocks.of(len(inputs), self.window)
        readable = visible(blocks.split(time), self.window)
        weights = [
            self._attention(w, self._known(w, context), readable)
            for w, context in zip(self.layers.each(), contexts, strict=True)
        ]
        attention = by_age(torch.stack(weights, 1), self.window).permute(0, 3, 1, 2, 4)
        return super().trace(inputs, episode_starts, state) | {"attention": blocks.join(attention).transpose(0, 1)}

    def _parameters_of(self, layers: int, size: int, inner: int) -> dict[str, Tensor]:
        """What layers learn, under the names of `Weights`, as it is before learning."""
        return {
            "attention_norm_weight": torch.ones(layers, size),
            "attention_norm_bias": torch.zeros(layers, size),
            "queries": scaled(layers, size, size),
            "keys_values": scaled(layers, 2 * size, size),
            "output": scaled(layers, size, size),
            "output_bias": torch.zeros(layers, size),
            "feedforward_norm_weight": torch.ones(layers, size),
            "feedforward_norm_bias": torch.zeros(layers, size),
            "widen": scaled(layers, inner, size),
            "widen_bias": torch.zeros(layers, inner),
            "narrow": scaled(layers, size, inner),
            "narrow_bias": torch.zeros(layers, size),
        }

    def _last(self, hidden_size: int) -> nn.Module:
        """What is done to the output of the last layer."""
        return nn.LayerNorm(hidden_size)

    def _ages(self, like: Tensor) -> Float[Tensor, "R H"]:
        """How long ago an entry was, encoded, the oldest first; without rows where layers do not ask for it."""
        return like.new_empty(0, self.output_size)

    def _enter(self, inputs: Tensor, time: Tensor) -> Tensor:
        """What the first layer is given."""
        x: Tensor = self.embed(inputs)
        return x + sinusoid(time, self.output_size, inputs.dtype)

    def _known(self, w: Weights, entries: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """What keys, values and queries are made of."""
        return norm(entries, w.attention_norm_weight, w.attention_norm_bias)

    def _read(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]
    ) -> Float[Tensor, "B T H"]:
        """What the heads read, side by side."""
        queries = linear_map(known[:, -readable.shape[1] :], w.queries)
        keys, values = linear_map(known, w.keys_values).chunk(2, -1)
        q, k, v = (split_heads(each, self.num_heads) for each in (queries, keys, values))
        return merge_heads(attend(q, k, v, readable))

    def _read_of_step(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]
    ) -> Float[Tensor, "B H"]:
        """`_read` for the last entry alone."""
        to_keys, to_values = w.keys_values.chunk(2)
        queries = torch.unflatten(F.linear(known[:, -1], w.queries), 1, (self.num_heads, -1))
        scores = content_scores_of_step(queries * queries.shape[-1] ** -0.5, known, to_keys)
        return read_values_of_step(attention_weights(scores, readable[:, None]), known, to_values)

    def _attention(
        self, w: Weights, known: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]
    ) -> Float[Tensor, "B K T C"]:
        """How much each head reads of what, as `attend` computes it inside."""
        queries = split_heads(linear_map(known[:, -readable.shape[1] :], w.queries), self.num_heads)
        scores = content_scores(queries * queries.shape[-1] ** -0.5, known, w.keys_values.chunk(2)[0])
        return attention_weights(scores, readable[:, None])

    def _join(self, w: Weights, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """What comes of an entry and of what the heads have read for it."""
        x = x + linear_map(read, w.output, w.output_bias)
        return x + feedforward(w, norm(x, w.feedforward_norm_weight, w.feedforward_norm_bias))

    def _unroll(
        self, x: Float[Tensor, "B T H"], time: Int[Tensor, "B T"], state: TransformerState
    ) -> tuple[Tensor, TransformerState, list[Tensor]]:
        """Outputs, state, and what each layer could read. `time` is that of the episode at every step."""
        blocks = Blocks.of(x.shape[1], self.window)
        readable = visible(blocks.split(time), self.window)
        x, contexts = blocks.split(x), []
        for w, memory in zip(self.layers.each(), state.inputs.unbind(1), strict=True):
            contexts.append(blocks.contexts(memory, x))
            x = self._join(w, x, self._read(w, self._known(w, contexts[-1]), readable))
        kept = torch.stack([keep(blocks.last(context), time, self.window) for context in contexts], 1)
        return blocks.join(self.last(x)), TransformerState(kept, time[:, -1] + 1), contexts

    def _unroll_by_kernels(self, told: Told, weights: Weights) -> tuple[Tensor, TransformerState]:
        """Outputs and state."""
        outputs, entries = unroll_layers(self.kind, self.num_heads, told, weights)
        return self.last(outputs), TransformerState(keep(entries, told.times, self.window), told.times[:, -1] + 1)


def norm(x: Float[Tensor, "*B H"], weight: Float[Tensor, " H"], bias: Float[Tensor, " H"]) -> Float[Tensor, "*B H"]:
    """LayerNorm."""
    return F.layer_norm(x, weight.shape, weight, bias)


def feedforward(w: Weights, x: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
    """W_2 relu(W_1 x + b_1) + b_2 (section 3.3, eq. 2)."""
    return linear_map(torch.relu(linear_map(x, w.widen, w.widen_bias)), w.narrow, w.narrow_bias)
