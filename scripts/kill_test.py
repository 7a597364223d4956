"""Does a run lose anything when its process is killed again and again?

    python scripts/kill_test.py --kills 20

Every case is trained once without disturbance, and once with SIGKILL at random moments: at any time, or the moment a
checkpoint is being written. After every kill there must be a checkpoint that loads, not more than one interval old. At
the end the parameters, the optimizer, the metrics and the evaluation must equal those of the undisturbed run. Runs go
to `runs/robustness`, the report to `results/robustness`.
"""

import csv
import json
import random
import shutil
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import tyro
from kills import fingerprint, launch, name, newest, start_record, wait_for
from pages import origin, origin_list

from memagents.runs.checkpoints import newest_checkpoint
from memagents.runs.config import TrainConfig
from memagents.runs.folder import RunFolder
from memagents.runs.models import ALGORITHMS
from memagents.runs.results import RunResult
from memagents.runs.training import train

ROLLOUT, EVERY = 64, 192
T_MAZE = {"env": "memagents_envs:MemAgents/TMaze-v0", "env_kwargs": {"corridor_length": 5}}
# As long as every rollout leaves a row of metrics, which shows how far a killed process was.
ROLLOUTS = 280
SHARED = {"n_envs": 4, "timesteps": ROLLOUTS * ROLLOUT, "eval_episodes": 10, "threads": 1, "checkpoint_every": EVERY}
SIZES = {"memory_kwargs": {"hidden_size": 16}}
CASES = (
    TrainConfig(**T_MAZE, **SHARED, **SIZES, memory="gru", algo_kwargs={"n_steps": 16, "n_epochs": 4}),
    TrainConfig(**T_MAZE, **SHARED, **SIZES, memory="lstm", algo="a2c", algo_kwargs={"n_steps": 16}),
    TrainConfig(
        env="popgym:popgym-RepeatPreviousEasy-v0",
        **SHARED,
        **SIZES,
        memory="rnn",
        algo_kwargs={"n_steps": 16, "n_epochs": 4},
    ),
)


PAGE = """# Robustness

*Does a run lose anything when its process is killed again and again?*

{kills} times SIGKILL, {saving} of them the moment a checkpoint was being written, the others at any time; {before}
before the first checkpoint, {after} after it. After each of these the newest checkpoint could be
loaded. At most {lost} steps were lost, with a checkpoint every {every} steps and rollouts of {rollout}.

| case | kills | parameters, undisturbed | parameters, killed | these, optimizer, metrics and evaluation equal |
|:--|--:|:--|:--|:--|
{rows}

{origin}
- seeds: 0 for training, 1,000,000 and on for evaluation

`kills.csv` has every kill, `summary.json` the configurations and all hashes. Beside this page:

- [resume.md](resume.md): every memory, with both algorithms in three environments, killed three times
- [fuzz.md](fuzz.md): damaged files and configurations, and what they are answered with
- [disk_full.md](disk_full.md): what becomes of a run when the disk is full
- [memory.md](memory.md): resident memory over an hour of training
- [checkpoints.md](checkpoints.md) and [boundaries.md](boundaries.md): what all this costs

What this does not show: power cuts, which lose what the system has not written yet; network file systems; GPUs;
environments whose state cannot be written as plain values, which begin new episodes instead.
"""


@dataclass(frozen=True)
class Options:
    kills: int = 20
    """For each case."""
    seed: int = 0
    """Of the moments at which processes are killed."""
    seconds: float = 0.4
    """The longest time from a process's first checkpoint, or from its start, until it is killed."""


@dataclass(frozen=True)
class Kill:
    """What a kill left behind. `lost` is how many steps are in the metrics that the checkpoint has not seen."""

    case: str
    moment: str
    checkpoint: int
    lost: int
    damaged: int


