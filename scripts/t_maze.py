"""Do agents with a memory turn the right way at the end of a corridor, and agents without one not?

PPO and A2C with their defaults, every memory, three seeds. Runs go to `runs/t_maze`, where they can be interrupted and
taken up again; the report goes to `results/t_maze`.
"""

import sys
from pathlib import Path

import tyro

from memagents.studies.comparison import CompareConfig, compare
from memagents.studies.report import print_report, write_report

STUDY = CompareConfig(
    env=("memagents_envs:MemAgents/TMaze-v0",),
    env_kwargs={"corridor_length": 10},
    memory=("none", "rnn", "lstm", "gru"),
    algo=("ppo", "a2c"),
    timesteps=150_000,
    seeds=3,
    jobs=2,
    folder=Path("runs/t_maze"),
)
RESULTS = Path("results/t_maze")

README = """# T-maze

*Do agents with a memory turn the right way at the end of a corridor of 10 steps, and agents without one not?*

[table.md](table.md) has the answer with its origin, [runs.csv](runs.csv) every run, `curves.png` how they learned.
Made by `python scripts/t_maze.py`, with the defaults of the package and nothing tuned for this task.

What this does not show: which memory is better. The task is easy, the budget is one at which nearly every run learns it
that can, three seeds are few, and hidden sizes are equal, not parameters. Nothing is said about longer delays or other
tasks.
"""


def main() -> int:
    study = compare(STUDY)
    print_report(study.runs)
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_report(study.runs, RESULTS)
    (RESULTS / "README.md").write_text(README, encoding="utf-8")
    print(f"the report is in {RESULTS}")
    return 1 if study.failures else 0


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
