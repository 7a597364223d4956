"""How fast does an agent with a memory train? MemoryPPO beside sb3-contrib's RecurrentPPO and SB3's feed-forward PPO.

    python scripts/throughput.py --memories lstm gru rnn --repeats 9

The programs run in one process and take turns, round by round, so that a machine that is busy for a while is busy for
all of them. Everything is written to one folder: README.md, measurements.csv and summary.json.
"""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields
from functools import wraps
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Annotated, Any, NamedTuple, TypeAlias

import torch
import tyro
from popgym.envs.repeat_previous import RepeatPrevious
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env as make_sb3_vec_env
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from memagents import MemoryPPO, make_vec_env
from memagents.memories.registry import memory_options
from memagents.runs.provenance import installed, provenance


@dataclass(frozen=True, kw_only=True)
class ThroughputConfig:
    """How fast does an agent with a memory train?"""

    memories: tuple[str, ...] = ("lstm", "gru", "rnn")
    """Names of the memories that MemoryPPO is measured with."""

    repeats: int = 9
    """Rounds that count; one more comes before them, to warm up."""

    rollouts: int = 2
    """Rollouts, each with its update, that every program trains for in a round."""

    n_envs: int = 64
    """Environments stepped in parallel."""

    n_steps: int = 128
    """Steps of each environment in a rollout."""

    batch_size: int = 2048
    """Steps in a minibatch."""

    n_epochs: int = 4
    """Passes over a rollout in an update."""

    hidden_size: int = 128
    """Features of the memory and of the LSTM; units of the layer that the feed-forward PPO has in their place."""

    head_size: int = 64
    """Units of the one layer between memory and output, in the actor and in the critic."""

    sequence_length: int | None = None
    """Steps that gradients flow back in time in MemoryPPO; by default a whole rollout."""

    k: int = 4
    """Which card RepeatPrevious asks for, counted back from the current one."""

    num_decks: int = 1
    """Decks of 52 cards; an episode takes one step less than there are cards."""

    threads: int | None = None
    """Threads torch computes with; by default torch's choice."""

    seed: int = 0
    """Seed of the parameters, the actions and the environments."""

    folder: Path = Path("results/throughput")
    """Where README.md, measurements.csv and summary.json are written."""

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")

    @property
    def steps(self) -> int:
        """Environment steps of a program in a round."""
        return self.rollouts * self.n_envs * self.n_steps


@dataclass(frozen=True)
class Program:
    """An algorithm with its arguments.

    Attributes:
        ours: whether it is measured against the others, which are its peers.
        note: what a reader should know about it.
    """

    name: str
    algorithm: type[OnPolicyAlgorithm]
    policy: str
    arguments: dict[str, Any]
    ours: bool
    note: str

    def build(self, env: VecEnv) -> OnPolicyAlgorithm:
        """The algorithm, ready to learn in `env`."""
        return self.algorithm(self.policy, env, **deepcopy(self.arguments))

    @property
    def call(self) -> str:
        """How a user would write it."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f'{self.algorithm.__name__}("{self.policy}", env, {arguments})'


def make_programs(config: ThroughputConfig) -> list[Program]:
    """Ours, one for each memory, and then the peers."""
    return [*(our_program(config, memory) for memory in config.memories), recurrent_ppo(config), feed_forward(config)]


def shared_arguments(config: ThroughputConfig) -> dict[str, Any]:
    """What all programs are told alike; the other hyperparameters are SB3's defaults, which all three share."""
    sizes = {"n_steps": config.n_steps, "batch_size": config.batch_size, "n_epochs": config.n_epochs}
    # The one default that MemoryPPO does not share.
    return {**sizes, "normalize_advantage": True, "seed": config.seed, "device": "cpu"}


def heads(*sizes: int) -> dict[str, list[int]]:
    """Equal layers for actor and critic."""
    return {"pi": [*sizes], "vf": [*sizes]}


