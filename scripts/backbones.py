"""Does every memory learn to remember by reward, with about as many parameters as the others?

PPO on two tasks and A2C on one, every memory, three seeds; beside them controls that remember nothing, which must stay
at chance. The hidden size of each memory is chosen so that the whole agent has within 10 % the parameters of the agent
with an LSTM of 128; where there is none, the layers of actor and critic are made wider. All else is the package's
default, but for PPO on RepeatPrevious: gamma 0.9 and lambda 0.8 (not 0.99 and 0.95), for every answer is rewarded at
once, and a learning rate that falls from 1e-3 to zero (not 3e-4). Held at 1e-3, memories that had solved the task lost
it again in a single update, an LSTM after 240,000 steps.

Runs stand in `results/backbones`, one study for each task, where they can be interrupted and taken up again.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from memagents.memories.registry import list_memories
from memagents.runs.config import TrainConfig, cell_folder
from memagents.runs.models import build_env
from memagents.runs.results import RunResult
from memagents.runs.sizes import TOLERANCE, parameters, with_size
from memagents.studies.backends import local
from memagents.studies.comparison import is_finished, train_cells
from memagents.studies.curves import draw_small_multiples
from memagents.studies.report import print_report
from memagents.studies.statistics import mean_interval

FOLDER = Path("results/backbones")


@dataclass(frozen=True)
class Task:
    """One environment with one algorithm."""

    name: str
    config: TrainConfig
    wanted: float
    """What every memory must reach."""

    learning_rates: Mapping[str, float] = field(default_factory=dict)
    """Of the memories that fell short with that of the others."""

    budgets: Mapping[str, int] = field(default_factory=dict)
    """Steps of those that need more of them than the others do."""

    def of(self, memory: str) -> TrainConfig:
        """Of one memory."""
        config = replace(self.config, memory=memory, timesteps=self.budgets.get(memory, self.config.timesteps))
        if memory not in self.learning_rates:
            return config
        return replace(config, algo_kwargs={**config.algo_kwargs, "learning_rate": self.learning_rates[memory]})

    @property
    def tuned(self) -> list[str]:
        """What is not the same for all memories."""
        rates = [f"{memory} with a learning rate of {rate:g}" for memory, rate in self.learning_rates.items()]
        return rates + [f"{memory} for {steps:,} steps" for memory, steps in self.budgets.items()]


TASKS = (
    Task(
        "t_maze_ppo",
        TrainConfig(
            env="memagents_envs:MemAgents/TMaze-v0",
            env_kwargs={"corridor_length": 10},
            n_envs=32,
            timesteps=120_000,
            threads=1,
        ),
        wanted=0.9,
    ),
    Task(
        "repeat_previous_ppo",
        TrainConfig(
            env="memagents_envs:MemAgents/RepeatPrevious-v0",
            env_kwargs={"k": 4},
            algo_kwargs={"learning_rate": 1e-3, "gae_lambda": 0.8, "gamma": 0.9},
            lr_schedule="linear",
            n_envs=32,
            timesteps=300_000,
            threads=1,
        ),
        wanted=0.9,
        learning_rates={"memn2n": 3e-3, "han": 3e-3},
        budgets={"han": 1_000_000, "memn2n": 600_000, "ntm": 600_000},
    ),
    Task(
        "t_maze_a2c",
        TrainConfig(
            env="memagents_envs:MemAgents/TMaze-v0",
            env_kwargs={"corridor_length": 10},
            algo="a2c",
            n_envs=32,
            timesteps=400_000,
            threads=1,
        ),
        wanted=0.9,
    ),
)


@dataclass(frozen=True)
class Options:
    """What is trained; the report covers these."""

    memories: tuple[str, ...] = tuple(list_memories())
    """Names of memories."""

    tasks: tuple[str, ...] = tuple(task.name for task in TASKS)
    """Names of tasks."""

    seeds: int = 3
    """Runs of each memory on each task."""

    jobs: int = 2
    """Runs at a time."""

    report_only: bool = False
    """Write the report of the runs that are finished, and train nothing."""


def cells(task: Task, options: Options) -> list[TrainConfig]:
    """The runs of one task."""
    with closing(build_env(task.config, n_envs=1, seed=0)) as env:
        budget = parameters(with_size(replace(task.config, memory="lstm"), 128), env)
    runs = [
        replace(task.of(memory), match_parameters=budget, seed=seed)
        for seed in range(options.seeds)  # first seeds first, for a study that is cut off tells something then
        for memory in options.memories
    ]
    return [replace(run, folder=FOLDER / task.name / cell_folder(run)) for run in runs]


README = """# Backbones

