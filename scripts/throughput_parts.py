"""Where does the time go when an agent with a memory trains?

    python scripts/throughput_parts.py --repeats 5

A stopwatch stands at every door between collection and update: in the environment, the policy, the memory, its
gradient, the optimizer. The memories take turns, round by round. Writes `results/throughput/parts.md` and `parts.csv`.
"""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias
from unittest.mock import patch

import torch
import tyro
from pages import origin, origin_list, table
from timing.programs import ThroughputConfig, batched_env, our_program
from timing.ratios import Spread

from memagents.agents import updates

PARTS = {
    "environment": "collection: the step of all environments",
    "acting: memory": "collection: what the memory does with one step",
    "acting: the rest": "collection: encoder, heads, drawing of actions",
    "bookkeeping": "collection: checks, buffer, episode statistics, advantages",
    "gathers": "update: taking minibatches out of the buffer",
    "memory, forward": "update: the memory over whole sequences",
    "memory, backward": "update: its gradient, and that of an encoder before it",
    "heads and loss": "update: all other layers and the losses, forward and backward",
    "optimizer": "update: clipping, the check that gradients are finite, and Adam",
    "rest of the update": "update: the log, the learning rate, loops",
}
"""What is told apart, and where it belongs."""

PAGE = """\
# Where the time goes

Where does the time go when an agent with a memory trains? `scripts/throughput_parts.py` wrote this page and
[parts.csv](parts.csv), which holds every round.

{origin}

MemoryPPO on RepeatPrevious, natively batched, every memory at its own default size; {n_envs} environments x {n_steps}
steps, {n_epochs} epochs over minibatches of {batch_size} steps, on the CPU. Percent of the time in `learn`: the median
over {repeats} rounds, after one to warm up, and the range. The last two lines are of the whole.

{table}

The gradient of a memory is what `backward` does after the gradient has reached the memory's outputs, which is at its
end.

What this does not show: other sizes, a GPU, an environment that takes its time, or what the stopwatches themselves
cost, which is a few microseconds at every door.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    memories: tuple[str, ...] = ("lstm", "gru", "gtrxl", "dnc")
    """Names of memories."""

    repeats: int = 5
    """Rounds that count; one more comes before them, to warm up."""

    threads: int = 1
    """Threads torch computes with."""

    folder: Path = Path("results/throughput")
    """Where the page goes."""


class Stopwatch:
    """Seconds spent in each part; what is spent in a part inside another counts for the inner one alone."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._last = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """From here on time is spent in this part."""
        self._stop()
        self._open.append(name)
        try:
            yield
        finally:
            self._stop()
            self._open.pop()

    def turn_to(self, name: str) -> None:
        """The part that is open goes on under another name."""
        self._stop()
        self._open[-1] = name

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return function(*args, **kwargs)

        return timed

    def _stop(self) -> None:
        now = perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._last
        self._last = now


Round: TypeAlias = dict[str, float]
"""Seconds in each part."""


class Timed:
    """An agent with stopwatches at all its doors."""

    def __init__(self, memory: str, config: ThroughputConfig) -> None:
        self.watch, self.steps = Stopwatch(), config.steps
        self.model = our_program(config, memory).build(batched_env(config))
        self._set_up(self.model, self.watch)

    def run(self) -> Round:
        """Trains on for one round."""
        self.watch.seconds.clear()
        doors = {
            "torch.autograd.backward": ("heads and loss", torch.autograd.backward),
            "memagents.agents.updates.clipped_objective": ("heads and loss", updates.clipped_objective),
            "memagents.agents.updates.forget_gradients": ("optimizer", updates.forget_gradients),
            "memagents.agents.updates.clip_and_step": ("optimizer", updates.clip_and_step),
        }
        with ExitStack() as watched:
            for place, (part, function) in doors.items():
                watched.enter_context(patch(place, self.watch.around(part, function)))
            self.model.learn(self.steps, reset_num_timesteps=False)
        return dict(self.watch.seconds)

    def _set_up(self, model: Any, watch: Stopwatch) -> None:
        """Puts a stopwatch on every door."""
        policy, buffer = model.policy, model.rollout_buffer
        model.learn = watch.around("bookkeeping", model.learn)
        model.train = watch.around("rest of the update", model.train)
        model.env.step_wait = watch.around("environment", model.env.step_wait)
        policy.forward = watch.around("acting: the rest", policy.forward)
        policy.predict_values = watch.around("acting: the rest", policy.predict_values)
        policy.evaluate_actions = watch.around("heads and loss", policy.evaluate_actions)
        policy.memory.fast_step = watch.around("acting: memory", policy.memory.fast_step)
        policy.memory.forward = self._unrolling(policy.memory.forward)
        buffer.get = self._gathering(buffer.get)

    def _unrolling(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        def unrolling(*args: Any) -> Any:
            with self.watch.part("memory, forward"):
                outputs, state = forward(*args)
            if outputs.requires_grad:
                outputs.register_hook(lambda _: self.watch.turn_to("memory, backward"))
            return outputs, state

        return unrolling

    def _gathering(self, get: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def gathering(*args: Any) -> Iterator[Any]:
            minibatches = get(*args)
            while True:
                with self.watch.part("gathers"):
                    minibatch = next(minibatches, None)
                if minibatch is None:
                    return
                yield minibatch

        return gathering


def seconds(done: Round, collection_only: bool = False) -> float:
    """Of all parts together, or of those of collection."""
    return sum(
        done.get(part, 0.0) for part, what in PARTS.items() if what.startswith("collection") or not collection_only
    )


def parts_table(rounds: dict[str, list[Round]], config: ThroughputConfig) -> str:
    """A row for each part, and a column for each memory."""

    def row(where: str, name: str, measure: Callable[[Round], float], digits: int = 1) -> list[str]:
        return [name, where, *(Spread.of([measure(done) for done in each]).show(digits) for each in rounds.values())]

    def share(part: str) -> Callable[[Round], float]:
        return lambda done: 100 * done.get(part, 0.0) / seconds(done)

    rows = [row(where, part, share(part)) for part, where in PARTS.items()]
    rows.append(row("the whole", "collection", lambda done: 100 * seconds(done, collection_only=True) / seconds(done)))
    rows.append(row("the whole", "steps/s", lambda done: config.steps / seconds(done), digits=0))
    return table(["percent of the time", "where", *rounds], rows, words=2)


def write_csv(rounds: dict[str, list[Round]], path: Path) -> None:
    """Every round that counts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["memory", "round", "part", "seconds"])
        for memory, each in rounds.items():
            for number, done in enumerate(each, start=1):
                writer.writerows([memory, number, part, f"{done.get(part, 0.0):.6f}"] for part in PARTS)


