"""The same work done by us and by somebody else, in turns."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from timing.ratios import Spread

Work = Callable[[], float | None]
"""Does something once; gives the seconds if they cannot be taken from outside."""


@dataclass(frozen=True)
class Pairing:
    """The same work twice.

    Attributes:
        name: what is done.
        peer: by whom, besides us.
        wanted: how many times as fast ours should be.
        ours, theirs: do it once.
        note: what a reader should know.
    """

    name: str
    peer: str
    wanted: float
    ours: Work
    theirs: Work
    note: str


def seconds(work: Work) -> float:
    begin = perf_counter()
    told = work()
    return perf_counter() - begin if told is None else told


def take_turns(pairing: Pairing, repeats: int) -> list[tuple[float, float]]:
    """Seconds of ours and theirs in the rounds that count."""
    rounds = [(seconds(pairing.ours), seconds(pairing.theirs)) for _ in range(repeats + 1)][1:]
    print(f"{pairing.name} beside {pairing.peer}: {ratio(rounds).show(2)} times", flush=True)
    return rounds


def ratio(rounds: list[tuple[float, float]]) -> Spread:
    return Spread.of([theirs / ours for ours, theirs in rounds])
