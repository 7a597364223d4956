"""A transformer's layers over sequences, by kernels.

Axes: B rows, L layers, T steps, W entries from before them, C = W + T, H features, K heads, E = H / K, F features
between the two products of a feed-forward network, R = W + 1 ages.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.compilation import Array
from memagents.kernels.threads import in_team
from memagents.kernels.tiles import REGISTER, VECTORS
from memagents.kernels.transformer import Trail, advance
from memagents.kernels.transformer_back import retreat
from memagents.kernels.transformer_gradients import Gradients
from memagents.kernels.transformer_step import step
from memagents.kernels.transformer_weights import GATED, NUM_VECTORS, PLAIN, RELATIVE, Given
from memagents.kernels.unroll import arrays, can_work_with

KINDS: Final = {"plain": PLAIN, "relative": RELATIVE, "gated": GATED}
"""How branches are joined with the stream; see `transformer_weights.py`."""


Perhaps: TypeAlias = Any
"""A tensor, or None where layers have none."""


class Weights(NamedTuple):
    """A layer's parameters, or those of all layers, the layer on axis 0.

    Vectors come first, then matrices, in the order of kernels. The first product of a feed-forward network widens, the
    second narrows. A gate has matrices for the branch, the stream and the reset stream. `position_keys` make keys of
    ages.
    """

    attention_norm_weight: Float[Tensor, "*L H"]
    attention_norm_bias: Float[Tensor, "*L H"]
    content_bias: Perhaps  # [*L, K, 1, E], as is the next
    position_bias: Perhaps
    output_bias: Perhaps  # [*L, H], as are all further vectors but the last
    attention_gate_bias: Perhaps
    feedforward_norm_weight: Float[Tensor, "*L H"]
    feedforward_norm_bias: Float[Tensor, "*L H"]
    narrow_bias: Float[Tensor, "*L H"]
    feedforward_gate_bias: Perhaps
    widen_bias: Float[Tensor, "*L F"]

    queries: Float[Tensor, "*L H H"]
    keys_values: Float[Tensor, "*L 2H H"]
    output: Float[Tensor, "*L H H"]
    widen: Float[Tensor, "*L F H"]
    narrow: Float[Tensor, "*L H F"]
    attention_branch: Perhaps  # [*L, 3H, H]
    attention_stream: Perhaps  # [*L, 2H, H]
    attention_reset: Perhaps  # [*L, H, H]
    feedforward_branch: Perhaps
    feedforward_stream: Perhaps
    feedforward_reset: Perhaps

    position_keys: Perhaps  # [*L, H, H]


class Told(NamedTuple):
    """What layers are told.

    Attributes:
        inputs: of the first layer.
        held: what each layer was told before.
        times: for how many steps the episode had been running at each.
        ages: how long ago an entry was, encoded, the oldest first; without rows where layers have no keys of ages.
    """

    inputs: Float[Tensor, "B T H"]
    held: Float[Tensor, "B L W H"]
    times: Int[Tensor, "B T"]
    ages: Float[Tensor, "R H"]


def can_unroll(told: Told, weights: Weights) -> bool:
    """Whether `unroll_layers` can. Under autocast torch chooses the numbers.

    Kernels are told where weights lie, and nothing else of them.
    """
    kind = told.inputs.dtype
    alike = all(each.dtype is kind and each.is_cpu and each.is_contiguous() for each in weights if each is not None)
    return alike and can_work_with(told.inputs) and told.held.dtype is kind and not torch.is_autocast_enabled("cpu")


def unroll_layers(
    kind: str, num_heads: int, told: Told, weights: Weights
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B L C H"]]:
    """The last layer's outputs, and all entries: what each layer was told, before these steps and at them.

    Args:
        kind: "plain", "relative" or "gated".
        num_heads: K.
        told: what the layers are told.
        weights: of all layers.
    """
    if torch.is_grad_enabled():
        after: tuple[Tensor, Tensor] = _Layers.apply(KINDS[kind], num_heads, *told, *weights)  # type: ignore[no-untyped-call]
        return after
    if told.inputs.shape[1] == 1:
        return step_layers(KINDS[kind], num_heads, told, weights)
    return advance_layers(KINDS[kind], num_heads, told, weights)[:2]


def step_layers(kind: int, num_heads: int, told: Told, weights: Weights) -> tuple[Tensor, Tensor]:
    """A single step, of which no gradient will be asked."""
    entries, out = entries_of(told), torch.empty_like(told.inputs)
    walked = given_of(told, weights), *arrays((entries, out[:, 0]))
    number = operations(len(out), weights) + 4 * entries.numel()
    in_team(step, (kind, num_heads, weights.widen_bias.shape[1], *walked), number)
    return out, entries


def advance_layers(kind: int, num_heads: int, told: Told, weights: Weights) -> tuple[Tensor, Tensor, Trail]:
    """All steps: outputs and entries, and what their gradient is made of."""
    (rows, steps, size), (layers, window) = told.inputs.shape, told.held.shape[1:3]
    entries, out = entries_of(told), torch.empty_like(told.inputs)
    number, gate, inner = rows * steps, 3 * size * (kind == GATED), weights.widen_bias.shape[1]
    of_entries, of_out = arrays((entries, out.view(number, size)))
    kept = size, num_heads * (window + 1), size, size, gate, inner, size, gate
    trail = Trail(
        of_entries,
        blank(out, layers, rows * (window + steps), 2 * size),
        *(blank(out, layers, number, width) for width in kept),
        blank(out, rows * (window + steps), size),
        *(blank(out, number, width) for width in (gate // 3, size, size, gate // 3)),
        of_out,  # type: ignore[call-arg]
    )
    in_team(advance, (kind, num_heads, given_of(told, weights), trail), operations(number, weights))
    return out, entries, trail


def entries_of(told: Told) -> Float[Tensor, "B L C H"]:
    """All entries, of which the first layer's are known, and of the others those from before the steps."""
    (rows, layers, window, size), steps = told.held.shape, told.inputs.shape[1]
    entries = told.held.new_empty(rows, layers, window + steps, size)
    entries[:, :, :window], entries[:, 0, window:] = told.held, told.inputs
    return entries


