"""What a study is asked to do; as for `memagents.runs.config`, its texts are the help of the command line."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import tyro

from memagents.runs.config import Algorithm, Arguments, Settings

AXES = ("env", "memory", "algo")
"""What a grid is made of, besides seeds."""


Own: TypeAlias = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What is compared with what."""

    env: tuple[str, ...]
    """Gymnasium ids, as `module:Namespace/Name-v0`. Arguments may follow in the same word:
    `"module:Namespace/Name-v0 corridor_length=30"`."""

    memory: tuple[str, ...] = ("none", "lstm", "gru")
    """Names of memories, which arguments may follow in the same word: `"lstm hidden_size=64"`; `memagents list` prints
    them all."""

    algo: tuple[Algorithm, ...] = ("ppo",)
    """Algorithms."""

    seeds: int = 5
    """Runs of each combination, with seeds 0, 1, 2 and so on; intervals need at least 3."""

    controls: bool = True
    """Add agents without memory to every environment: one that sees what the others see and, where the environment can
    show its hidden state, one that sees that too."""

    own: Annotated[Own, tyro.conf.Suppress] = field(default_factory=dict)
    """Settings that an environment, a memory or an algorithm has of its own, for study files: by axis, entry and name,
    as `{"memory": {"gtrxl": {"algo_kwargs": {"learning_rate": 1e-4}}}}`. All else is the same for all."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where runs take place, and how many at a time: nothing that changes their results."""

    jobs: int = 1
    """Runs at a time on this machine; more than one share the cores evenly, each in a process of its own. A cluster
    decides for itself."""

    backend: Literal["local", "ray", "slurm"] = "local"
    """Processes of this machine, tasks of a Ray cluster, or Slurm jobs; all machines of a cluster must share the study
    folder. Runs of clusters compute with one thread each, or with `threads`."""

    ray_address: str | None = None
    """A running Ray cluster: `auto` for the one on this machine, or `host:port`. By default Ray is started here, for
    the study alone, with `jobs` runs at a time."""

    slurm: Arguments = field(default_factory=dict)
    """Parameters of the Slurm jobs, as submitit names them, such as partition=long timeout_min=600 mem_gb=8
    array_parallelism=20."""


# The bases stand in this order so that the flags of `Grid` lead the help.
@dataclass(frozen=True, kw_only=True)
class CompareConfig(Settings, Execution, Grid):
    """A study: one run for each combination of environment, memory, algorithm and seed."""

    folder: Path = Path("runs/comparison")
    """Study folder: a run folder for each run, report.html, table.md, runs.csv, curves.png and curves.svg."""
