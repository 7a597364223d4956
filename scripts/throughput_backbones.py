"""How fast is every memory trained, beside the LSTM?

    python scripts/throughput_backbones.py --repeats 7

The update phase of MemoryPPO, as `throughput.py` measures it, with every memory at its own default size; the memories
take turns, round by round. Writes `results/throughput/backbones.md` and `backbones.csv`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from throughput_page import Study, origin, origin_list, table, write_csv
from throughput_programs import Measurements, Runner, ThroughputConfig, our_program, report
from throughput_ratios import Spread, make_speeds, step_calls

from memagents.memories.registry import list_memories

PAGE = """\
# Throughput of the backbones

How fast is every memory trained, beside the LSTM? `scripts/throughput_backbones.py` wrote this page and
[backbones.csv](backbones.csv), which holds every round.

{origin}

Every memory at its own default size; {n_envs} environments x {n_steps} steps, {n_epochs} epochs over minibatches of
{batch_size} steps, on the CPU. The memories take turns, round by round. Samples are environment steps times epochs;
the ratio is that of each round, then the median over the rounds, and the range.

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


def memory_table(runners: dict[str, Runner], rounds: Measurements) -> str:
    """One row for each memory, the fastest first."""
    speeds = {name: by_env["batched"] for name, by_env in make_speeds(rounds).items()}
    lstm = speeds[runners["lstm"].program.name].samples
    calls = step_calls(rounds)
    rows = []
    for memory, runner in runners.items():
        samples = speeds[runner.program.name].samples
        ratio = Spread.of([ours / theirs for ours, theirs in zip(samples, lstm, strict=True)])
        parameters = sum(weight.numel() for weight in runner.model.policy.memory.parameters())
        cells = [memory, f"{parameters:,}", Spread.of(samples).show(), ratio.show(2), str(calls[runner.program.name])]
        rows.append((ratio.median, cells))
    head = ("memory", "its parameters", "update phase, samples/s", "beside lstm", "calls of `step` in updates")
    return table(head, [cells for _, cells in sorted(rows, key=lambda row: -row[0])], words=1)


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(options.threads)
    config = ThroughputConfig(memories=options.memories, repeats=options.repeats, rollouts=1, threads=options.threads)
    load_before = os.getloadavg()[0]
    programs = {name: our_program(config, name) for name in dict.fromkeys(("lstm", *options.memories))}
    runners = {name: Runner(program, "batched", config) for name, program in programs.items()}
    rounds = [report(runner.run(number)) for number in range(config.repeats + 1) for runner in runners.values()]
    study, shown = Study(config, list(programs.values()), rounds, origin(load_before)), memory_table(runners, rounds)
    options.folder.mkdir(parents=True, exist_ok=True)
    write_csv(study, options.folder / "backbones.csv")
    sizes = {name: getattr(config, name) for name in ("n_envs", "n_steps", "n_epochs", "batch_size")}
    page = PAGE.format(origin=origin_list(study.origin), table=shown, **sizes)
    (options.folder / "backbones.md").write_text(page, encoding="utf-8")
    print(f"\n{shown}\n\n{options.folder / 'backbones.md'}")


if __name__ == "__main__":
    main()