def our_program(config: ThroughputConfig, memory: str) -> Program:
    """MemoryPPO; `hidden_size` is for memories that have such an option."""
    options = {"hidden_size": config.hidden_size} if "hidden_size" in memory_options(memory) else {}
    own = {"memory": memory, "memory_kwargs": options, "sequence_length": config.sequence_length}
    arguments = shared_arguments(config) | own | {"policy_kwargs": {"net_arch": heads(config.head_size)}}
    note = "one memory for actor and critic, trained by both"
    return Program(f"MemoryPPO {memory}", MemoryPPO, "MlpPolicy", arguments, ours=True, note=note)


def recurrent_ppo(config: ThroughputConfig) -> Program:
    """sb3-contrib's RecurrentPPO, with the nearest it has to a shared memory."""
    lstm = {"lstm_hidden_size": config.hidden_size, "shared_lstm": True, "enable_critic_lstm": False}
    arguments = shared_arguments(config) | {"policy_kwargs": {**lstm, "net_arch": heads(config.head_size)}}
    note = "one LSTM for actor and critic, trained by the actor alone (it has no option for both)"
    return Program("RecurrentPPO", RecurrentPPO, "MlpLstmPolicy", arguments, ours=False, note=note)


def feed_forward(config: ThroughputConfig) -> Program:
    """SB3's PPO, as a yardstick: it does not remember."""
    policy_kwargs = {"net_arch": heads(config.hidden_size, config.head_size)}
    arguments = shared_arguments(config) | {"policy_kwargs": policy_kwargs}
    note = f"no memory: a layer of {config.hidden_size} in its place, one for the actor and one for the critic"
    return Program("PPO", PPO, "MlpPolicy", arguments, ours=False, note=note)


def popgym_env(config: ThroughputConfig) -> VecEnv:
    """POPGym's own environment, one Python call for each at every step, as SB3's `make_vec_env` makes it."""
    env_kwargs = {"k": config.k, "num_decks": config.num_decks}
    return make_sb3_vec_env(RepeatPrevious, config.n_envs, config.seed, env_kwargs=env_kwargs)


def batched_env(config: ThroughputConfig) -> VecEnv:
    """The natively batched one, an SB3 `VecEnv` that every program can use."""
    env_kwargs = {"k": config.k, "num_decks": config.num_decks}
    env_id = "memagents_envs:MemAgents/RepeatPrevious-v0"
    return make_vec_env(env_id, config.n_envs, config.seed, env_kwargs=env_kwargs, backend="batched")


ENVS: dict[str, Callable[[ThroughputConfig], VecEnv]] = {"popgym": popgym_env, "batched": batched_env}


@dataclass(frozen=True)
class Measurement:
    """What one program did in one round.

    Attributes:
        round: round 0 is the warm-up.
        steps: environment steps.
        samples: steps that updates went over, once for each epoch.
        learn_seconds: time in `learn`.
        processor_seconds: processor time in `learn`, of all threads; where it is less than `learn_seconds`, others had
            the processor.
        train_seconds: the part of it in `train`, that is, in updates.
        step_calls: calls of `Memory.step` in updates; None for a program without a `Memory`.
    """

    round: int
    program: str
    env: str
    steps: int
    samples: int
    learn_seconds: float
    processor_seconds: float
    train_seconds: float
    step_calls: int | None

    @property
    def steps_per_second(self) -> float:
        """End-to-end speed: environment steps for each second of `learn`."""
        return self.steps / self.learn_seconds

    @property
    def samples_per_second(self) -> float:
        """Speed of the update phase alone."""
        return self.samples / self.train_seconds


