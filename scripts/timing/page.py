"""What `throughput.py` writes: every round, a summary, and the page that shows it."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any

from pages import origin_list, table
from timing.programs import Measurement, Measurements, Program, ThroughputConfig
from timing.ratios import Ratio, Speed, Speeds, Spread, make_ratios, make_speeds, step_calls


@dataclass(frozen=True)
class Study:
    """All that the files are written from."""

    config: ThroughputConfig
    programs: Sequence[Program]
    measurements: Measurements
    origin: dict[str, Any]

    @property
    def speeds(self) -> Speeds:
        return make_speeds(self.measurements)

    @property
    def ratios(self) -> list[Ratio]:
        return make_ratios(self.programs, self.speeds)


def write_csv(study: Study, path: Path) -> None:
    """Every round of every program."""
    names = [column.name for column in fields(Measurement)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "steps_per_second", "samples_per_second", "counted"])
        for done in study.measurements:
            speeds = round(done.steps_per_second, 1), round(done.samples_per_second, 1)
            writer.writerow([*asdict(done).values(), *speeds, done.round > 0])


def write_json(study: Study, path: Path) -> None:
    """What was asked, where, and what came out."""
    summary = {
        "config": asdict(study.config) | {"folder": str(study.config.folder)},
        **study.origin,
        "programs": {program.name: program.call for program in study.programs},
        "speeds": [
            {
                "program": speed.program,
                "env": speed.env,
                "steps_per_second": Spread.of(speed.steps)._asdict(),
                "samples_per_second": Spread.of(speed.samples)._asdict(),
            }
            for speed in every(study.speeds)
        ],
        "ratios": [
            asdict(ratio) | {"steps": ratio.steps._asdict(), "samples": ratio.samples._asdict()}
            for ratio in study.ratios
        ],
        "memory_step_calls_in_updates": step_calls(study.measurements),
    }
    path.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def every(speeds: Speeds) -> Iterator[Speed]:
    """Programs one after the other, in all their environments."""
    for by_env in speeds.values():
        yield from by_env.values()


def speed_table(speeds: Speeds) -> str:
    """Medians and ranges of every program in every environment."""
    header = ["program", "environment", "end to end, steps/s", "update phase, samples/s", "of the time in updates"]
    rows = [
        [
            speed.program,
            speed.env,
            Spread.of(speed.steps).show(),
            Spread.of(speed.samples).show(),
            f"{median(done.train_seconds / done.learn_seconds for done in speed.rounds):.0%}",
        ]
        for speed in every(speeds)
    ]
    return table(header, rows, words=2)


def ratio_table(ratios: Sequence[Ratio]) -> str:
    """One line for each of ours, peer and pairing."""
    header = ["pairing", "ours", "in", "peer", "in", "end to end", "update phase"]
    rows = [
        [
            ratio.pairing,
            ratio.ours,
            ratio.ours_env,
            ratio.peer,
            ratio.peer_env,
            ratio.steps.show(2),
            ratio.samples.show(2),
        ]
        for ratio in ratios
    ]
    return table(header, rows, words=5)


def work_list(config: ThroughputConfig) -> str:
    """What every program does in a round, as a list."""
    lines = {
        "task": f"RepeatPrevious with k={config.k}, num_decks={config.num_decks}",
        "rollout": f"{config.n_envs} environments x {config.n_steps} steps",
        "update": f"{config.n_epochs} epochs over minibatches of {config.batch_size} steps, on {config.device}",
        "round": f"{config.rollouts} rollouts, each with its update",
        "rounds": f"{config.repeats}, after one to warm up that does not count",
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def program_list(programs: Sequence[Program]) -> str:
    """How every program was called."""
    return "\n".join(f"- **{program.name}**, {program.note}:\n  `{program.call}`" for program in programs)


README = """\
# Throughput

How fast does an agent with a memory train, compared with sb3-contrib's RecurrentPPO and with SB3's PPO, which does not
remember? `scripts/throughput.py` wrote this page, `measurements.csv` (every round) and `summary.json`.

{origin}

## The work

{work}

All programs run in one process and take turns, round by round. Arguments that are not listed are SB3's defaults, the
same in all programs. MemoryPPO takes the same steps with kernels of its own, which `tests/agents/test_updates.py` holds
beside those of SB3.

{programs}

Environments: `popgym` is POPGym's RepeatPrevious in SB3's `DummyVecEnv` with its `Monitor`, as RecurrentPPO's users
run it. `batched` is `memagents_envs:MemAgents/RepeatPrevious-v0`, the same rules natively batched in NumPy; it is an
SB3 `VecEnv`, which SB3's and sb3-contrib's algorithms take as well.

## Speeds

Median over the rounds, and the range. End to end is environment steps for each second of `learn`. The update phase is
the time inside `train` alone, in samples: environment steps times epochs.

{speeds}

## Ratios

How many times as fast ours is: the ratio of each round, then the median over the rounds, and the range.

{ratios}

## No loop over time

Calls of `Memory.step`, the one step from which a loop over time is made, in all updates: {calls}.

## What this does not show

- How well anything learns: no return is looked at.
- Another machine, a GPU, other sizes, longer episodes, or observations that take an encoder.
- Equal gradients: RecurrentPPO's critic does not train its LSTM, MemoryPPO's does. RecurrentPPO cuts sequences at the
  edges of minibatches, MemoryPPO at those of the rollout (or at `sequence_length`).
- A busy machine: the ratios of a round hold as long as nothing else runs; threads that wait for each other do so the
  longer, the more others want the processor.
- What a slow environment leaves of it: RepeatPrevious costs next to nothing. Where the environment takes most of the
  time, all programs are equally fast.
"""


def write_readme(study: Study, path: Path) -> None:
    """The page a person reads."""
    calls = ", ".join(f"{name} {count}" for name, count in step_calls(study.measurements).items())
    text = README.format(
        origin=origin_list(study.origin),
        work=work_list(study.config),
        programs=program_list(study.programs),
        speeds=speed_table(study.speeds),
        ratios=ratio_table(study.ratios),
        calls=calls,
    )
    path.write_text(text, encoding="utf-8")
