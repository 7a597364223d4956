"""How does the speed of training change with the number of environments, the length of sequences, and the size?

    python scripts/throughput_scaling.py --repeats 3

One of the three is changed at a time, the others stay at values in the middle; the cases take turns, round by round.
Writes `results/throughput/scaling.md`, `scaling.csv` and `scaling.png`.
"""

import csv
import os
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from pages import origin, origin_list, table
from timing.programs import Measurement, Runner, ThroughputConfig, our_program
from timing.ratios import Spread

from memagents.memories.registry import memory_options
from memagents.studies.curves import COLOURS

AXES = {"n_envs": (16, 64, 256), "n_steps": (64, 128, 256, 512, 1024), "hidden_size": (32, 64, 128, 256)}
"""What is changed, and to which values."""

MIDDLE = {"n_envs": 64, "n_steps": 128, "hidden_size": 64}
"""Where it stays while something else is changed."""

NAMES = {"n_envs": "environments", "n_steps": "steps in a sequence", "hidden_size": "hidden size"}

PAGE = """\
# How the speed of training changes with size

How does training speed change with the number of environments, the length of sequences, and the hidden size?
`scripts/throughput_scaling.py` wrote this page, the curves and [scaling.csv](scaling.csv), which holds every round.

![steps per second against environments, steps and hidden size](scaling.png)

{origin}

MemoryPPO on RepeatPrevious, natively batched; {n_envs} environments, sequences of {n_steps} steps and a hidden size of
{hidden_size} where nothing else is said; whole sequences in four minibatches, one epoch. In the picture: environment
steps for each second of `learn`, medians over {repeats} rounds.

## Longer sequences

Microseconds that the update takes for a sample, against the length of the sequences. If the cost of a sequence grows
linearly with its length, that of a sample stays what it is. It grows most for {steepest}: {growth} times, from {short}
to {long} steps.

{lengths}

What this does not show: a GPU, other tasks, or attention windows that grow with the sequence, whose cost would grow
with its square; ours are constant.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    memories: tuple[str, ...] = ("lstm", "gru", "tcn", "transformer", "gtrxl", "ntm", "dnc")
    """Names of memories that have a hidden size."""

    repeats: int = 3
    """Rounds that count; one more comes before them, to warm up."""

    threads: int = 1
    """Threads torch computes with."""

    folder: Path = Path("results/throughput")
    """Where the page goes."""


@dataclass(frozen=True)
class Case:
    """A memory at one size."""

    memory: str
    axis: str
    value: int

    def runner(self) -> Runner:
        """Ready to be measured."""
        size = {**MIDDLE, self.axis: self.value}
        batch = size["n_envs"] * size["n_steps"] // 4
        config = ThroughputConfig(**size, batch_size=batch, n_epochs=1, rollouts=1)
        program = our_program(config, self.memory)
        options = {"hidden_size": size["hidden_size"]} if "hidden_size" in memory_options(self.memory) else {}
        return Runner(replace(program, arguments=program.arguments | {"memory_kwargs": options}), "batched", config)


def cases(options: Options) -> list[Case]:
    """All of them."""
    return [
        Case(memory, axis, value) for axis, values in AXES.items() for value in values for memory in options.memories
    ]


def measure(options: Options) -> dict[Case, list[Measurement]]:
    """The rounds of every case that count."""
    runners = {case: case.runner() for case in cases(options)}
    rounds: dict[Case, list[Measurement]] = {case: [] for case in runners}
    for number in range(options.repeats + 1):
        for case, runner in runners.items():
            done = runner.run(number)
            print(
                f"round {number}  {case.memory:12} {case.axis:12} {case.value:5} {done.steps_per_second:8,.0f} steps/s"
            )
            if number:
                rounds[case].append(done)
    return rounds


def microseconds(rounds: list[Measurement]) -> list[float]:
    """Of the update, for a sample."""
    return [1e6 / done.samples_per_second for done in rounds]


def draw(rounds: dict[Case, list[Measurement]], path: Path) -> None:
    """A panel for each axis."""
    figure = Figure(figsize=(13, 4.2), layout="constrained", dpi=150)
    panels: list[Axes] = list(figure.subplots(1, len(AXES), sharey=True))
    memories = list(dict.fromkeys(case.memory for case in rounds))
    for axes, (axis, values) in zip(panels, AXES.items(), strict=True):
        for memory, colour in zip(memories, COLOURS * len(memories), strict=False):
            speeds = [median(done.steps_per_second for done in rounds[Case(memory, axis, value)]) for value in values]
            axes.plot(values, speeds, "o-", color=colour, label=memory, markersize=4)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(values, [str(value) for value in values])
        axes.set_xlabel(NAMES[axis])
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("environment steps per second")
    figure.legend(handles=panels[0].get_lines(), loc="outside right center", frameon=False)
    figure.savefig(path)


def page(options: Options, rounds: dict[Case, list[Measurement]], found: dict[str, object]) -> str:
    """What came out."""
    lengths, memories = AXES["n_steps"], options.memories
    costs = {
        memory: [microseconds(rounds[Case(memory, "n_steps", length)]) for length in lengths] for memory in memories
    }
    growth = {memory: median(cost[-1]) / median(cost[0]) for memory, cost in costs.items()}
    steepest = max(growth, key=lambda memory: growth[memory])
    cost_rows = [
        [memory, *(Spread.of(cost).show(1) for cost in costs[memory]), f"{growth[memory]:.2f}"] for memory in memories
    ]
    return PAGE.format(
        origin=origin_list(found),
        **MIDDLE,
        repeats=options.repeats,
        steepest=steepest,
        short=lengths[0],
        long=lengths[-1],
        growth=f"{growth[steepest]:.2f}",
        lengths=table(["memory", *map(str, lengths), "last / first"], cost_rows, words=1),
    )


def write_csv(rounds: dict[Case, list[Measurement]], path: Path) -> None:
    """Every round that counts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["memory", "changed", "value", "round", "steps_per_second", "update_microseconds_per_sample"])
        for case, measured in rounds.items():
            for done, cost in zip(measured, microseconds(measured), strict=True):
                numbers = f"{done.steps_per_second:.0f}", f"{cost:.2f}"
                writer.writerow([case.memory, case.axis, case.value, done.round, *numbers])


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    load_before = os.getloadavg()[0]
    rounds = measure(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_csv(rounds, options.folder / "scaling.csv")
    draw(rounds, options.folder / "scaling.png")
    text = page(options, rounds, origin(load_before))
    (options.folder / "scaling.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