class Runner:
    """A program in one kind of environment, with a stopwatch around its updates."""

    def __init__(self, program: Program, env: str, config: ThroughputConfig) -> None:
        self.program, self.env, self.config = program, env, config
        self.model = program.build(ENVS[env](config))
        self.train_seconds = 0.0
        self.step_calls: int | None = None
        self._updating = False
        self.model.train = self._timed(self.model.train)  # type: ignore[method-assign]
        if program.ours:
            self.step_calls = 0
            policy: Any = self.model.policy
            policy.memory.step = self._counted(policy.memory.step)

    def run(self, number: int) -> Measurement:
        """Trains on for one round."""
        self.train_seconds, self.step_calls = 0.0, None if self.step_calls is None else 0
        begin, processor_begin = perf_counter(), process_time()
        self.model.learn(self.config.steps, reset_num_timesteps=False)
        seconds = perf_counter() - begin, process_time() - processor_begin, self.train_seconds
        steps = self.config.steps
        samples = steps * self.config.n_epochs
        return Measurement(number, self.program.name, self.env, steps, samples, *seconds, self.step_calls)

    def _timed(self, train: Callable[[], None]) -> Callable[[], None]:
        @wraps(train)
        def timed() -> None:
            begin, self._updating = perf_counter(), True
            train()
            self._updating = False
            self.train_seconds += perf_counter() - begin

        return timed

    def _counted(self, step: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(step)
        def counted(*arguments: Any) -> Any:
            self.step_calls = (self.step_calls or 0) + self._updating
            return step(*arguments)

        return counted


Measurements: TypeAlias = list[Measurement]


def measure(config: ThroughputConfig, programs: Sequence[Program]) -> Measurements:
    """All rounds of all programs in all environments, taking turns; the first round is the warm-up."""
    runners = [Runner(program, env, config) for program in programs for env in ENVS]
    return [report(runner.run(number)) for number in range(config.repeats + 1) for runner in runners]


def report(done: Measurement) -> Measurement:
    """Prints a measurement as it comes in."""
    speeds = f"{done.steps_per_second:10,.0f} steps/s {done.samples_per_second:10,.0f} samples/s in updates"
    print(f"round {done.round}  {done.program:20} {done.env:8} {speeds}", flush=True)
    return done


class Spread(NamedTuple):
    """The middle of some values and their range."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarises the values."""
        return cls(median(values), min(values), max(values))

    def show(self, digits: int = 0) -> str:
        """As a cell of a table."""
        return f"{self.median:,.{digits}f} ({self.min:,.{digits}f} to {self.max:,.{digits}f})"


@dataclass(frozen=True)
class Speed:
    """The counted rounds of one program in one environment."""

    program: str
    env: str
    rounds: Measurements = field(repr=False)

    @property
    def steps(self) -> list[float]:
        """End-to-end steps/s of every round."""
        return [done.steps_per_second for done in self.rounds]

    @property
    def samples(self) -> list[float]:
        """Samples/s in updates of every round."""
        return [done.samples_per_second for done in self.rounds]


Speeds: TypeAlias = dict[str, dict[str, Speed]]
"""By program, then by environment."""


def make_speeds(measurements: Measurements) -> Speeds:
    """The measurements without the warm-up, by program and environment."""
    speeds: Speeds = {}
    for done in measurements:
        speed = speeds.setdefault(done.program, {}).setdefault(done.env, Speed(done.program, done.env, []))
        if done.round > 0:
            speed.rounds.append(done)
    return speeds


class Pairing(NamedTuple):
    """Which environment ours and a peer are compared in."""

    title: str
    ours: Callable[[dict[str, Speed]], Speed]
    peer: Callable[[dict[str, Speed]], Speed]


def fastest(by_env: dict[str, Speed]) -> Speed:
    """The environment in which the program's median end-to-end speed is higher."""
    return max(by_env.values(), key=lambda speed: median(speed.steps))


def in_popgym(by_env: dict[str, Speed]) -> Speed:
    return by_env["popgym"]


def in_batched(by_env: dict[str, Speed]) -> Speed:
    return by_env["batched"]


PAIRINGS = (
    Pairing("each with its fastest environment", fastest, fastest),
    Pairing("as their users run them", in_batched, in_popgym),
    Pairing("all batched", in_batched, in_batched),
)


@dataclass(frozen=True)
class Ratio:
    """How many times as fast ours is as a peer: the ratio of every round, summarised."""

    pairing: str
    ours: str
    ours_env: str
    peer: str
    peer_env: str
    steps: Spread
    samples: Spread


def make_ratios(programs: Sequence[Program], speeds: Speeds) -> list[Ratio]:
    """Every one of ours against every peer, in every pairing."""
    mine = [program.name for program in programs if program.ours]
    peers = [program.name for program in programs if not program.ours]
    return [
        make_ratio(pairing.title, pairing.ours(speeds[name]), pairing.peer(speeds[peer]))
        for pairing in PAIRINGS
        for peer in peers
        for name in mine
    ]


def make_ratio(pairing: str, ours: Speed, peer: Speed) -> Ratio:
    """Ratios are taken round by round, before the median: what slowed a whole round down cancels out."""

    def spread(values: Sequence[float], others: Sequence[float]) -> Spread:
        return Spread.of([value / other for value, other in zip(values, others, strict=True)])

    names = ours.program, ours.env, peer.program, peer.env
    return Ratio(pairing, *names, spread(ours.steps, peer.steps), spread(ours.samples, peer.samples))


def step_calls(measurements: Measurements) -> dict[str, int]:
    """For each of our programs, the calls of `Memory.step` in all its updates, warm-up included."""
    calls: dict[str, int] = {}
    for done in measurements:
        if done.step_calls is not None:
            calls[done.program] = calls.get(done.program, 0) + done.step_calls
    return calls


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


def origin(load_before: float) -> dict[str, Any]:
    """Commit, versions, hardware, command, and how busy the machine was."""
    found = provenance()
    found["command"] = f"python scripts/{found['command']}"
    found["versions"]["popgym"] = installed("popgym")
    load = {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)}
    return found | {"torch_threads": torch.get_num_threads(), "load_average": load}


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A markdown table whose first columns, as many as `words`, hold words, and the others numbers."""
    rule = [":--" if column < words else "--:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


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


def origin_list(origin: dict[str, Any]) -> str:
    """Where the numbers come from, as a list."""
    machine, changed = origin["hardware"], " with changes" if origin["modified"] else ""
    load = origin["load_average"]
    lines = {
        "command": f"`{origin['command']}`",
        "commit": f"{origin['commit']}{changed}",
        "hardware": f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
        "torch threads": origin["torch_threads"],
        "load average of the last minute": f"{load['before']} before the first round, {load['after']} after the last",
        "versions": ", ".join(f"{name} {version}" for name, version in origin["versions"].items()),
    }
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def work_list(config: ThroughputConfig) -> str:
    """What every program does in a round, as a list."""
    lines = {
        "task": f"RepeatPrevious with k={config.k}, num_decks={config.num_decks}",
        "rollout": f"{config.n_envs} environments x {config.n_steps} steps",
        "update": f"{config.n_epochs} epochs over minibatches of {config.batch_size} steps, on the CPU",
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
same in all programs.

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


def run_study(config: ThroughputConfig) -> Study:
    """Measures, and writes the three files."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    programs, load_before = make_programs(config), os.getloadavg()[0]
    study = Study(config, programs, measure(config, programs), origin(load_before))
    config.folder.mkdir(parents=True, exist_ok=True)
    write_csv(study, config.folder / "measurements.csv")
    write_json(study, config.folder / "summary.json")
    write_readme(study, config.folder / "README.md")
    return study


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures, and prints the tables."""
    asked = Annotated[ThroughputConfig, tyro.conf.arg(name="")]
    config: ThroughputConfig = tyro.cli(asked, args=arguments)
    study = run_study(config)
    print(f"\n{speed_table(study.speeds)}\n\n{ratio_table(study.ratios)}\n\n{config.folder}")


if __name__ == "__main__":
    main()
