"""What do checkpoints cost?

    python scripts/checkpoint_cost.py

Trains small runs with a checkpoint every 10 rollouts, and holds the time that the training spent on them, putting them
together and waiting for the disk, against the time that it took. Runs go to `runs/checkpoint_cost`, the page to
`results/robustness`: `checkpoints.md` and `checkpoints.csv`.
"""

import csv
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean, median
from time import perf_counter, thread_time
from typing import Any
from unittest.mock import patch

import tyro
from throughput_page import origin, origin_list, table

from memagents.runs import checkpoints
from memagents.runs.checkpoints import Checkpoints, checkpoint_of, write_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.training import train

RUNS = Path("runs/checkpoint_cost")
T_MAZE = "memagents_envs:MemAgents/TMaze-v0"
REPEAT_PREVIOUS = "memagents_envs:MemAgents/RepeatPrevious-v0"
CASES = {
    "PPO, lstm, T-maze": TrainConfig(env=T_MAZE),
    "PPO, gtrxl, T-maze": TrainConfig(env=T_MAZE, memory="gtrxl"),
    "PPO, lstm, RepeatPrevious, 64 environments": TrainConfig(
        env=REPEAT_PREVIOUS, n_envs=64, algo_kwargs={"n_epochs": 4, "batch_size": 2048}
    ),
    "PPO, lstm, CartPole one by one, 8 environments": TrainConfig(env="CartPole-v1", n_envs=8),
    "A2C, lstm, T-maze": TrainConfig(env=T_MAZE, algo="a2c"),
}
N_STEPS = {"ppo": 128, "a2c": 16}
ROLLOUTS = 10

PAGE = """\
# The cost of checkpoints

What does a checkpoint every {rollouts} rollouts cost? `scripts/checkpoint_cost.py` wrote this page and
[checkpoints.csv](checkpoints.csv), which holds every run.

{origin}
- seeds: 0 to {last_seed}, one a run

A checkpoint is put together while the training stands still; then a thread writes it, beside the next rollout, until it
has its name and the system says that it is on the disk. Standing still, waiting for the thread included; how long the
thread takes, and how much of that its processor works: medians and ranges over all checkpoints but the last of a run,
which every run ends with. Share: of the time from one checkpoint to the next, that of standing still and of the
thread's work, as if training could not go on meanwhile (of A2C's short rollouts that is nearly so: Python lets one
thread at a time). Medians and ranges over {repeats} runs, of PPO with {ppo} checkpoints each and of A2C with {a2c}.
Package defaults where nothing else is said: 16 environments; PPO with rollouts of 128 steps and 10 epochs, A2C with
rollouts of 16 steps.

{table}

What this does not show: network file systems and slow disks, memories of other sizes, one core for training and thread
together, and a GPU, from which parameters must be copied first.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    repeats: int = 5
    """Runs of each case."""

    checkpoints: int = 2
    """Checkpoints in a run of PPO, besides the last."""

    folder: Path = Path("results/robustness")
    """Where the page goes."""

    def in_a_run(self, algo: str) -> int:
        """How many checkpoints: A2C's rollouts are short."""
        return self.checkpoints * (20 if algo == "a2c" else 1)


@dataclass(frozen=True)
class Cost:
    """Of the checkpoints of one run, in seconds; the last one, which ends every run, is left out."""

    case: str
    seed: int
    bytes: int
    training_seconds: float
    still_seconds: tuple[float, ...]
    disk_seconds: tuple[float, ...]
    processor_seconds: tuple[float, ...]

    @property
    def share(self) -> float:
        """Of the time from one checkpoint to the next."""
        spent = mean(self.still_seconds) + mean(self.processor_seconds)
        return spent / (self.training_seconds / (len(self.still_seconds) + 1))


class Stopwatch:
    """Times the parts of checkpoints: standing still, until they are on the disk, and the work of the thread."""

    def __init__(self) -> None:
        self.still: list[float] = []
        self.disk: list[float] = []
        self.processor: list[float] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Times all checkpoints of the runs inside."""
        wait = Checkpoints.wait

        def timed_contents(*arguments: Any) -> Any:
            begin = perf_counter()
            contents = checkpoint_of(*arguments)
            self.still.append(perf_counter() - begin)
            return contents

        def timed_wait(callback: Checkpoints) -> None:
            begin = perf_counter()
            wait(callback)
            if self.still:  # there is nothing to wait for before the first
                self.still[-1] += perf_counter() - begin

        def timed_write(*arguments: Any) -> None:
            begin, processor_begin = perf_counter(), thread_time()
            write_checkpoint(*arguments)
            self.disk.append(perf_counter() - begin)
            self.processor.append(thread_time() - processor_begin)

        with (
            patch.object(checkpoints, "checkpoint_of", timed_contents),
            patch.object(checkpoints, "write_checkpoint", timed_write),
            patch.object(Checkpoints, "wait", timed_wait),
        ):
            yield


def measure(case: str, seed: int, options: Options) -> Cost:
    """Trains one run, with a stopwatch at its checkpoints."""
    config, watch = CASES[case], Stopwatch()
    every, number = ROLLOUTS * N_STEPS[config.algo] * config.n_envs, options.in_a_run(config.algo)
    length = {"timesteps": (number + 1) * every, "checkpoint_every": every, "eval_episodes": 1}
    shutil.rmtree(RUNS, ignore_errors=True)
    with watch.watching():
        run = train(replace(config, **length, seed=seed, threads=1, folder=RUNS), bar=False)
    parts = [tuple(times[:-1]) for times in (watch.still, watch.disk, watch.processor)]
    assert all(len(times) == number for times in parts)
    size = (RUNS / "checkpoints" / "final.zip").stat().st_size
    return Cost(case, seed, size, run.record["seconds"], *parts)


def spread(values: list[float], form: str) -> str:
    """Median and range."""
    low, middle, high = (format(value, form) for value in (min(values), median(values), max(values)))
    return f"{middle} ({low} to {high})"


def row(costs: list[Cost]) -> list[str]:
    """A case in the table."""
    return [
        costs[0].case,
        f"{median(cost.bytes for cost in costs) / 2**20:.1f}",
        spread([1000 * one for cost in costs for one in cost.still_seconds], ".0f"),
        spread([1000 * one for cost in costs for one in cost.disk_seconds], ".0f"),
        spread([1000 * one for cost in costs for one in cost.processor_seconds], ".1f"),
        spread([cost.share for cost in costs], ".2%"),
    ]


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    load_before = os.getloadavg()[0]
    costs = []
    for seed in range(options.repeats):
        for case in CASES:
            costs.append(measure(case, seed, options))
            print(costs[-1], flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "checkpoints.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(costs[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, costs))
    head = ("run", "size (MiB)", "stands still (ms)", "thread (ms)", "of that work (ms)", "share")
    rows = [row([cost for cost in costs if cost.case == case]) for case in CASES]
    page = PAGE.format(
        rollouts=ROLLOUTS,
        origin=origin_list(origin(load_before)),
        last_seed=options.repeats - 1,
        repeats=options.repeats,
        ppo=options.in_a_run("ppo"),
        a2c=options.in_a_run("a2c"),
        table=table(head, rows, words=1),
    )
    (options.folder / "checkpoints.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
