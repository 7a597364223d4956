"""Transformer with a sliding window.

Ashish Vaswani, Noam Shazeer, Niki Parmar, Jakob Uszkoreit, Llion Jones, Aidan N. Gomez, Łukasz Kaiser, Illia
Polosukhin: Attention Is All You Need. NeurIPS 2017, arXiv:1706.03762, section 3.
"""

from typing import Any, ClassVar, Literal, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from memagents.kernels.layers import Layer, Parameters, Told, can_unroll, unroll_layers
from memagents.kernels.transformer import Matrices, Vectors
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
from memagents.ops.recurrence import check_positive


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
    """How branches are joined with the stream, and scores made; see `kernels/transformer.py`."""

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
        self.num_heads, self.window = num_heads, window
        self.embed = linear(input_size, hidden_size)
        self.layers = nn.ModuleList(self._layer(hidden_size, num_heads, inner_size) for _ in range(num_layers))
        self.last = self._last(hidden_size)

    def initial_state(self, batch_size: int) -> TransformerState:
        inputs = self.embed.weight.new_zeros(batch_size, len(self.layers), self.window, self.output_size)
        return TransformerState(inputs, torch.zeros(batch_size, dtype=torch.int64, device=inputs.device))

    def step(self, x: Float[Tensor, "B D"], state: TransformerState) -> tuple[Float[Tensor, "B H"], TransformerState]:
        readable = visible(state.time[:, None], self.window)[:, 0]
        x, contexts, layers = self._enter(x, state.time), [], cast(Any, self.layers)
        for layer, memory in zip(layers, state.inputs.unbind(1), strict=True):
            contexts.append(torch.cat([memory, x[:, None]], 1))
            x = layer.step(contexts[-1], readable)
        kept = torch.stack([context[:, 1:] for context in contexts], 1)
        return self.last(x), TransformerState(kept, state.time + 1)

    def forward(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: TransformerState
    ) -> tuple[Float[Tensor, "T B H"], TransformerState]:
        time, state = episode_time(episode_starts, state.time), self.reset(state, episode_starts[0])
        outputs, state, *_ = self._fast_unroll(self._enter(inputs.transpose(0, 1), time), time, state)
        return outputs.transpose(0, 1), state

    def fast_step(
        self, x: Float[Tensor, "B D"], state: TransformerState
    ) -> tuple[Float[Tensor, "B H"], TransformerState]:
        outputs, state, *_ = self._fast_unroll(self._enter(x, state.time)[:, None], state.time[:, None], state)
        return outputs[:, 0], state

    def trace(
        self, inputs: Float[Tensor, "T B D"], episode_starts: Bool[Tensor, "T B"], state: TransformerState
    ) -> dict[str, Tensor]:
        """The state after every step and `attention [T, B, L, K, W + 1]`: what each head reads, oldest step first."""
        time = episode_time(episode_starts, state.time)
        x = self._enter(inputs.transpose(0, 1), time)
        _, _, contexts = self._unroll(x, time, self.reset(state, episode_starts[0]))
        blocks = Blocks.of(len(inputs), self.window)
        readable = visible(blocks.split(time), self.window)
        layers: Any = self.layers
        weights = [layer.weights(context, readable) for layer, context in zip(layers, contexts, strict=True)]
        attention = by_age(torch.stack(weights, 1), self.window).permute(0, 3, 1, 2, 4)
        return super().trace(inputs, episode_starts, state) | {"attention": blocks.join(attention).transpose(0, 1)}

    def _enter(self, inputs: Tensor, time: Tensor) -> Tensor:
        """What the first layer is given."""
        x: Tensor = self.embed(inputs)
        return x + sinusoid(time, self.output_size, inputs.dtype)

    def _layer(self, hidden_size: int, num_heads: int, inner_size: int) -> nn.Module:
        return TransformerLayer(hidden_size, num_heads, inner_size)

    def _last(self, hidden_size: int) -> nn.Module:
        """What is done to the output of the last layer."""
        return nn.LayerNorm(hidden_size)

    def _ages(self, like: Tensor) -> Float[Tensor, "R H"]:
        """How long ago an entry was, encoded, the oldest first; without rows where layers do not ask for it."""
        return like.new_empty(0, self.output_size)

    def _unroll(
        self, x: Float[Tensor, "B T H"], time: Int[Tensor, "B T"], state: TransformerState
    ) -> tuple[Tensor, TransformerState, list[Tensor]]:
        """Outputs, state, and what each layer read. `time` is that of the episode at every step."""
        blocks = Blocks.of(x.shape[1], self.window)
        readable = visible(blocks.split(time), self.window)
        x = blocks.split(x)
        contexts = []
        for layer, memory in zip(self.layers, state.inputs.unbind(1), strict=True):
            contexts.append(blocks.contexts(memory, x))
            x = layer(contexts[-1], readable)
        kept = torch.stack([keep(blocks.last(context), time, self.window) for context in contexts], 1)
        return blocks.join(self.last(x)), TransformerState(kept, time[:, -1] + 1), contexts

    def _fast_unroll(
        self, x: Float[Tensor, "B T H"], time: Int[Tensor, "B T"], state: TransformerState
    ) -> tuple[Tensor, TransformerState] | tuple[Tensor, TransformerState, list[Tensor]]:
        """Outputs and state, by kernels where they can."""
        told = Told(x, state.inputs, time, self._ages(x))
        parameters = Parameters.of([layer.parts() for layer in cast(Any, self.layers)])
        if not can_unroll(told, parameters):
            return self._unroll(x, time, state)
        outputs, entries = unroll_layers(self.kind, self.num_heads, told, parameters)
        return self.last(outputs), TransformerState(keep(entries, time, self.window), time[:, -1] + 1)


