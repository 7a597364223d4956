"""What `fuzz.py` writes: a count for every kind of damage and what came of it, and the page that sums them up."""

import csv
from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

from fuzz_cases import MIB, SECONDS, Case
from kills import origin, origin_list

ACCEPTED = ("works", "accepted, too large to be tried")
"""Outcomes that are no errors."""

PAGE = """# Damaged files and configurations

*Does anything damaged get into the package, or bring it down?*

{cases:,} cases in {minutes:.1f} minutes, {kinds} kinds of damage in turn, each case by a seed of its own:
**{findings}**. A finding is anything but a result that can be used or a typed error that says what is wrong: an error
of another kind, a pickle that is read, a process that is started, a file that is written elsewhere, more than
{seconds:g} seconds of processor time or {mib:g} MiB of memory.

| what was damaged | cases | worked all the same | too large to be tried | refused, with the reason | findings |
|:--|--:|--:|--:|--:|--:|
{rows}

*Too large to be tried*: configurations and files that are in order and ask for more than this test can pay for.

The errors were: {errors}.

The longest case took {longest:.1f} seconds of processor time; memory grew by {growth:.0f} MiB
at most in a case, and the process had {first:.0f} MiB on average over the first tenth of the cases and {last:.0f} MiB
over the last.

{origin}
- seeds: {seeds}

[fuzz.csv](fuzz.csv) has a line for every kind of damage, way in and outcome.

What this does not show: damage of kinds that nobody thought of, larger files, and other systems than Linux. A file that
was damaged and then given right hashes again can hold other finite numbers than before; nothing could tell.
"""


def write_report(options: Any, tried: list[Case], memories: list[float], seconds: float) -> None:
    """Writes `fuzz.md` and `fuzz.csv`.

    Args:
        options: of `fuzz.py`.
        tried: the cases, in order.
        memories: MiB in use after each.
        seconds: how long all took.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    write_counts(tried, options.folder / "fuzz.csv")
    tenth = max(1, len(memories) // 10)
    found = sum(bool(case.finding) for case in tried)
    page = PAGE.format(
        cases=len(tried),
        minutes=seconds / 60,
        kinds=len({(case.area, case.damage) for case in tried}),
        findings=f"{found} findings" if found else "no findings",
        seconds=SECONDS,
        mib=MIB,
        rows="\n".join(row(area, tried) for area in dict.fromkeys(case.area for case in tried)),
        errors=", ".join(f"{name} {count:,}" for name, count in errors(tried).most_common()),
        longest=max(case.seconds for case in tried),
        growth=max(case.growth for case in tried),
        first=mean(memories[:tenth]),
        last=mean(memories[-tenth:]),
        origin=origin_list(origin()),
        seeds=f"{tried[0].seed} to {tried[-1].seed}",
    )
    (options.folder / "fuzz.md").write_text(page, encoding="utf-8")
    print(page)


def kind(case: Case) -> str:
    """How a case counts in the table."""
    if case.finding:
        return "finding"
    return case.outcome if case.outcome in ACCEPTED else "refused"


def row(area: str, tried: list[Case]) -> str:
    """An area in the table."""
    counts = Counter(kind(case) for case in tried if case.area == area)
    columns = [counts.total(), *(counts[name] for name in (*ACCEPTED, "refused", "finding"))]
    return f"| {area} | {' | '.join(f'{count:,}' for count in columns)} |"


def errors(tried: list[Case]) -> Counter[str]:
    """How often each error refused something."""
    return Counter(case.outcome for case in tried if kind(case) == "refused")


def write_counts(tried: list[Case], path: Path) -> None:
    """A line for every kind of damage, way in and outcome."""
    counts = Counter((case.area, case.damage, case.entry, case.outcome, bool(case.finding)) for case in tried)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["area", "damage", "entry", "outcome", "finding", "cases"])
        writer.writerows([*key, count] for key, count in sorted(counts.items()))
