"""A transformer's layers over sequences, by kernels.

Axes: B rows, L layers, T steps, W entries from before them, C = W + T, H features, K heads, R = W + 1 ages.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels.compilation import Array
from memagents.kernels.threads import in_team
from memagents.kernels.transformer import (
    GATED,
    PLAIN,
    RELATIVE,
    Given,
    Gradients,
    Matrices,
    Trail,
    Vectors,
    advance,
    retreat,
)
from memagents.kernels.transformer_step import step
from memagents.kernels.unroll import arrays, can_work_with

KINDS: Final = {"plain": PLAIN, "relative": RELATIVE, "gated": GATED}
"""How branches are joined with the stream; see `transformer.py`."""


class Layer(NamedTuple):
    """A layer's parameters, each under its name. None stands for a vector that it has not.

    `position_keys [H, H]` make keys of ages, if it has such.
    """

    vectors: Vectors
    matrices: Matrices
    position_keys: Tensor | None


class Parameters(NamedTuple):
    """Those of all layers: of each kind the first layer's, in their order, then the second's.

    Zeros stand for vectors that layers have not.
    """

    vectors: list[Tensor]
    matrices: list[Tensor]
    position_keys: list[Tensor]

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> "Parameters":
        """Those of these layers."""
        vectors, matrices, position_keys = zip(*layers, strict=True)
        nothing = torch.zeros_like(vectors[0].attention_weight)
        return cls(
            [nothing if each is None else each for each in chain(*vectors)],
            [each for of_layer in matrices for each in flat(of_layer)],
            [each for each in position_keys if each is not None],
        )

    @classmethod
    def cut(cls, parameters: Sequence[Tensor], numbers: Sequence[int]) -> "Parameters":
        """So many of each kind, of what stands one after the other."""
        rest = iter(parameters)
        return cls(*(list(islice(rest, number)) for number in numbers))


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


def flat(matrices: Matrices) -> Iterator[Tensor]:
    """A layer's in their order, one gate's after the other's."""
    *others, attention_gate, feedforward_gate = matrices
    return chain(others, attention_gate or (), feedforward_gate or ())


def can_unroll(told: Told, parameters: Parameters) -> bool:
    """Whether `unroll_layers` can. Under autocast torch chooses the numbers.

    Kernels are told where parameters lie, and nothing else of them.
    """
    inputs, kind = told.inputs, told.inputs.dtype
    alike = (each.dtype is kind and each.is_cpu and each.is_contiguous() for each in chain(*parameters))
    return can_work_with(inputs) and kind is told.held.dtype and not torch.is_autocast_enabled("cpu") and all(alike)


def unroll_layers(
    kind: str, num_heads: int, told: Told, parameters: Parameters
) -> tuple[Float[Tensor, "B T H"], Float[Tensor, "B L C H"]]:
    """The last layer's outputs, and all entries: what each layer was told, before these steps and at them.

    Args:
        kind: "plain", "relative" or "gated".
        num_heads: K.
        told: what the layers are told.
        parameters: the layers'.
    """
    if torch.is_grad_enabled():
        layers = KINDS[kind], num_heads, tuple(map(len, parameters))
        after: tuple[Tensor, Tensor] = _Layers.apply(*layers, *told, *chain(*parameters))  # type: ignore[no-untyped-call]
        return after
    if told.inputs.shape[1] == 1:
        return step_layers(KINDS[kind], num_heads, told, parameters)
    return advance_layers(KINDS[kind], num_heads, told, parameters)[:2]


def step_layers(kind: int, num_heads: int, told: Told, parameters: Parameters) -> tuple[Tensor, Tensor]:
    """A single step, of which no gradient will be asked."""
    entries, given = entries_of(told), given_of(told, parameters)
    out, inner = torch.empty_like(told.inputs), len(parameters.vectors[-1])
    walked = given, *arrays((entries, out[:, 0]))
    in_team(step, (kind, num_heads, inner, *walked), operations(len(out), parameters) + 4 * entries.numel())
    return out, entries


def advance_layers(kind: int, num_heads: int, told: Told, parameters: Parameters) -> tuple[Tensor, Tensor, Trail]:
    """All steps: outputs and entries, and what their gradient is made of."""
    (rows, steps, size), (layers, window) = told.inputs.shape, told.held.shape[1:3]
    entries, given, out = entries_of(told), given_of(told, parameters), torch.empty_like(told.inputs)
    number, gate, inner = rows * steps, 4 * size * (kind == GATED), len(parameters.vectors[-1])
    of_entries, of_out = arrays((entries, out.view(number, size)))
    widths = size, num_heads * (window + 1), size, size, gate, size, size, inner, size, gate
    known, keys_values = (blank(out, layers, rows * (window + steps), width) for width in (size, 2 * size))
    of_steps = (blank(out, layers, number, width) for width in widths)
    trail = Trail(of_entries, known, keys_values, *of_steps, of_out)
    in_team(advance, (kind, num_heads, given, trail), operations(number, parameters))
    return out, entries, trail


