"""How far back does each memory reach? The T-maze with longer and longer corridors, within a fixed number of steps.

    python scripts/horizon.py --jobs 2

Every memory begins with the shortest corridor, and goes on to the next as long as it solves the one it is in, on the
mean of its seeds. Each holds twice the steps of the corridor, where that can be set, so that a detour on the way loses
nothing, and each agent has as many parameters as the others. Runs stand in `results/horizon`, one study for each
corridor, so that what is finished need not be repeated; the table is `results/horizon/README.md`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import tyro

from memagents.memories import list_memories
from memagents.runs.provenance import provenance
from memagents.runs.results import RunResult
from memagents.studies.comparison import CompareConfig, compare
from memagents.studies.statistics import mean_interval

ROLLOUTS = {
    10: {"n_envs": 32, "algo_kwargs": {"n_steps": 64}},
    30: {"n_envs": 32, "algo_kwargs": {"n_steps": 64}},
    100: {"n_envs": 32, "algo_kwargs": {"n_steps": 128}},
    300: {"n_envs": 16, "algo_kwargs": {"n_steps": 320}},
    1000: {"n_envs": 8, "algo_kwargs": {"n_steps": 1024}},
}
"""For each length of the corridor: a rollout is as long as an episode that is solved, so that gradients can reach the
sign, and there are fewer environments where it is long, so that there are as many updates as can be."""

PPO = {"batch_size": None, "n_epochs": 4, "learning_rate": 2e-3}
"""The same for all; whole sequences, in four minibatches."""

SOLVED = 0.9
"""Success rate, the mean over the seeds."""

PAGE = """\
# How far back does each memory reach?

The T-maze with corridors of {corridors} cells: who turns right at the end remembers the sign at the start. PPO,
{steps:,} steps in each corridor, {seeds} seeds, agents of about {parameters:,} parameters. **Longest corridor solved**:
success rate of at least {solved}, mean over the seeds, in {episodes} episodes of the last model. A memory that does not
solve a corridor is not tried in a longer one.

{table}

In the cells: the mean over the seeds, and its 95 % interval (percentile bootstrap; with few seeds it is rough). Every
seed is in the reports: {reports}. Half of the episodes are won by guessing.

- command: `{command}`; each run's own command, commit, versions and hardware are in its
  `run.json`, and on the reports
- settings: {settings}
- memories hold twice the steps of the corridor, where that can be set; in that of {longest}: {lengths}

