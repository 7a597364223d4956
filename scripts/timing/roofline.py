"""How near does the training of every memory come to what the machine can do?

    python scripts/throughput.py --roofline --threads 1 --memories lstm gru dnc gtrxl

Counts, in one update, the operations of all products (matrix products, convolutions, attention, recurrent layers) and
the bytes that all of torch's operations read and write, and measures, between the rounds of updates, how fast this
machine multiplies large matrices and copies large arrays. Writes `results/throughput/roofline.md` and `roofline.csv`.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any, cast
from unittest.mock import patch

import torch
from pages import origin_list, table
from timing.programs import Runner, ThroughputConfig, our_program
from timing.ratios import Spread
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from memagents.kernels import layers, perceptrons, products, recurrence, unroll
from memagents.kernels.products import product
from memagents.kernels.threads import in_team

PAGE = """\
# How near the training of every memory comes to what this machine can do

What of the time of an update is needed for its products, and what for moving numbers?
`scripts/throughput.py --roofline` wrote this page and [roofline.csv](roofline.csv), which holds every round.

{origin}
- products of {size} x {size} matrices, by torch or by our kernel, whichever is faster: {multiply} GFLOP/s; copies of
  arrays of {megabytes} MB: {copy} GB/s (medians over the rounds, and the range; read and written bytes count)

{n_envs} environments x {n_steps} steps, {n_epochs} epochs over minibatches of {batch_size} steps. rnn, lstm and gru
have {hidden_size} hidden features, the others their own default size. For a sample, which is an environment step in an
epoch: floating-point operations of products, forward and backward (a multiplication and an addition are two), and bytes
that operations read and write. The shares are those of the time that these would take at the speeds above, in the time
that the update took: medians over {repeats} rounds, and the range. Where a share is near 1 there is nothing left to
gain but by fewer operations; where both are small, the time goes into starting operations, or into such as are no
products: exponentials, sorting, short vectors.

{table}

What this does not show: operations inside of the kernels of NTM, DNC and MANN (their addressing) and of transformers
(attention), bytes inside of any kernel, bytes that never leave the cache and cost little, which is why a share of
copying can be above 1, and the time to act.
"""

SIZE = 1024
"""Rows and columns of the matrices that are multiplied."""

NUMBERS = 2**24
"""In an array that is copied."""


def attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Of the fused kernel: scores, and the sum of what they point at."""
    return 2 * query.shape[:-1].numel() * key.shape[-2] * (query.shape[-1] + value.shape[-1])


aten = torch.ops.aten
PRODUCTS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    aten.addmm_: flop_registry[aten.addmm],
    aten.baddbmm_: flop_registry[aten.baddbmm],
    aten._scaled_dot_product_flash_attention_for_cpu: attention,
    # The scores are computed once more, then four products.
    aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda _, *told, **__: 5 * attention(*told) // 2,
}
"""Floating-point operations of what torch calls, from its arguments."""


