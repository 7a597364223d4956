"""A computation on a GPU that is recorded once and replayed: forward, and its gradient.

To tell a GPU what to do takes longer than a small operation itself, and a sequence of an external memory is thousands
of them. Recorded as a CUDA graph they are told all at once.

A recording computes in memory of its own, and a replay overwrites what the last one left there. So that nothing is
ever wrong, results are copied out, and a gradient that comes after another replay computes its own forward pass anew.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

Computation: TypeAlias = Callable[..., tuple[Tensor, ...]]

WARM_UPS = 3
"""Runs before a recording, in which libraries choose their kernels and take their memory."""

MOST = 8
"""Recordings of one module that are kept, those used last; each holds all that its gradient needs."""


def replayed(owner: nn.Module, computation: Computation, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What `computation` makes of `inputs`, by a recording of it.

    Args:
        owner: the module whose parameters it uses. It makes no other computation by this function.
        computation: takes the inputs, all on one GPU, and returns tensors, without ever waiting for the GPU.
        inputs: of the same shapes and kinds as those of a recording, or else another one is made.
    """
    weights = tuple(owner.parameters())
    recordings = _RECORDINGS.setdefault(owner, OrderedDict())
    kind = tuple(map(_kind, inputs)), tuple(weight.data_ptr() for weight in weights), _settings()
    if kind not in recordings:
        with leaves_of_its_own(owner) as leaves:
            recordings[kind] = _Recording(computation, inputs, leaves)
        while len(recordings) > MOST:
            recordings.popitem(last=False)
    recordings.move_to_end(kind)
    outputs: tuple[Tensor, ...] = _Replay.apply(recordings[kind], *inputs, *weights)  # type: ignore[no-untyped-call]
    return outputs


def can_replay(inputs: Tensor) -> bool:
    """Whether it is worth it, and right: on a GPU, where gradients are wanted and nobody else chooses the kernels."""
    chosen_elsewhere = torch.compiler.is_compiling() or torch.is_autocast_enabled(inputs.device.type)
    return inputs.is_cuda and inputs.requires_grad and not chosen_elsewhere


class _Recording:
    """Two graphs, the tensors they read and those they write, and how often the first was replayed."""

    def __init__(self, computation: Computation, inputs: Iterable[Tensor], weights: tuple[Tensor, ...]) -> None:
        self.inputs = [_like(each).requires_grad_(each.requires_grad) for each in inputs]
        self.replays = 0
        tensors = (*self.inputs, *weights)
        wanted = [each for each in tensors if each.requires_grad]
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.enable_grad():
            with torch.cuda.stream(beside):
                for _ in range(WARM_UPS):
                    outputs = computation(*self.inputs)
                    self.d_outputs = [torch.zeros_like(each) if each.requires_grad else None for each in outputs]
                    self._gradients(outputs, wanted)
                    # With its graph, which would draw this stream into the recording. So would a graph that waits for
                    # its gradient elsewhere, were it of the same leaves.
                    del outputs
            torch.cuda.current_stream().wait_stream(beside)
            self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._forward):
                outputs = computation(*self.inputs)
            with torch.cuda.graph(self._backward, pool=self._forward.pool()):
                found = iter(self._gradients(outputs, wanted))
        self.outputs = tuple(output.detach() for output in outputs)
        self.gradients = [next(found) if each.requires_grad else None for each in tensors]

    def _gradients(self, outputs: tuple[Tensor, ...], wanted: list[Tensor]) -> tuple[Tensor | None, ...]:
        along = [(each, d_each) for each, d_each in zip(outputs, self.d_outputs, strict=True) if d_each is not None]
        of, d_of = zip(*along, strict=True)
        return torch.autograd.grad(of, wanted, d_of, allow_unused=True)

    def forward(self, inputs: Iterable[Tensor]) -> None:
        with torch.no_grad():
            for own, given in zip(self.inputs, inputs, strict=True):
                own.copy_(given)
        self._forward.replay()
        self.replays += 1

    def backward(self, d_outputs: Iterable[Tensor]) -> None:
        for own, given in zip(self.d_outputs, d_outputs, strict=True):
            if own is not None:
                own.copy_(given)
        self._backward.replay()


class _Replay(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, recording: _Recording, *tensors: Tensor) -> tuple[Tensor, ...]:
        recording.forward(tensors[: len(recording.inputs)])
        # The weights too: whoever changes one before the gradient is told so, as always.
        ctx.save_for_backward(*tensors)
        ctx.recording, ctx.replay = recording, recording.replays
        return tuple(output.clone() for output in recording.outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *d_outputs: Tensor) -> tuple[Tensor | None, ...]:
        recording, tensors = ctx.recording, ctx.saved_tensors
        if recording.replays != ctx.replay:
            recording.forward(tensors[: len(recording.inputs)])
            ctx.replay = recording.replays
        recording.backward(d_outputs)
        return None, *(None if gradient is None else gradient.clone() for gradient in recording.gradients)


_RECORDINGS: WeakKeyDictionary[nn.Module, OrderedDict[Hashable, _Recording]] = WeakKeyDictionary()


@contextmanager
def leaves_of_its_own(module: nn.Module) -> Iterator[tuple[Tensor, ...]]:
    """In place of a module's parameters, others that share their numbers, but no graph of autograd."""
    places = [(part, name, weight) for part in module.modules() for name, weight in part._parameters.items()]
    for part, name, weight in places:
        part._parameters[name] = None if weight is None else nn.Parameter(weight.detach(), weight.requires_grad)
    try:
        yield tuple(module.parameters())
    finally:
        for part, name, weight in places:
            part._parameters[name] = weight


def _like(tensor: Tensor) -> Tensor:
    """A tensor of its own with the same numbers."""
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _kind(tensor: Tensor) -> Hashable:
    return tensor.shape, tensor.dtype, tensor.device, tensor.requires_grad


def _settings() -> Hashable:
    """What kernels torch would choose."""
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
