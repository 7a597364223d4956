"""The same work done by us and by somebody else, in turns."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from timing.ratios import Spread
from torch import Tensor, nn

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
        warm_up: rounds before those that count.
    """

    name: str
    peer: str
    wanted: float
    ours: Work
    theirs: Work
    note: str
    warm_up: int = 1


def differentiating(module: nn.Module, outputs: Callable[[], Tensor]) -> Work:
    """A forward and a backward pass."""

    def work() -> None:
        module.zero_grad()
        outputs().square().mean().backward()  # type: ignore[no-untyped-call]

    return work


def learning(model: OnPolicyAlgorithm, steps: int) -> Work:
    """An agent that learns on for so many steps."""

    def work() -> None:
        model.learn(steps, reset_num_timesteps=False)

    return work


def seconds(work: Work) -> float:
    begin = perf_counter()
    told = work()
    return perf_counter() - begin if told is None else told


def take_turns(pairing: Pairing, repeats: int) -> list[tuple[float, float]]:
    """Seconds of ours and theirs in the rounds that count."""
    number = pairing.warm_up + repeats
    rounds = [(seconds(pairing.ours), seconds(pairing.theirs)) for _ in range(number)][pairing.warm_up :]
    print(f"{pairing.name} beside {pairing.peer}: {ratio(rounds).show(2)} times", flush=True)
    return rounds


def ratio(rounds: list[tuple[float, float]]) -> Spread:
    return Spread.of([theirs / ours for ours, theirs in rounds])