def measure(config: ThroughputConfig) -> dict[str, list[Round]]:
    """The rounds that count of every memory."""
    agents = {memory: Timed(memory, config) for memory in config.memories}
    rounds: dict[str, list[Round]] = {memory: [] for memory in agents}
    for number in range(config.repeats + 1):
        for memory, agent in agents.items():
            done = agent.run()
            print(f"round {number}  {memory:12} {seconds(done):7.2f} s", flush=True)
            if number > 0:
                rounds[memory].append(done)
    return rounds


def main(arguments: list[str] | None = None, **sizes: int) -> None:
    options = tyro.cli(Options, description=__doc__, args=arguments)
    torch.set_num_threads(options.threads)
    config = ThroughputConfig(memories=options.memories, repeats=options.repeats, rollouts=1, **sizes)
    load_before = os.getloadavg()[0]
    rounds = measure(config)
    shown = parts_table(rounds, config)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_csv(rounds, options.folder / "parts.csv")
    work = {name: getattr(config, name) for name in ("n_envs", "n_steps", "n_epochs", "batch_size", "repeats")}
    page = PAGE.format(origin=origin_list(origin(load_before)), table=shown, **work)
    (options.folder / "parts.md").write_text(page, encoding="utf-8")
    print(f"\n{shown}\n\n{options.folder / 'parts.md'}")


if __name__ == "__main__":
    main()
