"""What `throughput.py` makes of its rounds: medians, ranges, and ratios taken round by round."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import NamedTuple, TypeAlias

from timing.programs import Measurements, Program


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