def blank(like: Tensor, *shape: int) -> Array:
    """Room for numbers. Torch's arrays, other than NumPy's, begin with a line of the cache."""
    return like.new_empty(shape).numpy()


def operations(steps: int, parameters: Parameters) -> int:
    """Of the products in so many steps."""
    return 2 * steps * sum(each.numel() for each in parameters.matrices)


def entries_of(told: Told) -> Float[Tensor, "B L C H"]:
    """All entries, of which the first layer's are known, and of the others those from before the steps."""
    (rows, layers, window, size), steps = told.held.shape, told.inputs.shape[1]
    entries = told.held.new_empty(rows, layers, window + steps, size)
    entries[:, :, :window], entries[:, 0, window:] = told.held, told.inputs
    return entries


def given_of(told: Told, parameters: Parameters) -> Given:
    """What kernels are given."""
    layers = told.held.shape[1]
    vectors, matrices, position_keys = map(addresses, parameters)
    others = arrays((told.ages, told.times.reshape(-1)))
    return Given(vectors.reshape(layers, -1), matrices.reshape(layers, -1), position_keys, *others)


def addresses(tensors: Sequence[Tensor]) -> Int[Array, " N"]:
    """Where they lie."""
    return np.array([each.data_ptr() for each in tensors], np.int64)


def line_for(
    parameters: Sequence[Tensor], copies: int, layers: int
) -> tuple[Float[Tensor, "G N"], Int[Array, "G L P"]]:
    """Zeros for the gradients of parameters, one after the other, in so many copies; and where each begins."""
    ends = np.cumsum([each.numel() for each in parameters])
    numbers = parameters[0].new_zeros(copies, int(ends[-1]))
    begins = np.concatenate([[0], ends[:-1]]) + ends[-1] * np.arange(copies)[:, None]
    return numbers, (numbers.data_ptr() + numbers.itemsize * begins).reshape(copies, layers, -1)


def parted(line: Float[Tensor, " N"], parameters: Sequence[Tensor]) -> list[Tensor]:
    """A part of the line for each parameter, of its shape."""
    parts = line.split([each.numel() for each in parameters])
    return [part.view(each.shape) for part, each in zip(parts, parameters, strict=True)]


class _Layers(torch.autograd.Function):
    """Its gradient is written by hand."""

    @staticmethod
    def forward(
        ctx: Any,
        kind: int,
        num_heads: int,
        numbers: tuple[int, ...],
        inputs: Tensor,
        held: Tensor,
        times: Tensor,
        ages: Tensor,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        told = Told(inputs, held, times, ages)
        out, entries, ctx.trail = advance_layers(kind, num_heads, told, Parameters.cut(parameters, numbers))
        ctx.save_for_backward(*told, *parameters)
        ctx.set_materialize_grads(False)
        ctx.kind, ctx.num_heads, ctx.numbers = kind, num_heads, numbers
        return out, entries

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor | None, d_entries: Tensor | None) -> tuple[Tensor | None, ...]:
        told, parameters = Told(*ctx.saved_tensors[:4]), Parameters.cut(ctx.saved_tensors[4:], ctx.numbers)
        trail, threads, (layers, window, size) = ctx.trail, torch.get_num_threads(), told.held.shape[1:]
        number = len(trail.out)
        d_entries = told.held.new_zeros(trail.entries.shape) if d_entries is None else d_entries.clone()
        d_out = torch.zeros_like(told.inputs) if d_out is None else d_out
        of_out, of_entries = arrays((d_out.reshape(number, size), d_entries))
        d_vectors, at_vectors = line_for(parameters.vectors, threads, layers)
        d_matrices, at_matrices = line_for(parameters.matrices, 1, layers)
        d_positions = told.ages.new_zeros(threads, layers, *told.ages.shape)
        gate, scores, inner = (each.shape[2] for each in (trail.attention_gate, trail.weights, trail.inner))
        widths = size, scores, size, size, 3 * gate // 4, inner, size, 3 * gate // 4
        of_steps = (blank(told.inputs, number, width) for width in widths)
        d_keys_values = blank(told.inputs, trail.known.shape[1], 2 * size)
        d_lines = at_vectors, at_matrices[0], d_positions.numpy()
        d = Gradients(of_out, of_entries, *d_lines, d_keys_values, *of_steps)
        known = ctx.kind, ctx.num_heads, given_of(told, parameters), trail, d
        in_team(retreat, known, 2 * operations(number, parameters))
        d_told = d_entries[:, 0, window:], d_entries[:, :, :window], None, None
        d_keys = (d_positions.sum(0).mT @ told.ages).unbind() if parameters.position_keys else ()
        return (
            None,
            None,
            None,
            *d_told,
            *parted(d_vectors.sum(0), parameters.vectors),
            *parted(d_matrices[0], parameters.matrices),
            *d_keys,
        )