What this does not show: other tasks; more steps, with which more corridors may be solved; settings tuned for a memory;
and memories shorter than the corridor, of which those with a window cannot solve it.
Nor the best model of a run: the step size stays what it is to the end. Of the runs, these had won {solved} of their
training episodes before, and have lost it again: {lost}.
"""


@dataclass(frozen=True)
class Options:
    """What is tried."""

    memories: tuple[str, ...] = tuple(list_memories())
    """Names of memories."""

    corridors: tuple[int, ...] = tuple(ROLLOUTS)
    """Lengths of the corridor, from short to long."""

    timesteps: int = 200_000
    """Environment steps of each run."""

    seeds: int = 3
    """Runs of each memory in each corridor."""

    parameters: int = 50_000
    """Of each agent, about."""

    jobs: int = 1
    """Runs at a time."""

    folder: Path = Path("results/horizon")
    """Where the runs are kept, and the table."""


def length(memory: str, steps: int) -> dict[str, Any]:
    """The options with which a memory holds as many steps, where it has such options."""
    if memory in ("transformer", "transformer_xl", "gtrxl"):
        return {"window": steps}
    if memory in ("memn2n", "kvmemnn"):
        return {"memory_size": steps}
    if memory == "frame_stack":
        return {"num_frames": steps}
    if memory == "han":
        chunk = math.isqrt(steps)
        return {"chunk_size": chunk, "num_chunks": math.ceil(steps / chunk) + 1}
    if memory == "wavenet":  # 2^L steps
        return {"num_layers": math.ceil(math.log2(steps))}
    if memory == "tcn":  # 1 + 2 (K - 1) (2^L - 1) steps
        return {"kernel_size": 5, "num_layers": math.ceil(math.log2((steps - 1) / 8 + 1))}
    return {}


def held(corridor: int) -> int:
    """Steps that memories hold in a corridor: twice those from the sign to the turn."""
    return 2 * (corridor + 1)


def entry(memory: str, steps: int) -> str:
    """A memory of that length, as a study names it."""
    return " ".join([memory, *(f"{name}={value}" for name, value in length(memory, steps).items())])


def study(corridor: int, memories: list[str], options: Options) -> CompareConfig:
    """One corridor."""
    own = ROLLOUTS[corridor]
    return CompareConfig(
        env=(f"memagents_envs:MemAgents/TMaze-v0 corridor_length={corridor}",),
        memory=tuple(entry(memory, held(corridor)) for memory in memories),
        seeds=options.seeds,
        controls=False,
        timesteps=options.timesteps,
        n_envs=own["n_envs"],
        algo_kwargs={**PPO, **own["algo_kwargs"]},
        match_parameters=options.parameters,
        threads=1,
        jobs=options.jobs,
        folder=options.folder / f"corridor_{corridor}",
    )


def climb(options: Options) -> Iterator[tuple[int, dict[str, list[RunResult]]]]:
    """Corridor by corridor, the runs of each memory that is still there."""
    memories = list(options.memories)
    for corridor in options.corridors:
        runs: dict[str, list[RunResult]] = {memory: [] for memory in memories}
        for run in compare(study(corridor, memories, options)).runs:
            runs[run.config.memory].append(run)
        yield corridor, runs
        memories = [memory for memory in memories if solves(runs[memory])]
        if not memories:
            return


def solves(runs: list[RunResult]) -> bool:
    """Whether a memory is good enough to go on."""
    return bool(runs) and mean(run.score for run in runs) >= SOLVED


def lost(run: RunResult) -> bool:
    """Whether a run had solved its corridor while it was trained, but does not in the end."""
    return max(run.curve()[1], default=0.0) >= SOLVED > run.score


def cell(runs: list[RunResult]) -> str:
    """Mean and interval of the success rate."""
    scores = np.array([run.score for run in runs])
    bounds = mean_interval(scores)
    spread = "n<3" if bounds is None else f"{bounds[0]:.2f}, {bounds[1]:.2f}"
    return f"{scores.mean():.2f} [{spread}]"


def row(memory: str, corridors: tuple[int, ...], found: dict[int, dict[str, list[RunResult]]]) -> str:
    """A memory in the table."""
    tried = {corridor: found[corridor][memory] for corridor in corridors if found.get(corridor, {}).get(memory)}
    longest = max((corridor for corridor, runs in tried.items() if solves(runs)), default="none")
    cells = [cell(tried[corridor]) if corridor in tried else "" for corridor in corridors]
    return f"| {' | '.join([memory, f'**{longest}**', *cells])} |"


def page(options: Options, found: dict[int, dict[str, list[RunResult]]]) -> str:
    """What came out."""
    corridors = options.corridors
    reached = {memory: max(c for c, runs in found.items() if memory in runs) for memory in options.memories}
    last = {memory: [run.score for run in found[reached[memory]][memory]] for memory in options.memories}
    # A memory whose runs all failed has no scores.
    order = sorted(options.memories, key=lambda memory: (-reached[memory], -mean(last[memory] or [0.0])))
    head = ["memory", "longest solved", *map(str, corridors)]
    rule = [":--", *["--:"] * (len(head) - 1)]
    lines = [f"| {' | '.join(each)} |" for each in (head, rule)] + [row(memory, corridors, found) for memory in order]
    lengths = {memory: length(memory, held(max(found))) for memory in options.memories}
    return PAGE.format(
        corridors=", ".join(map(str, corridors)),
        steps=options.timesteps,
        seeds=options.seeds,
        parameters=options.parameters,
        solved=SOLVED,
        episodes=study(corridors[0], [], options).eval_episodes,
        command=f"python scripts/{provenance()['command']}",
        table="\n".join(lines),
        reports=", ".join(f"[{corridor}](corridor_{corridor}/report.html)" for corridor in found),
        settings=", ".join(f"{name}={value}" for name, value in PPO.items())
        + "; "
        + "; ".join(
            f"{corridor}: {told['n_envs']} environments x {told['algo_kwargs']['n_steps']} steps"
            for corridor, told in ROLLOUTS.items()
            if corridor in corridors
        ),
        longest=max(found),
        lost=", ".join(
            f"{memory} in {corridor}, seed {run.config.seed}"
            for corridor, tried in found.items()
            for memory, runs in tried.items()
            for run in runs
            if lost(run)
        )
        or "none",
        lengths="; ".join(f"{memory} {told}" for memory, told in lengths.items() if told),
    )


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    found = {}
    for corridor, runs in climb(options):
        found[corridor] = runs
        (options.folder / "README.md").write_text(page(options, found), encoding="utf-8")
    print(page(options, found))


if __name__ == "__main__":
    main()
