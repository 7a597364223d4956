"""Does an encoder that has no memory stay at chance in the T-maze, however well it sees?

PPO with `memory="none"` and every encoder, three seeds; those for images see the maze's three bits as an image. Beside
them, the same encoder in front of an LSTM, which must solve the maze: it sees well enough. Runs stand in
`results/encoders`, where they can be interrupted and taken up again; the page is of all that are finished.
"""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from memagents.encoders.registry import encoder_class, list_encoders
from memagents.runs.config import TrainConfig
from memagents.runs.results import RunResult
from memagents.studies.backends import local
from memagents.studies.comparison import is_finished, train_cells
from memagents.studies.origins import distinct, origins
from memagents.studies.report import csv_line
from memagents.studies.statistics import mean_interval

FOLDER = Path("results/encoders")
IMAGES = ("cnn", "neocognitron")
SIZES = {"neocognitron": {"num_planes": 8}}
"""Smaller than by default, with which a run takes several times as long."""

MEMORIES = ("none", "lstm")
SEEDS = range(3)

README = """# Encoders without memory

*Does an encoder that has no memory stay at chance in the T-maze (corridor 10), however well it sees?*

{table}

Success rate of the last model over {episodes} episodes; mean over seeds with the 95 % percentile-bootstrap interval of
the mean. Chance is 0.5: at the junction both signs look the same. `cnn` and `neocognitron` see the bits as an image.
PPO with the defaults of the package, and the neocognitron with 8 planes; [runs.csv](runs.csv) has every run. Made by
`python scripts/encoders.py`.

What this does not show: how good an encoder is where seeing is hard.

{origin}
"""


@dataclass(frozen=True)
class Options:
    """What is run."""

    encoders: tuple[str, ...] = tuple(list_encoders())
    """Names of encoders."""

    jobs: int = 2
    """Processes, each with one thread."""

    def __post_init__(self) -> None:
        for encoder in self.encoders:
            encoder_class(encoder)  # raises ValueError, with the names there are, for one that does not exist


def cells() -> list[TrainConfig]:
    """The runs, seeds of a combination next to each other."""
    return [
        TrainConfig(
            env="memagents_envs:MemAgents/TMaze-v0",
            env_kwargs={"corridor_length": 10, "pixels": encoder in IMAGES},
            encoder=encoder,
            encoder_kwargs=SIZES.get(encoder, {}),
            memory=memory,
            seed=seed,
            n_envs=32,
            timesteps=120_000,
            threads=1,
            folder=FOLDER / f"{encoder}-{memory}-seed{seed}",
        )
        for encoder in list_encoders()
        for memory in MEMORIES
        for seed in SEEDS
    ]


def table(runs: Sequence[RunResult]) -> str:
    """One row for each encoder."""
    lines = ["| encoder | " + " | ".join(f"memory {memory}" for memory in MEMORIES) + " |"]
    lines.append("|:--|" + "--:|" * len(MEMORIES))
    for encoder in list_encoders():
        scores = [
            [run.score for run in runs if run.config.encoder == encoder and run.config.memory == m] for m in MEMORIES
        ]
        lines.append(f"| {encoder} | " + " | ".join(map(show, scores)) + " |")
    return "\n".join(lines)


def show(scores: Sequence[float]) -> str:
    """Mean, interval and every seed."""
    if not scores:
        return "not run"
    interval = mean_interval(np.array(scores))
    bounds = "fewer than 3 seeds" if interval is None else f"{interval[0]:.2f}, {interval[1]:.2f}"
    return f"{np.mean(scores):.2f} [{bounds}] ({' '.join(f'{score:.2f}' for score in scores)})"


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    planned = [cell for cell in cells() if cell.encoder in options.encoders or is_finished(cell)]
    study = train_cells(planned, FOLDER, local(options.jobs))
    episodes = " or ".join(distinct(len(run.evaluation.returns) for run in study.runs))
    origin = "\n".join(f"- {name}: {', '.join(values)}" for name, values in origins(study.runs).items())
    page = README.format(table=table(study.runs), episodes=episodes, origin=origin)
    (FOLDER / "README.md").write_text(page, encoding="utf-8")
    lines = [{"encoder": run.config.encoder, **csv_line(run, FOLDER)} for run in study.runs]
    with (FOLDER / "runs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    print(table(study.runs))
    return 1 if study.failures else 0


if __name__ == "__main__":
    sys.exit(main())