class TransformerLayer(nn.Module):
    """Self-attention and a feed-forward network, each on a branch of its own (sections 3.2 and 3.3)."""

    def __init__(self, hidden_size: int, num_heads: int, inner_size: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_norm = nn.LayerNorm(hidden_size)
        self.queries = linear(hidden_size, hidden_size, bias=False)
        self.keys_values = linear(hidden_size, 2 * hidden_size, bias=False)
        self.output = linear(hidden_size, hidden_size)
        self.feedforward_norm = nn.LayerNorm(hidden_size)
        self.feedforward = FeedForward(hidden_size, inner_size)

    def forward(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B T H"]:
        length, known = readable.shape[1], self.attention_norm(context)
        keys, values = (split_heads(each, self.num_heads) for each in self.keys_values(known).chunk(2, -1))
        read = attend(split_heads(self.queries(known[:, -length:]), self.num_heads), keys, values, readable)
        return self._after(context[:, -length:], merge_heads(read))

    def step(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B C"]) -> Float[Tensor, "B H"]:
        """`forward` for the last entry of the context alone."""
        known = self.attention_norm(context)
        to_keys, to_values = self.keys_values.weight.chunk(2)
        queries = self.queries(known[:, -1]).unflatten(1, (self.num_heads, -1))
        scores = content_scores_of_step(queries * queries.shape[-1] ** -0.5, known, to_keys)
        weights = attention_weights(scores, readable[:, None])
        return self._after(context[:, -1], read_values_of_step(weights, known, to_values))

    def _after(self, x: Float[Tensor, "*B H"], read: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """What comes of an entry and of what the heads have read for it."""
        x = x + self.output(read)
        out: Tensor = x + self.feedforward(self.feedforward_norm(x))
        return out

    def weights(self, context: Float[Tensor, "B C H"], readable: Bool[Tensor, "B T C"]) -> Float[Tensor, "B K T C"]:
        """What each head reads, as `attend` computes it inside."""
        known = self.attention_norm(context)
        queries = split_heads(self.queries(known[:, -readable.shape[1] :]), self.num_heads)
        scores = content_scores(queries * queries.shape[-1] ** -0.5, known, self.keys_values.weight.chunk(2)[0])
        return attention_weights(scores, readable[:, None])

    def parts(self) -> Layer:
        """Its parameters, as kernels know them."""
        return parts_of(self, self)


class FeedForward(nn.Sequential):
    """W_2 relu(W_1 x + b_1) + b_2, in between as wide as one likes (section 3.3, eq. 2)."""

    def __init__(self, size: int, inner_size: int) -> None:
        super().__init__(linear(size, inner_size), nn.ReLU(), linear(inner_size, size))


def parts_of(layer: Any, attention: Any) -> Layer:
    """Parameters of a layer's norms and feed-forward network, and of its attention, as kernels know them."""
    widen, _, narrow = layer.feedforward
    vectors = Vectors(
        attention_weight=layer.attention_norm.weight,
        attention_bias=layer.attention_norm.bias,
        content=None,
        position=None,
        output=attention.output.bias,
        attention_gate=None,
        feedforward_weight=layer.feedforward_norm.weight,
        feedforward_bias=layer.feedforward_norm.bias,
        narrow=narrow.bias,
        feedforward_gate=None,
        widen=widen.bias,
    )
    matrices = Matrices(
        queries=attention.queries.weight,
        keys_values=attention.keys_values.weight,
        output=attention.output.weight,
        widen=widen.weight,
        narrow=narrow.weight,
        attention_gate=None,
        feedforward_gate=None,
    )
    return Layer(vectors, matrices, None)
