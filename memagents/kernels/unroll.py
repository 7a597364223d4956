"""A controller and its external memory over time, by kernels.

Axes: T time, B batch, D input features, H hidden features, G gates, C features of the cell (H, or none), I features of
the interface vector, R words read, W features of a word.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from memagents.kernels import controllers
from memagents.kernels.threads import in_threads, parts_of

Arrays: TypeAlias = tuple[np.ndarray, ...]

DTYPES = (torch.float32, torch.float64)
"""Numbers that kernels can work with."""


class Kernel(NamedTuple):
    """An external memory's step and the step's gradient; see `memagents.kernels`."""

    forward: Callable[..., Arrays]
    backward: Callable[..., Arrays]


def can_work_with(inputs: Tensor) -> bool:
    """Whether kernels can: on the CPU, in 32 and 64 bits, and not where torch compiles an agent as a whole."""
    return inputs.device.type == "cpu" and inputs.dtype in DTYPES and not torch.compiler.is_compiling()


def unroll(
    kernel: Kernel,
    controller: str,
    episodes: tuple[Bool[Tensor, "T B"], tuple[Tensor, ...]],
    from_inputs: Float[Tensor, "T B GH"],
    weights: tuple[Float[Tensor, "GH P"], Float[Tensor, "I H"], Float[Tensor, " I"]],
    state: tuple[Tensor, ...],
) -> tuple[Float[Tensor, "T B H"], Float[Tensor, "T B R W"], tuple[Tensor, ...]]:
    """Hidden vectors, words read, and the state after the last step.

    Args:
        kernel: the memory's.
        controller: the kind of controller.
        episodes: where they begin, and the state they begin with, a constant.
        from_inputs: what the inputs add to the controller's gates.
        weights: the controller's for the words read last and, if it has a cell, its hidden vector; those that make the
            interface vector of the hidden vector; and the bias of that.
        state: what was held before: hidden vector and cell, what the kernel takes, and the words read last.
    """
    steps = kernel, controller, episodes
    hidden, reads, *last = _Unroll.apply(*steps, from_inputs, *weights, *state)  # type: ignore[no-untyped-call]
    return hidden, reads, tuple(last)


class Part(NamedTuple):
    """Some rows of a batch: where their episodes start, and their states before and after every step."""

    rows: slice
    starts: np.ndarray
    before: list[Arrays]
    after: list[Arrays]


class _Unroll(torch.autograd.Function):
    """Its gradient is written by hand: that of every weight is one product over all steps."""

    @staticmethod
    def forward(
        ctx: Any,
        kernel: Kernel,
        controller: str,
        episodes: tuple[Tensor, tuple[Tensor, ...]],
        from_inputs: Tensor,
        from_past: Tensor,
        to_interface: Tensor,
        bias: Tensor,
        *state: Tensor,
    ) -> tuple[Tensor, ...]:
        num_steps, num_rows = from_inputs.shape[:2]
        gates = torch.empty_like(from_inputs, memory_format=torch.contiguous_format)
        past = from_inputs.new_empty(num_steps, num_rows, from_past.shape[1])
        hidden = from_inputs.new_empty(num_steps, num_rows, to_interface.shape[1])
        interface = from_inputs.new_empty(num_steps, num_rows, len(bias))
        reads = from_inputs.new_empty(num_steps, *state[-1].shape)
        starts, first, begin = episodes[0].numpy(), arrays(episodes[1]), arrays(state)

        def advance(rows: slice) -> Part:
            part = Part(rows, starts[:, rows], [], [])
            now, anew = (tuple(field[rows] for field in each) for each in (begin, first))
            each_step = (each[:, rows] for each in (from_inputs, past, gates, hidden, interface, reads))
            for starting, (added, heard, gate, h, told, read) in zip(
                part.starts, zip(*each_step, strict=True), strict=True
            ):
                if starting.any():
                    now = tuple(restarted(field, one, starting) for field, one in zip(now, anew, strict=True))
                part.before.append(now)
                remember(heard.numpy(), now)
                torch.addmm(added, heard, from_past.t(), out=gate)
                h.numpy()[:], cell = controllers.FORWARD[controller](gate.numpy(), now[1])
                torch.addmm(bias, h, to_interface.t(), out=told)
                now = h.numpy(), cell, *kernel.forward(told.numpy(), *now[2:-1])
                read.numpy()[:] = now[-1]
                part.after.append(now)
            return part

        parts = in_threads(advance, parts_of(num_rows, num_steps))
        ctx.save_for_backward(from_past, to_interface, past, gates, hidden, interface)
        ctx.kernel, ctx.controller, ctx.parts = kernel, controller, parts
        return hidden, reads, *joined(part.after[-1] for part in parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_hidden: Tensor, d_reads: Tensor, *d_last: Tensor) -> tuple[Tensor | None, ...]:
        from_past, to_interface, past, gates, hidden, interface = ctx.saved_tensors
        d_gates, d_interface, d_past = (torch.empty_like(each) for each in (gates, interface, past))
        d_words, d_end = d_reads.contiguous().numpy(), arrays(d_last)

        def retreat(part: Part) -> Arrays:
            d_now = tuple(field[part.rows] for field in d_end)
            for t in reversed(range(len(gates))):
                now, before, after = (t, part.rows), part.before[t], part.after[t]
                d_after = *d_now[2:-1], d_now[-1] + d_words[now]
                told, *d_external = ctx.kernel.backward(interface[now].numpy(), *before[2:-1], after[2:], d_after)
                d_interface[now].numpy()[:] = told
                d_h = torch.addmm(d_hidden[now], d_interface[now], to_interface).add_(torch.from_numpy(d_now[0]))
                cells = before[1], after[1], d_h.numpy(), d_now[1]
                d_cell = controllers.BACKWARD[ctx.controller](gates[now].numpy(), *cells, d_gates[now].numpy())
                torch.mm(d_gates[now], from_past, out=d_past[now])
                d_now = remembered(d_past[now].numpy(), before, (d_cell, *d_external))
                if part.starts[t].any():
                    d_now = tuple(restarted(field, np.zeros_like(field), part.starts[t]) for field in d_now)
            return d_now

        d_begin = joined(in_threads(retreat, ctx.parts))
        d_told, told_by = d_interface.flatten(0, 1), hidden.flatten(0, 1)
        d_weights = d_gates.flatten(0, 1).t() @ past.flatten(0, 1), d_told.t() @ told_by, d_told.sum(0)
        return None, None, None, d_gates, *d_weights, *d_begin


def joined(parts: Iterable[Arrays]) -> tuple[Tensor, ...]:
    """The fields of a state, with the rows of all parts."""
    return tuple(torch.from_numpy(np.concatenate(field)) for field in zip(*parts, strict=True))


def arrays(fields: Iterable[Tensor]) -> Arrays:
    """Tensors as arrays."""
    return tuple(field.detach().contiguous().numpy() for field in fields)


def restarted(field: np.ndarray, first: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """A field of the state, with the rows where an episode starts as they are then."""
    field = field.copy()
    field[starts] = first[starts]
    return field


def remember(heard: np.ndarray, state: Arrays) -> None:
    """What the controller hears of the past: the words read last, and its hidden vector if there is room for that."""
    size = state[-1][0].size
    heard[:, :size] = state[-1].reshape(len(heard), size)
    if heard.shape[1] > size:
        heard[:, size:] = state[0]


def remembered(d_heard: np.ndarray, state: Arrays, d_between: Arrays) -> Arrays:
    """The gradient of a state: hidden vector, what is in between, and words read."""
    size = state[-1][0].size
    d_hidden = d_heard[:, size:].copy() if d_heard.shape[1] > size else np.zeros_like(state[0])
    return d_hidden, *d_between, d_heard[:, :size].reshape(state[-1].shape)
