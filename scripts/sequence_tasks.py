"""Is every memory what its name says? The tasks of the papers, and what they report, side by side.

Every experiment of `claims/experiments.py` is trained on several seeds. A finished seed is kept in
`results/sequence_tasks/seeds/<experiment>/seed<k>.json` and not repeated, so this can be interrupted and taken up
again, on another machine too. The report goes to `results/sequence_tasks/`; what has not been run yet is listed there
as such.
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from claims.experiments import EXPERIMENTS
from claims.marks import Experiment
from claims.report import write_report

from memagents.runs.folder import write_json
from memagents.runs.provenance import now, provenance
from memagents.sequence_tasks import Reader, TrainingSettings, train, vary_task
from memagents.sequence_tasks.readers import evaluate

FINAL_SEQUENCES = 10_000
"""Of an evaluation after training: enough that a guess at the adding problem is measured to within 1.2 %."""

FINAL_SEED = 2_000_000
"""Added to a seed, this is the seed of the sequences of the final evaluations."""


@dataclass(frozen=True)
class Options:
    """What is run."""

    only: tuple[str, ...] = ()
    """Names of experiments; all of them if none is given."""

    seeds: int | None = None
    """Of each experiment only so many, the first ones; by default all it is to have."""

    jobs: int = 1
    """Processes, each with one torch thread."""

    device: str = "cpu"
    """Where torch computes."""

    report_only: bool = False
    """Write the report of what is there, and run nothing."""

    runs: Path = Path("results/sequence_tasks/seeds")
    """Where finished seeds are kept."""

    folder: Path = Path("results/sequence_tasks")
    """Where the report goes."""


@dataclass(frozen=True)
class Job:
    """One seed of one experiment."""

    experiment: Experiment
    seed: int
    runs: Path
    device: str = "cpu"

    @property
    def file(self) -> Path:
        return self.runs / self.experiment.name / f"seed{self.seed}.json"

    def result(self) -> dict[str, Any] | None:
        """What was kept of it; None if it is not finished.

        Raises:
            ValueError: if the experiment is defined otherwise now.
        """
        if not self.file.exists():
            return None
        kept: dict[str, Any] = json.loads(self.file.read_text(encoding="utf-8"))
        wanted = json.loads(json.dumps(self.experiment.definition()))
        had = kept["definition"]
        had["settings"] = asdict(TrainingSettings()) | had["settings"]  # one that came later was at its default
        changes = [part for part in wanted if had.get(part) != wanted[part]]
        if changes:
            raise ValueError(
                f"{self.file} is of {self.experiment.name!r} with other {', '.join(changes)}; delete it to run it anew"
            )
        return kept


def run(job: Job) -> str:
    """Trains and tests a reader, and keeps what came of it; says how it went."""
    torch.set_num_threads(1)
    experiment, started = job.experiment, now()
    task = experiment.make_task()
    torch.manual_seed(job.seed)
    reader = Reader(task, experiment.memory, experiment.memory_options, experiment.embedding_size).to(job.device)
    training = train(reader, task, experiment.settings, job.seed)
    tests = {"": task, **{name: vary_task(task, **options) for name, options in experiment.tests.items()}}
    fresh = torch.Generator().manual_seed(job.seed + FINAL_SEED)
    scores = {name: evaluate(reader, test, FINAL_SEQUENCES, fresh)._asdict() for name, test in tests.items()}
    last = training.curve[-1]
    result = {
        "definition": experiment.definition(),
        "seed": job.seed,
        "parameters": sum(weight.numel() for weight in reader.parameters()),
        "ending": training.ending,
        "steps": last.step,
        "sequences": last.sequences,
        "minutes": last.minutes,
        "device": job.device,
        "scores": scores,
        "curve": [asdict(point) for point in training.curve],
        "started": started,
        **provenance(),
    }
    job.file.parent.mkdir(parents=True, exist_ok=True)
    write_json(job.file, result)
    found = ", ".join(f"{name or 'task'} {score['loss']:.4g}/{score['error']:.4g}" for name, score in scores.items())
    return f"{training.ending} after {last.sequences:,} sequences, {last.minutes:.1f} min; loss/error: {found}"


def choose(options: Options) -> list[Job]:
    """The seeds of the experiments that are asked for: the first of each, then the second of each, and so on.

    Raises:
        ValueError: for an experiment that does not exist, or jobs or seeds below 1.
    """
    for option, number in {"jobs": options.jobs, "seeds": options.seeds}.items():
        if number is not None and number < 1:
            raise ValueError(f"{option} must be at least 1, got {number}")
    for name in options.only:
        if name not in EXPERIMENTS:
            raise ValueError(f"unknown experiment {name!r}; there are {', '.join(EXPERIMENTS)}")
    chosen = [EXPERIMENTS[name] for name in options.only or EXPERIMENTS]
    most = max(experiment.seeds for experiment in chosen)
    rounds = range(min(most, options.seeds or most))
    return [
        Job(experiment, seed, options.runs, options.device)
        for seed in rounds
        for experiment in chosen
        if seed < experiment.seeds
    ]


def run_all(jobs: list[Job], processes: int) -> int:
    """Runs jobs and says how each went; one that fails does not stop the others. The number of failures."""
    failures = 0
    # A forked copy of a process in which torch has computed can hang; a fresh interpreter cannot.
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        for number, future in enumerate(as_completed(futures), start=1):
            job, error = futures[future], future.exception()
            failures += error is not None
            said = future.result() if error is None else f"failed, {type(error).__name__}: {error}"
            print(f"[{number}/{len(jobs)}] {job.experiment.name} seed {job.seed}: {said}", file=sys.stderr, flush=True)
    return failures


def finished(runs: Path) -> dict[str, list[dict[str, Any]]]:
    """What was kept of every experiment."""
    jobs = {each.name: [Job(each, seed, runs) for seed in range(each.seeds)] for each in EXPERIMENTS.values()}
    return {name: [kept for job in seeds if (kept := job.result()) is not None] for name, seeds in jobs.items()}


def main(arguments: list[str] | None = None) -> int:
    options = tyro.cli(Options, description=__doc__, args=arguments)
    jobs = [] if options.report_only else choose(options)
    unfinished = [job for job in jobs if job.result() is None]
    print(f"{len(jobs) - len(unfinished)} of {len(jobs)} seeds are finished already", file=sys.stderr)
    failures = run_all(unfinished, options.jobs)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_report(finished(options.runs), options.folder)
    print(f"the report is in {options.folder}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
