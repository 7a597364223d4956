"""What `fuzz.py` writes: how many cases of each kind of damage there were, and how they ended."""

import csv
from collections import Counter, defaultdict
from pathlib import Path

from fuzzing.cases import DAMAGES, MIB, SECONDS, Case
from pages import origin, origin_list

WORKED = ("works", "exit 0")
TOO_LARGE = "accepted, too large"

PAGE = """# Fuzzing

*Does anything damaged get into the package, or bring it down?*

{summary}

Valid files, run folders, configurations and command lines are damaged, each case by a seed of its own, and sent to the
public ways in: `load` and `set_parameters` of MemoryPPO and MemoryA2C, `load` of a policy, `resume`, `evaluate_run`,
`RunResult.load`, `train`, and the command line. *Works*: after what hashes can see, parameters are bit for bit those
that were written, and a run that goes on ends with those of an undisturbed one; after damage with hashes made right
again (*JSON*, *tensors*), what was loaded acts, learns and is saved, and stays finite. *Refused*: by an error of
`memagents.errors`, or by a ValueError that this package raises; at the command line by exit code 1 or 2 and a message.
Anything else is a finding, and so are pickles that are read, processes that are started, files that are written outside
of the run's folder, more than {seconds:g} seconds of the processor, and more than {mib:g} MiB of memory for one case.

{table}

- seeds: {first} to {last}
{origin}

`fuzz.csv` has the same counts.

What this does not show: what another seed or another damage would find; models and configurations that are accepted and
too large to be tried here; environments in processes of their own, TensorBoard and wandb; GPUs. The environment that a
`run.json` names is imported by that name, as the command line does with `--env`: who takes up a stranger's run lets it
choose among the modules that are installed.
"""


def write_report(tried: list[Case], resident: list[float], seconds: float, folder: Path) -> None:
    """Writes fuzz.md and fuzz.csv.

    Args:
        tried: all cases.
        resident: memory of the process after each of them, in MiB.
        seconds: how long it took.
        folder: where the files go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for case in tried:
        outcomes[case.area, case.damage]["finding" if case.finding else case.outcome] += 1
    with (folder / "fuzz.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["area", "damage", "outcome", "cases"])
        for (area, damage), counts in sorted(outcomes.items()):
            writer.writerows([area, damage, outcome, count] for outcome, count in sorted(counts.items()))
    text = PAGE.format(
        summary=summary(tried, resident, seconds),
        seconds=SECONDS,
        mib=MIB,
        table=table(outcomes),
        first=tried[0].seed,
        last=tried[-1].seed,
        origin=origin_list(origin()),
    )
    (folder / "fuzz.md").write_text(text, encoding="utf-8")


def summary(tried: list[Case], resident: list[float], seconds: float) -> str:
    ends = Counter("finding" if case.finding else verdict(case.outcome) for case in tried)
    slowest, largest = max(case.seconds for case in tried), max(case.growth for case in tried)
    found = "; ".join(f"seed {case.seed}: {case.finding.splitlines()[0]}" for case in tried if case.finding)
    return (
        f"{len(tried):,} cases of {sum(map(len, DAMAGES.values()))} kinds of damage in {seconds / 60:.1f} minutes: "
        f"{ends['works']:,} worked, {ends['refused']:,} were refused, {ends[TOO_LARGE]:,} were accepted and too large "
        f"to be tried, **{ends['finding']:,} findings**{f' ({found})' if found else ''}. The slowest took "
        f"{slowest:.1f} seconds of the processor, the largest {largest:.0f} MiB; the process held {resident[0]:.0f} "
        f"MiB after the first case and {resident[-1]:.0f} MiB after the last."
    )


def verdict(outcome: str) -> str:
    """How a case ended that is no finding."""
    return "works" if outcome in WORKED else outcome if outcome == TOO_LARGE else "refused"


def table(outcomes: dict[tuple[str, str], Counter[str]]) -> str:
    """One line for each kind of damage."""
    lines = ["| | damage | cases | works | too large | refused by | findings |", "|:--|:--|--:|--:|--:|:--|--:|"]
    for area, damages in DAMAGES.items():
        for damage in damages:
            counts = outcomes[area, damage]
            works = sum(counts[outcome] for outcome in WORKED)
            errors = [(name, count) for name, count in counts.most_common() if verdict(name) == "refused"]
            refused = ", ".join(f"{name} {count}" for name, count in errors if name != "finding")
            numbers = f"{counts.total()} | {works} | {counts[TOO_LARGE]} | {refused} | {counts['finding']}"
            lines.append(f"| {area} | {damage} | {numbers} |")
    return "\n".join(lines)
