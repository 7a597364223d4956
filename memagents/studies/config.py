"""What a study is asked to do; as for `memagents.runs.config`, its texts are the help of the command line."""

from dataclasses import dataclass
from pathlib import Path

from memagents.runs.config import Algorithm, Settings


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is compared with what."""

    env: tuple[str, ...]
    """Gymnasium ids, as `module:Namespace/Name-v0`."""

    memory: tuple[str, ...] = ("none", "lstm", "gru")
    """Names of memories; `memagents list` prints them all."""

    algo: tuple[Algorithm, ...] = ("ppo",)
    """Algorithms."""

    seeds: int = 5
    """Runs of each combination, with seeds 0, 1, 2 and so on; intervals need at least 3."""


# The bases stand in this order so that the flags of `Grid` lead the help.
@dataclass(frozen=True, kw_only=True)
class CompareConfig(Settings, Grid):
    """A study: one run for each combination of environment, memory, algorithm and seed."""

    folder: Path = Path("runs/comparison")
    """Study folder: a run folder for each run, report.html, table.md, runs.csv, curves.png and curves.svg."""

    jobs: int = 1
    """Runs at a time; more than one share the cores evenly, each in a process of its own."""
