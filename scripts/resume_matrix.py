"""Does every memory end where it would have ended, when its run is killed three times?

    python scripts/resume_matrix.py

Every memory, with PPO and with A2C, in three environments: one of our own, one of POPGym, and CartPole with normalised
observations and rewards. Each is trained once without disturbance, and once in processes of which three get SIGKILL at
random moments, each after another checkpoint, before the run may go on to its end. Then parameters, optimizer, metrics,
evaluation and the statistics of normalisation must be equal, bit for bit.

Runs go to `runs/resume_matrix`; when the script is started again, those that are finished are not repeated, unless the
source has changed. `results/robustness` gets `resume.md` and `resume.csv`.
"""

import csv
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import tyro
from kills import fingerprint, launch, name, newest, start_record, wait_for
from pages import origin, origin_list

from memagents.memories.registry import list_memories, memory_options
from memagents.runs.config import Algorithm, TrainConfig
from memagents.runs.folder import RunFolder, describe
from memagents.runs.provenance import source_state
from memagents.runs.results import RunResult
from memagents.runs.training import train

KILLS, ATTEMPTS = 3, 12
source = cache(source_state)
ROLLOUT = 16
EVERY = 2 * ROLLOUT
CHECKPOINTS = 8
"""In a run, the last one included: two for each kill, and two to be left in peace."""

TASKS: dict[str, dict[str, Any]] = {
    "TMaze": {"env": "memagents_envs:MemAgents/TMaze-v0", "env_kwargs": {"corridor_length": 3}},
    "RepeatPrevious": {"env": "popgym:popgym-RepeatPreviousEasy-v0"},
    "CartPole": {"env": "CartPole-v1", "normalize": True},
}
SHARED = {"n_envs": 2, "timesteps": CHECKPOINTS * EVERY, "checkpoint_every": EVERY, "eval_episodes": 4, "threads": 1}
STEPS: dict[Algorithm, dict[str, int]] = {"ppo": {"n_steps": 8, "n_epochs": 2}, "a2c": {"n_steps": 8}}
SIZES = {
    "hidden_size": 8,
    "num_heads": 2,
    "window": 4,
    "kernel_size": 2,
    "chunk_size": 3,
    "num_chunks": 2,
    "memory_size": 6,
    "word_size": 4,
    "num_reads": 2,
    "num_frames": 3,
}
"""By the name of the option, for the memories that have it."""

WHAT = ("parameters", "optimizer", "metrics", "evaluation", "normalization")
"""What is compared; the last one where there is one."""

PAGE = """# Taken up three times

*Does every memory end where it would have ended, when its run is killed three times?*

{equal} of {cases} cases do: {memories} memories, {algos} algorithms, {tasks} environments (the T-maze, POPGym's
RepeatPreviousEasy, and CartPole with normalised observations and rewards). Each case was trained once without
disturbance, and once in processes of which three got SIGKILL at random moments ({kills} kills in all), each after
another checkpoint, from which the next process went on. "equal" means that the hashes of the parameters, of the
optimizer's state, of all rows of metrics (but for their clock times) and of every episode of the evaluation are those
of the undisturbed run; in normalised environments those of the statistics too.

{table}

- runs: {timesteps} steps in {n_envs} environments, rollouts of {rollout} steps, a checkpoint every {every} steps
- sizes of the memories, where they have them: {sizes}
{origin}
- seeds: 0 for training, 1,000,000 and on for evaluation, {seed} for the moments of the kills

[resume.csv](resume.csv) has all hashes, and from which steps each run was taken up.

What this does not show: kills in the middle of saving and other moments of a run, which [kill_test.py](README.md) looks
for; networks of useful size; GPUs; environments whose state cannot be written, which begin new episodes instead.
"""


@dataclass(frozen=True)
class Options:
    memories: tuple[str, ...] = tuple(list_memories())
    algos: tuple[Algorithm, ...] = tuple(STEPS)
    tasks: tuple[str, ...] = tuple(TASKS)
    seed: int = 0
    """Of the moments at which processes are killed."""
    runs: Path = Path("runs/resume_matrix")
    folder: Path = Path("results/robustness")


class Outcome(NamedTuple):
    """One case: from which steps the killed run was taken up, and the hashes of both runs."""

    task: str
    config: TrainConfig
    taken_up_at: list[int]
    undisturbed: dict[str, str]
    killed: dict[str, str]

    @property
    def equal(self) -> bool:
        return self.undisturbed == self.killed

    def row(self) -> dict[str, Any]:
        """A line of the table of all cases."""
        case = {"environment": self.config.env, "memory": self.config.memory, "algorithm": self.config.algo}
        case |= {"normalize": self.config.normalize, "taken_up_at": " ".join(map(str, self.taken_up_at))}
        pairs = {what: (self.undisturbed.get(what, ""), self.killed.get(what, "")) for what in WHAT}
        hashes = {
            f"{what}_{which}": pairs[what][i] for what in WHAT for i, which in enumerate(("undisturbed", "killed"))
        }
        return case | {"equal": self.equal} | hashes


