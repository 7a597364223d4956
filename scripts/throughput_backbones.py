"""How fast is every memory trained, beside the LSTM, and how much room does it need?

    python scripts/throughput_backbones.py --repeats 7

The update phase of MemoryPPO, as `throughput.py` measures it, with every memory at its own default size; the memories
take turns, round by round. Room is measured in a process for each memory. Writes `results/throughput/backbones.md` and
`backbones.csv`.
"""

import os
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch
import tyro
from fuzzing.watch import PEAK
from fuzzing.watch import memory as resident
from pages import origin, origin_list, table
from timing.page import Study, write_csv
from timing.programs import Measurements, Runner, ThroughputConfig, our_program, report
from timing.ratios import Spread, make_speeds, step_calls

from memagents.memories.registry import list_memories

PAGE = """\
# Throughput of the backbones

How fast is every memory trained, beside the LSTM, and how much room does it need? `scripts/throughput_backbones.py`
wrote this page and [backbones.csv](backbones.csv), which holds every round.

{origin}

Every memory at its own default size; {n_envs} environments x {n_steps} steps, {n_epochs} epochs over minibatches of
{batch_size} steps, on the CPU. The memories take turns, round by round. Samples are environment steps times epochs;
the ratio is that of each round, then the median over the rounds, and the range. A state is what one environment's
agent holds from step to step. Peak memory is how far the resident memory of a process of its own rises above where it
was before the agent was made, in a rollout and its update, after a tiny agent of the same kind has warmed it up: once.

{table}

What this does not show: how well anything learns, other sizes, longer sequences, a GPU, or the time to act.
"""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    memories: tuple[str, ...] = tuple(list_memories())
    """Names of memories; lstm is measured in any case."""

    repeats: int = 7
    """Rounds that count; one more comes before them, to warm up."""

    threads: int = 1
    """Threads torch computes with."""

    folder: Path = Path("results/throughput")
    """Where the page goes."""


def peak_memory(memory: str, config: ThroughputConfig, threads: int) -> float:
    """How far the resident memory of this process rises while it makes and trains an agent, in MiB."""
    torch.set_num_threads(threads)
    tiny = replace(config, n_envs=2, n_steps=4, batch_size=8, hidden_size=8)
    Runner(our_program(tiny, memory), "batched", tiny).run(0)  # what is imported and compiled is not the agent's
    PEAK.write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    Runner(our_program(config, memory), "batched", config).run(0)
    return resident("VmHWM") - before


def peak_memories(config: ThroughputConfig, threads: int) -> dict[str, float]:
    """Of every memory, each in a process of its own, one after the other."""
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return {name: pool.apply(peak_memory, (name, config, threads)) for name in config.memories}


def memory_table(runners: dict[str, Runner], rounds: Measurements, peaks: dict[str, float]) -> str:
    """One row for each memory, the fastest first."""
    speeds = {name: by_env["batched"] for name, by_env in make_speeds(rounds).items()}
    lstm = speeds[runners["lstm"].program.name].samples
    calls = step_calls(rounds)
    rows = []
    for memory, runner in runners.items():
        samples = speeds[runner.program.name].samples
        ratio = Spread.of([ours / theirs for ours, theirs in zip(samples, lstm, strict=True)])
        policy = runner.model.policy
        parameters = sum(weight.numel() for weight in policy.memory.parameters())
        state = sum(field.nbytes for field in policy.initial_state(1).actor)
        speed = Spread.of(samples).show(), ratio.show(2), str(calls[runner.program.name])
        rows.append((ratio.median, [memory, f"{parameters:,}", *speed, f"{state:,}", f"{peaks[memory]:.0f}"]))
    head = (
        "memory",
        "its parameters",
        "update phase, samples/s",
        "beside lstm",
        "calls of `step` in updates",
        "state, bytes",
        "peak memory, MiB",
    )
    return table(head, [cells for _, cells in sorted(rows, key=lambda row: -row[0])], words=1)


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    names = tuple(dict.fromkeys(("lstm", *options.memories)))
    config = ThroughputConfig(memories=names, repeats=options.repeats, rollouts=1, threads=options.threads)
    load_before = os.getloadavg()[0]
    programs = {name: our_program(config, name) for name in names}
    runners = {name: Runner(program, "batched", config) for name, program in programs.items()}
    rounds = [report(runner.run(number)) for number in range(config.repeats + 1) for runner in runners.values()]
    study = Study(config, list(programs.values()), rounds, origin(load_before))
    shown = memory_table(runners, rounds, peak_memories(config, options.threads))
    options.folder.mkdir(parents=True, exist_ok=True)
    write_csv(study, options.folder / "backbones.csv")
    sizes = {name: getattr(config, name) for name in ("n_envs", "n_steps", "n_epochs", "batch_size")}
    page = PAGE.format(origin=origin_list(study.origin), table=shown, **sizes)
    (options.folder / "backbones.md").write_text(page, encoding="utf-8")
    print(f"\n{shown}\n\n{options.folder / 'backbones.md'}")


if __name__ == "__main__":
    main()
