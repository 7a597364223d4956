"""Three agents before a T-maze, in a few minutes on two cores.

A sign at the start of a corridor says which way to turn at its end. The agent without a memory has to guess there;
those with one remember. Started again, the demo trains what is missing and shows the table once more.
"""

import sys
from pathlib import Path

import tyro

from memagents.studies.comparison import CompareConfig, Study, compare
from memagents.studies.report import print_report

STUDY = CompareConfig(
    env=("memagents_envs:MemAgents/TMaze-v0",),
    env_kwargs={"corridor_length": 10},
    memory=("none", "lstm", "gru"),
    timesteps=100_000,
    seeds=3,
    jobs=2,
    log=("tensorboard", "wandb"),
    folder=Path("runs/demo"),
)


def main() -> int:
    study = compare(STUDY)
    print_report(study.runs)
    print_files(study)
    return 1 if study.failures else 0


def print_files(study: Study) -> None:
    print(f"\nreport       {study.folder / 'report.html'}")
    print(f"table        {study.folder / 'table.md'}")
    print(f"curves       {study.folder / 'curves.png'}")
    print(f"every run    {study.folder / 'runs.csv'}")
    print(f"TensorBoard  {study.folder}/*/*/tensorboard; look: tensorboard --logdir {study.folder}")
    offline = sorted(study.folder.glob("*/*/wandb/offline-run-*"))
    if offline:
        print(f"wandb        {study.folder}/*/*/wandb; look: wandb leet {offline[-1]}")
        print(f"             upload: wandb sync {study.folder}/*/*/wandb/offline-run-*")


if __name__ == "__main__":
    sys.exit(tyro.cli(main, description=__doc__))