*Does every memory learn to remember by reward, with about as many parameters as the others?*

{table}

Success rate in the T-maze (corridor 10), return on RepeatPrevious (k = 4), of the last model over 100 episodes: mean
over seeds, the 95 % percentile-bootstrap interval of the mean where there are three, and every seed. In bold what
reaches the mark, {wanted}, on every seed. `none` and `frame_stack` are controls: chance is 0.5 in the T-maze, and about
-0.49 on RepeatPrevious; `frame_stack` sees four frames, which is enough for RepeatPrevious and not for the T-maze.

The number of parameters of every agent is within {tolerance:.0%} of that of the one with an LSTM of 128. All settings
are the package's defaults, but for those that `scripts/backbones.py` names, which are the same for all memories, with
these exceptions: {tuned}. The folders hold tables with steps/s and origin, learning curves and every run: {folders}.

What this does not show: which memory is better. The tasks are easy, the budgets are those at which most have learned,
and a few seeds are few. Steps/s were measured while other programs ran, for which some runs were halted too.
"""


def overview(runs: dict[str, list[RunResult]], memories: Sequence[str]) -> str:
    """One row for each memory, one column for each task."""
    lines = ["| memory | " + " | ".join(runs) + " |", "|:--|" + ":--|" * len(runs)]
    wanted = {task.name: task.wanted for task in TASKS}
    for memory in memories:
        cells = [
            summary([run.score for run in finished if run.config.memory == memory], wanted[name])
            for name, finished in runs.items()
        ]
        lines.append(f"| {memory} | {' | '.join(cells)} |")
    return "\n".join(lines)


def summary(scores: Sequence[float], wanted: float) -> str:
    """Mean, interval and every seed; bold if every seed reaches the mark."""
    if not scores:
        return "not run"
    interval = mean_interval(np.array(scores))
    bounds = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    mean, every = f"{np.mean(scores):.2f}", " ".join(f"{score:.2f}" for score in scores)
    return f"{f'**{mean}**' if min(scores) >= wanted else mean}{bounds} ({every})"


def report(runs: dict[str, list[RunResult]], memories: Sequence[str]) -> None:
    """Writes the page, and the curves of each task."""
    for name, finished in runs.items():
        if finished:
            draw_small_multiples(finished, FOLDER / name / "curves.png")
    links = ", ".join(f"[{name}]({name}/table.md)" for name, finished in runs.items() if finished)
    tuned = "; ".join(f"on {task.name}, {', '.join(task.tuned)}" for task in TASKS if task.tuned)
    table = overview(runs, memories)
    page = README.format(table=table, wanted=TASKS[0].wanted, tolerance=TOLERANCE, tuned=tuned, folders=links)
    (FOLDER / "README.md").write_text(page, encoding="utf-8")


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    runs: dict[str, list[RunResult]] = {task.name: [] for task in TASKS}
    failed = False
    for task in TASKS:
        if task.name not in options.tasks:
            continue
        planned = cells(task, options)
        if options.report_only:
            planned = [cell for cell in planned if is_finished(cell)]
        study = train_cells(planned, FOLDER / task.name, local(options.jobs))
        runs[task.name] = study.runs
        if study.runs:
            print_report(study.runs)
        failed |= bool(study.failures)
    FOLDER.mkdir(parents=True, exist_ok=True)
    report(runs, options.memories)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