def cases(options: Options) -> Iterator[tuple[str, TrainConfig]]:
    """The runs, with the names of their tasks."""
    for memory, algo, task in product(options.memories, options.algos, options.tasks):
        sizes = {option: size for option, size in SIZES.items() if option in memory_options(memory)}
        arguments: dict[str, Any] = {"memory_kwargs": sizes, "algo_kwargs": STEPS[algo]}
        yield task, TrainConfig(**TASKS[task], **SHARED, **arguments, memory=memory, algo=algo)


def compared(task: str, config: TrainConfig, options: Options) -> Outcome:
    """Trains a case both ways, as far as that was not done before."""
    folder = options.runs / name(config).replace(" ", "-")
    undisturbed, disturbed = (replace(config, folder=folder / which) for which in ("undisturbed", "killed"))
    whole = finished(undisturbed, kills=0) or train(undisturbed, bar=False)
    interval = whole.record["seconds"] / CHECKPOINTS
    generator = random.Random(f"{options.seed} {name(config)}")
    for attempt in range(ATTEMPTS):
        # A run that was over before its last kill may be faster now than the undisturbed one was: kill it sooner.
        soon = interval / 2**attempt
        if killed := finished(disturbed, KILLS) or kill_and_resume(disturbed, generator, soon):
            return Outcome(task, config, taken_up_at(killed.record), fingerprint(whole), fingerprint(killed))
    raise RuntimeError(f"{name(config)} was over {ATTEMPTS} times before it could be killed {KILLS} times")


def finished(config: TrainConfig, kills: int) -> RunResult | None:
    """The run, if it was finished by this source and taken up so many times on its way; else its folder is removed."""
    folder = RunFolder(config.run_folder)
    record = folder.record() or {}
    steps = [0, *taken_up_at(record), config.timesteps]
    on_its_way = len(steps) == kills + 2 and all(one < other for one, other in pairwise(steps))
    same = record.get("config") == describe(config) and {key: record[key] for key in source()} == source()
    if on_its_way and same and record["status"] == "finished":
        return RunResult.load(folder.path)
    shutil.rmtree(folder.path, ignore_errors=True)
    return None


def taken_up_at(record: dict[str, Any]) -> list[int]:
    """The steps of the checkpoints from which a run went on."""
    return [entry["at_step"] for entry in record.get("resumed", [])]


def kill_and_resume(config: TrainConfig, generator: random.Random, interval: float) -> RunResult | None:
    """A run that is killed again and again, and goes on to its end; None if it was over too soon for that.

    Args:
        config: of the run.
        generator: says when.
        interval: seconds between two checkpoints.
    """
    folder = RunFolder(config.run_folder)
    start_record(config)
    for kill in range(KILLS):
        wanted = EVERY * (2 * kill + generator.choice([1, 2]))
        before = max(newest(folder), f"step-{wanted - 1:09d}")
        process = launch(folder.path)
        wait_for(process, lambda name=before: newest(folder) > name)
        time.sleep(generator.uniform(0, interval))
        process.kill()
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0), f"the process ended with {process.exitcode}"
    train(config, bar=False)
    return finished(config, KILLS)


def main(arguments: Sequence[str] | None = None) -> int:
    options = tyro.cli(Options, args=arguments, description=__doc__)
    outcomes = []
    for number, (task, config) in enumerate(planned := list(cases(options)), start=1):
        outcomes.append(compared(task, config, options))
        found = "equal" if outcomes[-1].equal else "NOT EQUAL"
        print(f"[{number}/{len(planned)}] {name(config)}: {found}", flush=True)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_csv(outcomes, options.folder / "resume.csv")
    (options.folder / "resume.md").write_text(page(outcomes, options), encoding="utf-8")
    return 0 if all(outcome.equal for outcome in outcomes) else 1


def write_csv(outcomes: list[Outcome], path: Path) -> None:
    rows = [outcome.row() for outcome in outcomes]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def page(outcomes: list[Outcome], options: Options) -> str:
    return PAGE.format(
        equal=sum(outcome.equal for outcome in outcomes),
        cases=len(outcomes),
        memories=len(options.memories),
        algos=len(options.algos),
        tasks=len(options.tasks),
        kills=sum(len(outcome.taken_up_at) for outcome in outcomes),
        table=table(outcomes, options),
        timesteps=SHARED["timesteps"],
        n_envs=SHARED["n_envs"],
        rollout=ROLLOUT,
        every=EVERY,
        sizes=", ".join(f"{option} {size}" for option, size in SIZES.items()),
        origin=origin_list(origin()),
        seed=options.seed,
    )


def table(outcomes: list[Outcome], options: Options) -> str:
    """Whether each case came out equal: memories by environments and algorithms."""
    columns = list(product(options.tasks, options.algos))
    cells = {
        (outcome.config.memory, outcome.task, outcome.config.algo): "equal" if outcome.equal else "NO"
        for outcome in outcomes
    }
    header = ["memory", *(f"{task} {algo}" for task, algo in columns)]
    rows = [[memory, *(cells[memory, *column] for column in columns)] for memory in options.memories]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, [":--"] * len(header), *rows])


if __name__ == "__main__":
    sys.exit(main())
