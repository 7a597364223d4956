"""What a study does not show, as far as its own runs tell."""

from collections.abc import Callable, Iterator

from memagents.studies.findings import Cell, Findings
from memagents.studies.statistics import FEWEST_SEEDS
from memagents.studies.wording import counted

MANY_SEEDS = 10
"""Percentile-bootstrap intervals from fewer seeds are too narrow more often than they say."""

ALIKE = 1.1
"""Counts within this factor are as good as equal."""


def caveats(findings: Findings) -> Iterator[str]:
    """Sentences, the gravest first."""
    yield from about_seeds(findings)
    yield from about_fairness(findings)
    yield from about_origin(findings)
    yield (
        "Scores are those of the last model of each run, at its budget and with the settings below: each memory may do "
        "better with others, and what is behind here may be ahead after more steps."
    )
    yield "Steps per second are those of the machine below, with whatever else was running on it."


def about_seeds(findings: Findings) -> Iterator[str]:
    """How far runs and intervals go."""
    if findings.unfinished:
        left_out = counted(len(findings.unfinished), "run")
        yield f"Of this study, {left_out} did not finish, and no figure holds what they would have shown; see below."
    seeds = [len(cell.runs) for cell in findings.cells]
    if min(seeds) < FEWEST_SEEDS:
        yield (
            f"Where there are fewer than {FEWEST_SEEDS} seeds there is no interval, for it would say more about luck "
            "than about the memory; differences between single seeds may be luck altogether."
        )
    if max(seeds) >= FEWEST_SEEDS and min(seeds) < MANY_SEEDS:
        yield (
            f"Intervals from fewer than {MANY_SEEDS} seeds tend to be too narrow, and they are not widened for "
            "comparing several memories at once. They speak of other seeds on the same environments, not of other "
            "environments."
        )


def about_fairness(findings: Findings) -> Iterator[str]:
    """Whether all had the same to work with."""
    if "none" not in {method.memory for method in findings.methods}:
        yield "No agent without memory was tried, so nothing here shows that these environments need one."
    yield from about_budgets(findings)
    if found := furthest_apart(findings, lambda cell: cell.parameters):
        yield "Sizes differ: {} from {} parameters ({}) to {} ({}).".format(*found)


def about_budgets(findings: Findings) -> Iterator[str]:
    """Whether all had as many steps."""
    if found := furthest_apart(findings, lambda cell: cell.runs[0].config.timesteps):
        yield "Budgets differ: {} from {} steps ({}) to {} ({}).".format(*found)


def furthest_apart(findings: Findings, count: Callable[[Cell], int]) -> tuple[str, ...] | None:
    """Where methods differ most in something that can be counted: the task, the least and the most; None if nowhere."""
    by_task = [sorted((cell for cell in findings.cells if cell.task == task), key=count) for task in findings.tasks]
    cells = max(by_task, key=lambda cells: count(cells[-1]) / count(cells[0]))
    least, most = cells[0], cells[-1]
    if count(most) <= ALIKE * count(least):
        return None
    return f"on {least.task.name}", f"{count(least):,}", least.method.name, f"{count(most):,}", most.method.name


def about_origin(findings: Findings) -> Iterator[str]:
    """Whether all runs come from one place, which can be found again."""
    records = [run.record for run in findings.runs]
    if any(record["modified"] for record in records):
        yield "Files differed from the commit when some of these runs began: what ran cannot be looked up in full."
    if any(record["commit"] is None for record in records):
        yield "Some of these runs did not come from a checkout: the version says what ran, but no commit does."
    for what in ("commit", "hardware", "versions"):
        if (several := len({repr(record[what]) for record in records})) > 1:
            yield f"The runs do not all share their {what}: there are {several}, listed below."