def disturbed(config: TrainConfig, options: Options, generator: random.Random) -> tuple[RunResult, list[Kill]]:
    """A run whose process is killed again and again, and what was left each time."""
    folder, kills = RunFolder(config.run_folder), []
    start_record(config)
    while len(kills) < options.kills and (folder.record() or {})["status"] != "finished":
        moment = generator.choice(["any", "saving"])
        process = launch(folder.path)
        wait_for(process, lambda pid=process.pid: holds_lock(folder, pid))
        if generator.random() < 0.8:  # the others may be killed before they have saved anything of their own
            begun_from = newest(folder)
            wait_for(process, lambda name=begun_from: newest(folder) != name)
        time.sleep(generator.uniform(0, options.seconds))
        if moment == "saving":
            wait_for(process, lambda: any(folder.checkpoints.glob(".*.partial")))
        process.kill()
        process.join()
        if process.exitcode == 0:
            break
        kills.append(left_behind(config, folder, moment, kills[-1].checkpoint if kills else 0))
        print(kills[-1], flush=True)
    return train(config), kills


def holds_lock(folder: RunFolder, pid: int) -> bool:
    lock = folder.path / "run.lock"
    try:
        return bool(json.loads(lock.read_text())["pid"] == pid)
    except (OSError, ValueError):
        return False


def left_behind(config: TrainConfig, folder: RunFolder, moment: str, before: int) -> Kill:
    """Checks what must hold after every kill."""
    lines = folder.metrics_file.read_text().splitlines() if folder.metrics_file.exists() else []
    seen = json.loads(lines[-1])["timesteps"] if lines else 0
    found = newest_checkpoint(folder)
    steps = found.steps if found else 0
    if found:
        ALGORITHMS[config.algo].load(found.path)
    names = sorted(folder.checkpoints.glob("*.zip"))
    damaged = sum(path.name > found.path.name for path in names) if found else len(names)
    assert steps >= before, f"the checkpoint at {before} steps is lost"
    # A row of metrics is written at the end of a rollout, a checkpoint after the update that follows.
    assert seen - steps <= EVERY + ROLLOUT, f"{seen - steps} steps are lost"
    return Kill(name(config), moment, steps, seen - steps, damaged)


def main() -> int:
    options, generator = tyro.cli(Options), random.Random(0)
    generator.seed(options.seed)
    runs, results = Path("runs/robustness"), Path("results/robustness")
    shutil.rmtree(runs, ignore_errors=True)
    outcomes, kills = [], []
    for number, case in enumerate(CASES):
        whole = train(replace(case, folder=runs / f"{number}-whole"), bar=False)
        result, killed = disturbed(replace(case, folder=runs / f"{number}-killed"), options, generator)
        one, other = fingerprint(whole), fingerprint(result)
        outcomes.append(
            {"case": name(case), "kills": len(killed), "undisturbed": one, "killed": other, "equal": one == other}
        )
        kills += killed
        print(outcomes[-1], flush=True)
        write_report(results, options, outcomes, kills)
    return 0 if all(outcome["equal"] for outcome in outcomes) else 1


def write_report(folder: Path, options: Options, outcomes: list[dict], kills: list[Kill]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    configs = [asdict(case) for case in CASES]
    summary = {"options": asdict(options), "configs": configs, "outcomes": outcomes, **origin()}
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, default=str) + "\n", encoding="utf-8")
    with (folder / "kills.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(kills[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, kills))
    (folder / "README.md").write_text(page(outcomes, kills), encoding="utf-8")


def page(outcomes: list[dict], kills: list[Kill]) -> str:
    rows = [
        f"| {outcome['case']} | {outcome['kills']} | {outcome['undisturbed']['parameters']} | "
        f"{outcome['killed']['parameters']} | {'yes' if outcome['equal'] else 'NO'} |"
        for outcome in outcomes
    ]
    saving = sum(kill.moment == "saving" for kill in kills)
    text = PAGE.format(
        kills=len(kills),
        saving=saving,
        before=sum(kill.checkpoint == 0 for kill in kills),
        after=sum(kill.checkpoint > 0 for kill in kills),
        lost=max(kill.lost for kill in kills),
        every=EVERY,
        rollout=ROLLOUT,
        rows="\n".join(rows),
        origin=origin_list(origin()),
    )
    return text


if __name__ == "__main__":
    sys.exit(main())
