"""Is a GPU worth it? Every memory trained on the GPU and on the CPU of the same machine, and with fewer bits.

    python scripts/throughput_gpu.py --repeats 3 --threads 8

Agents take turns, round by round. Writes `results/throughput/gpu.md` and `gpu.csv`.
"""

import csv
import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, get_args

import torch
import tyro
from pages import origin, origin_list, table
from timing.programs import Measurement, Program, Runner, ThroughputConfig, our_program, recurrent_ppo, report
from timing.ratios import Spread

from memagents.agents.precision import Precision
from memagents.memories.registry import list_memories, memory_options

PAGE = """\
# Throughput on a GPU

Is a GPU worth it, and are fewer bits? `scripts/throughput_gpu.py` wrote this page and [gpu.csv](gpu.csv), which holds
every round.

{origin}

RepeatPrevious, natively batched on the CPU; {n_envs} environments x {n_steps} steps, {n_epochs} epochs over minibatches
of {batch_size} steps. Agents take turns, round by round: medians over {repeats} rounds, and the range; one more came
before them, to warm up and to record. Ratios are those of each round. Samples are environment steps times epochs.

## The GPU beside the CPU

Every memory at its own default size, 32 bits, gradients through {n_steps} steps. RecurrentPPO, sb3-contrib's, has an
LSTM of {lstm_size}; the last two columns are end to end beside it, each on the same device.

{devices}

## Fewer bits

Larger networks, hidden size {hidden_size}, and all {rollout} steps in one minibatch: the update phase on the GPU.

{bits}

## What this does not show

How well anything learns; whether it learns as well with fewer bits; environments that compute on the GPU; several GPUs.
The environment and all that is kept of a rollout are on the CPU.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    memories: tuple[str, ...] = tuple(name for name in list_memories() if name != "none")
    """Names of memories."""

    large: tuple[str, ...] = ("lstm", "gru", "transformer_xl", "gtrxl", "tcn", "memn2n")
    """Names of memories that are measured with fewer bits too."""

    hidden_size: int = 1024
    """Of those."""

    repeats: int = 3
    """Rounds that count."""

    threads: int = 8
    """Threads torch computes with on the CPU."""

    folder: Path = Path("results/throughput")
    """Where the page goes."""


class Case(NamedTuple):
    """One agent on one device."""

    agent: str
    device: str
    precision: Precision
    runner: Runner


def small_cases(config: ThroughputConfig, memories: tuple[str, ...]) -> Iterator[Case]:
    """Every memory, and RecurrentPPO, on both devices."""
    for device in ("cuda", "cpu"):
        here = replace(config, device=device)
        for memory in memories:
            yield Case(memory, device, "float32", Runner(our_program(here, memory), "batched", here))
        yield Case("RecurrentPPO", device, "float32", Runner(recurrent_ppo(here), "batched", here))


def large_cases(config: ThroughputConfig, memories: tuple[str, ...], hidden_size: int) -> Iterator[Case]:
    """Large memories with every precision, on the GPU."""
    here = replace(config, device="cuda", batch_size=config.n_envs * config.n_steps)
    for memory in memories:
        for precision in get_args(Precision):
            program = large(our_program(here, memory), memory, hidden_size, precision)
            yield Case(f"{memory}, {hidden_size}", "cuda", precision, Runner(program, "batched", here))


def large(program: Program, memory: str, hidden_size: int, precision: Precision) -> Program:
    """The same agent with a larger memory, and a precision."""
    arguments = deepcopy(program.arguments)
    assert "hidden_size" in memory_options(memory)
    arguments["memory_kwargs"] = {"hidden_size": hidden_size}
    arguments["policy_kwargs"]["precision"] = precision
    return replace(program, arguments=arguments)


Rounds = dict[Case, list[Measurement]]


def take_turns(cases: list[Case], repeats: int) -> Rounds:
    """The rounds that count, of every case."""
    rounds: Rounds = {case: [] for case in cases}
    for number in range(repeats + 1):
        for case, done in rounds.items():
            print(f"{case.device} {case.precision:8} {case.agent:24}", end=" ")
            measured = report(case.runner.run(number))
            if number:
                done.append(measured)
    return rounds


def samples(done: list[Measurement]) -> list[float]:
    return [each.samples_per_second for each in done]


def speeds(done: list[Measurement]) -> list[float]:
    return [each.steps_per_second for each in done]


def ratio(ours: list[float], theirs: list[float]) -> str:
    return Spread.of([our / their for our, their in zip(ours, theirs, strict=True)]).show(2)


def device_table(rounds: Rounds) -> str:
    """Both devices side by side, the fastest on the GPU first."""
    by_agent: dict[str, dict[str, list[Measurement]]] = {}
    for case, done in rounds.items():
        by_agent.setdefault(case.agent, {})[case.device] = done
    rows, peer = [], by_agent["RecurrentPPO"]
    for agent, on in sorted(by_agent.items(), key=lambda item: -Spread.of(samples(item[1]["cuda"])).median):
        steps, slower = ({device: speeds(done) for device, done in each.items()} for each in (on, peer))
        rows.append(
            [
                agent,
                Spread.of(samples(on["cuda"])).show(),
                Spread.of(samples(on["cpu"])).show(),
                ratio(samples(on["cuda"]), samples(on["cpu"])),
                Spread.of(steps["cuda"]).show(),
                Spread.of(steps["cpu"]).show(),
                ratio(steps["cuda"], steps["cpu"]),
                *(ratio(steps[device], slower[device]) for device in ("cuda", "cpu")),
            ]
        )
    head = ["memory", *("update phase, samples/s: GPU", "CPU", "ratio"), *("end to end, steps/s: GPU", "CPU", "ratio")]
    head += ["beside RecurrentPPO: GPU", "CPU"]
    return table(head, rows, words=1)


def bits_table(rounds: Rounds) -> str:
    """One row for each memory: 32 bits, and the others beside them."""
    by_agent: dict[str, dict[str, list[float]]] = {}
    parameters: dict[str, int] = {}
    for case, done in rounds.items():
        by_agent.setdefault(case.agent, {})[case.precision] = samples(done)
        parameters[case.agent] = sum(weight.numel() for weight in case.runner.model.policy.memory.parameters())
    rows = [
        [
            agent,
            f"{parameters[agent]:,}",
            Spread.of(of["float32"]).show(),
            *(ratio(of[fewer], of["float32"]) for fewer in ("tf32", "bfloat16")),
        ]
        for agent, of in by_agent.items()
    ]
    head = ("memory, hidden size", "its parameters", "float32, samples/s", "tf32 beside it", "bfloat16 beside it")
    return table(head, rows, words=1)


def write_csv(rounds: Rounds, path: Path) -> None:
    """Every round that counts."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["agent", "device", "precision", "round", "steps_per_second", "samples_per_second"])
        for case, done in rounds.items():
            for each in done:
                both = round(each.steps_per_second, 1), round(each.samples_per_second, 1)
                writer.writerow([*case[:3], each.round, *both])


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    if not torch.cuda.is_available():
        raise SystemExit("throughput_gpu.py needs a GPU that torch can compute on; there is none here")
    torch.set_num_threads(options.threads)
    config, load_before = ThroughputConfig(rollouts=1, repeats=options.repeats), os.getloadavg()[0]
    small = take_turns(list(small_cases(config, options.memories)), options.repeats)
    big = take_turns(list(large_cases(config, options.large, options.hidden_size)), options.repeats)
    sizes = {name: getattr(config, name) for name in ("n_envs", "n_steps", "n_epochs", "batch_size", "repeats")}
    page = PAGE.format(
        origin=origin_list(origin(load_before)),
        devices=device_table(small),
        bits=bits_table(big),
        hidden_size=options.hidden_size,
        lstm_size=config.hidden_size,
        rollout=f"{config.n_envs * config.n_steps:,}",
        **sizes,
    )
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "gpu.md").write_text(page, encoding="utf-8")
    write_csv({**small, **big}, options.folder / "gpu.csv")
    print(page)


if __name__ == "__main__":
    main()