class Work(TorchDispatchMode):
    """Counts what is done while it is on.

    Attributes:
        flops: floating-point operations of products.
        bytes: read and written by all operations that are more than another view.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.bytes = 0

    def __enter__(self) -> "Work":
        modules = layers, perceptrons, products, recurrence, unroll
        self._kernels = [patch.object(module, "in_team", self._counted) for module in modules]
        for kernel in self._kernels:
            kernel.start()
        return cast(Work, super().__enter__())

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for kernel in self._kernels:
            kernel.stop()

    def _counted(self, kernel: Callable[..., None], arguments: Sequence[Any], operations: int) -> None:
        """Runs a kernel for all steps, of which each has products."""
        self.flops += operations
        in_team(kernel, arguments, operations)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.bytes += sum(size(leaf) for leaf in tree_leaves((args, kwargs, out)) if isinstance(leaf, Tensor))
        if (operations := PRODUCTS.get(func.overloadpacket)) is not None:
            self.flops += operations(*args, **(kwargs or {}), out_val=out)
        return out


def size(tensor: Tensor) -> int:
    """The bytes of a tensor; an expanded one is as large as what it is expanded from."""
    held = [length for length, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride]
    return torch.Size(held).numel() * tensor.element_size()


def work_of_an_update(runner: Runner) -> Work:
    """What one update does, counted over a round of its own."""
    work, train = Work(), runner.model.train

    def counted() -> None:
        with work:
            train()

    runner.model.train = counted  # type: ignore[method-assign]
    runner.run(0)
    runner.model.train = train  # type: ignore[method-assign]
    return work


def gigaflops() -> float:
    """How fast large matrices are multiplied, in 10^9 operations a second, by torch or by our kernel."""
    left, right = torch.rand(SIZE, SIZE), torch.rand(SIZE, SIZE)
    fastest = min(best_of(lambda: left @ right), best_of(lambda: product(left, right)))
    return 2 * SIZE**3 / fastest / 1e9


def gigabytes() -> float:
    """How fast large arrays are copied, in 10^9 bytes a second, read and written."""
    source, target = torch.rand(NUMBERS), torch.empty(NUMBERS)
    return 2 * source.nbytes / best_of(lambda: target.copy_(source)) / 1e9


def best_of(action: Callable[[], object], times: int = 5) -> float:
    """Seconds, the fewest of some tries."""
    seconds = []
    for _ in range(times):
        begin = perf_counter()
        action()
        seconds.append(perf_counter() - begin)
    return min(seconds)


@dataclass(frozen=True)
class Round:
    """An update of one program, and what the machine could do around it."""

    program: str
    round: int
    flops_per_sample: float
    bytes_per_sample: float
    seconds_per_sample: float
    gigaflops: float
    gigabytes: float

    @property
    def multiplying(self) -> float:
        """The share of the time in which the machine could do all products."""
        return self.flops_per_sample / (self.gigaflops * 1e9) / self.seconds_per_sample

    @property
    def copying(self) -> float:
        """The share of the time in which it could move all bytes."""
        return self.bytes_per_sample / (self.gigabytes * 1e9) / self.seconds_per_sample


def roofline(config: ThroughputConfig) -> list[Round]:
    """The rounds of all memories, which take turns."""
    runners = [Runner(our_program(config, memory), "batched", config) for memory in config.memories]
    works = [work_of_an_update(runner) for runner in runners]
    rounds = []
    for number in range(1, config.repeats + 1):
        for runner, work in zip(runners, works, strict=True):
            machine = gigaflops(), gigabytes()
            done = runner.run(number)
            per_sample = work.flops / done.samples, work.bytes / done.samples, done.train_seconds / done.samples
            rounds.append(Round(runner.program.name, number, *per_sample, *machine))
            print(f"round {number}  {rounds[-1].program:26} {rounds[-1].multiplying:6.2f} of multiplying", flush=True)
    return rounds


def write_roofline(config: ThroughputConfig, rounds: list[Round], found: dict[str, Any]) -> str:
    """Writes the page and the rounds, and returns the page."""
    with (config.folder / "roofline.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(vars(rounds[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(vars, rounds))
    of = {name: [done for done in rounds if done.program == name] for name in dict.fromkeys(r.program for r in rounds)}
    order = sorted(of, key=lambda name: median(done.seconds_per_sample for done in of[name]))
    head = ["program", "products, kFLOP", "moved, kB", "µs", "share of multiplying", "share of copying"]
    rows = [
        [
            name,
            f"{of[name][0].flops_per_sample / 1e3:,.0f}",
            f"{of[name][0].bytes_per_sample / 1e3:,.1f}",
            Spread.of([done.seconds_per_sample * 1e6 for done in of[name]]).show(1),
            Spread.of([done.multiplying for done in of[name]]).show(2),
            Spread.of([done.copying for done in of[name]]).show(2),
        ]
        for name in order
    ]
    asked = ("n_envs", "n_steps", "n_epochs", "batch_size", "hidden_size", "repeats")
    page = PAGE.format(
        origin=origin_list(found),
        size=SIZE,
        megabytes=round(4 * NUMBERS / 1e6),
        multiply=Spread.of([done.gigaflops for done in rounds]).show(1),
        copy=Spread.of([done.gigabytes for done in rounds]).show(1),
        table=table(head, rows, words=1),
        **{name: getattr(config, name) for name in asked},
    )
    (config.folder / "roofline.md").write_text(page, encoding="utf-8")
    return page