def operations(steps: int, weights: Weights) -> int:
    """Of the products in so many steps."""
    return 2 * steps * sum(each.numel() for each in weights[NUM_VECTORS:] if each is not None)


def blank(like: Tensor, *shape: int) -> Array:
    """Room for numbers. Torch's arrays, other than NumPy's, begin with a line of the cache."""
    return like.new_empty(shape).numpy()


def given_of(told: Told, weights: Weights) -> Given:
    """What kernels are given."""
    ages, times, nothing = arrays((told.ages, told.times.reshape(-1), told.inputs.new_zeros(told.inputs.shape[2])))
    begins = [nothing.ctypes.data if each is None else each.data_ptr() for each in weights]
    sizes = [0 if each is None else each.stride(0) * each.itemsize for each in weights]
    layers = np.arange(told.held.shape[1])[:, None]
    room = blank(told.inputs, len(layers), room_for(weights))
    return Given(np.array(begins) + layers * np.array(sizes), nothing, ages, times, room)


def room_for(weights: Weights) -> int:
    """Numbers of a layer's panels, forward or back, of whole panels each."""
    matrices = (each for each in weights[NUM_VECTORS:-1] if each is not None)
    width = VECTORS * REGISTER // weights.queries.itemsize
    shapes = ([-(-length // width) * width for length in each.shape[1:]] for each in matrices)
    return sum(rows * columns for rows, columns in shapes)


class Part:
    """Some of the weights, whose gradients lie in one line: all layers' of the first, then all layers' of the next.

    Args:
        weights: of all layers. Where there is None, the gradient of a vector lies there all the same, of a matrix none.
        layers: how many.
        size: numbers of such a vector; 0 for matrices.
    """

    def __init__(self, weights: Sequence[Tensor | None], layers: int, size: int) -> None:
        self.weights, self.layers = weights, layers
        self.sizes = [size if each is None else each[0].numel() for each in weights]
        self.size = layers * sum(self.sizes)

    def places(self, lines: Float[Tensor, "G N"]) -> Int[Array, "G L P"]:
        """Where gradients begin, in each of several lines."""
        sizes = np.array(self.sizes)
        begins = self.layers * (np.cumsum(sizes) - sizes) + np.arange(self.layers)[:, None] * sizes
        places: Array = begins + self.size * np.arange(len(lines))[:, None, None]
        return lines.data_ptr() + lines.itemsize * places

    def cut(self, line: Float[Tensor, " N"]) -> list[Tensor | None]:
        """The gradient of each weight."""
        parts = torch.split(line, [self.layers * size for size in self.sizes])
        pairs = zip(parts, self.weights, strict=True)
        return [None if each is None else part.view(each.shape) for part, each in pairs]


class _Layers(torch.autograd.Function):
    """Its gradient is written by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        kind: int,
        num_heads: int,
        inputs: Tensor,
        held: Tensor,
        times: Tensor,
        ages: Tensor,
        *weights: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        told = Told(inputs, held, times, ages)
        out, entries, ctx.trail = advance_layers(kind, num_heads, told, Weights(*weights))  # type: ignore[arg-type]
        ctx.save_for_backward(*told, *weights)
        ctx.set_materialize_grads(False)
        ctx.kind, ctx.num_heads = kind, num_heads
        return out, entries

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_entries: Tensor | None) -> tuple[Tensor | None, ...]:
        told, weights, trail = Told(*ctx.saved_tensors[:4]), Weights(*ctx.saved_tensors[4:]), ctx.trail
        like, (layers, window, size) = told.inputs, told.held.shape[1:]
        vectors, matrices = Part(weights[:NUM_VECTORS], layers, size), Part(weights[NUM_VECTORS:-1], layers, 0)
        # Threads add up gradients of vectors, and of keys of ages, each for itself; those of matrices they share out.
        threads = torch.get_num_threads()
        d_vectors, d_positions = (
            like.new_zeros(threads, vectors.size),
            like.new_zeros(threads, layers, *told.ages.shape),
        )
        d_matrices = like.new_empty(matrices.size)
        d_entries = like.new_zeros(trail.entries.shape).add_(0 if d_entries is None else d_entries)
        d_out = torch.zeros_like(like) if d_out is None else d_out
        gate, scores, inner = (each.shape[2] for each in (trail.attention_gate, trail.weights, trail.inner))
        widths = size, scores, size, size, gate, inner, size, gate
        d = Gradients(
            *arrays((d_out.reshape(-1, size), d_entries)),
            vectors.places(d_vectors),
            matrices.places(d_matrices[None])[0],
            d_positions.numpy(),
            blank(like, len(trail.known), 2 * size),
            *(blank(like, len(trail.out), width) for width in widths),  # type: ignore[call-arg]
        )
        known = ctx.kind, ctx.num_heads, given_of(told, weights), trail, d
        in_team(retreat, known, 2 * operations(len(trail.out), weights))
        d_told = d_entries[:, 0, window:], d_entries[:, :, :window], None, None
        d_position_keys = None if weights.position_keys is None else d_positions.sum(0).mT @ told.ages
        return None, None, *d_told, *vectors.cut(d_vectors.sum(0)), *matrices.cut(d_matrices), d_position_keys
