"""What a study says, in sentences that claim no more than its intervals allow."""

import re
from collections.abc import Iterator, Sequence

from memagents.studies.caveats import about_budgets
from memagents.studies.findings import Estimate, Findings, Overall
from memagents.studies.naming import Task
from memagents.studies.statistics import FEWEST_SEEDS
from memagents.studies.wording import counted, figure, listed

VERSION = re.compile(r"-v\d+$")
"""At the end of an id."""

MANY = 5
"""Names that no longer fit into a sentence."""

SCALES = {
    "normalised return": "returns between the best that is possible without memory, 0, and the best possible, 1",
    "success rate": "success rates, for these environments declare no bounds to measure returns by",
    "mean return": "mean returns as they are, for these environments declare no bounds to measure them by",
}


def question(findings: Findings) -> str:
    """What was asked."""
    memories = {method.memory for method in findings.methods}
    algorithms = {method.algo for method in findings.methods}
    what = "algorithm" if len(memories) == 1 and len(algorithms) > 1 else "memory"
    tasks = [VERSION.sub("", task.name) for task in findings.tasks]
    return f"Which {what} for {listed(tasks) if len(tasks) <= 2 else f'these {len(tasks)} environments'}?"


def answer(findings: Findings) -> str:
    """The answer, in one sentence or two."""
    if not findings.overall:
        return "There is no answer yet: on no environment is there a finished run of all that is compared."
    first, *others = findings.overall
    if not others:
        return f"Only {name(first)} was tried. It scores {figure(first.iqm)}; there is nothing to compare it with."
    highest = f"{name(first)} scores highest, {figure(first.iqm)}"
    if first.iqm.low is None:
        return (
            f"{highest}, but that says little. From {counted(len(first.scores), 'seed')} there is no interval, which "
            f"takes at least {FEWEST_SEEDS}, and other seeds may well turn the order round."
        )
    rivals = rivals_of(first, others)
    beaten = [other for other in others if other not in rivals]
    if not rivals:
        average = " on average" if len(findings.compared) > 1 else ""
        return f"{name(first)} is best{average}. The interval of its score, {figure(first.iqm)}, lies above all others."
    if not beaten:
        return f"No clear winner. {highest}, but {doubt(rivals)}."
    than = names(beaten) if len(beaten) < MANY else f"the other {len(beaten)}"
    return f"{highest}, but {doubt(rivals)}. It is better than {than}."


def remarks(findings: Findings) -> Iterator[str]:
    """What must be known beside the answer."""
    yield from about_budgets(findings)
    if not findings.overall or findings.overall[0].iqm.low is None:
        return
    first, *others = findings.overall
    if findings.scale == "normalised return" and not first.iqm.is_above(Estimate(0.0, 0.0, 0.0)):
        yield f"Nothing is shown to do better than is possible without memory: the interval of {name(first)} reaches 0."
    if first.method.memory == "none" and others:
        yield f"{name(first)} remembers nothing: no memory is shown to help here."
    yield from exceptions(findings, first)
    if rivals := rivals_of(first, others):
        alike = [first, *rivals]
        fastest = max(alike, key=lambda found: found.steps_per_second)
        smallest = min(alike, key=lambda found: found.parameters)
        yield (
            f"Of those that are not told apart, {name(fastest)} trains fastest "
            f"({fastest.steps_per_second:,.0f} steps/s), and {'it' if smallest is fastest else name(smallest)} has the "
            f"fewest parameters ({smallest.parameters:,.0f})."
        )


def exceptions(findings: Findings, first: Overall) -> Iterator[str]:
    """The environments on which another is better than the first of all."""
    better = [(task, better_on(findings, task, first)) for task in findings.tasks if len(findings.tasks) > 1]
    found = [(task, methods) for task, methods in better if methods]
    if len(found) >= MANY:
        everywhere = counted(len(findings.tasks), "environment")
        yield f"Not everywhere. On {len(found)} of {everywhere}, others are better than {name(first)}."
    elif found:
        places = [f"{listed(methods)} on {task.name}" for task, methods in found]
        yield f"Not everywhere. By their intervals, better than {name(first)} are {'; '.join(places)}."


def better_on(findings: Findings, task: Task, first: Overall) -> list[str]:
    """The methods whose interval on a task lies above that of the first."""
    ours = findings.cell(task, first.method)
    cells = [cell for cell in findings.cells if cell.task == task]
    return [cell.method.name for cell in cells if ours is not None and cell.score.is_above(ours.score)]


def basis(findings: Findings) -> Iterator[str]:
    """What aggregate scores are made of, and what is not in them."""
    yield f"Scores are {SCALES[findings.scale]}."
    if findings.scale == "mean return" and len(findings.compared) > 1:
        yield "So the environment with the largest returns weighs most."
    if off := [task.name for task in findings.tasks if not findings.is_on_scale(task)]:
        yield f"Not in them: {listed(off)}, which cannot be put on this scale."
    if incomplete := [task.name for task in findings.tasks if findings.is_on_scale(task) and findings.missing(task)]:
        yield f"Not in them: {listed(incomplete)}, where not all that is compared has a finished run."
    used = sum(found.scores.size for found in findings.overall)
    there = sum(len(cell.runs) for cell in findings.cells if cell.task in findings.compared)
    if used < there:
        verb = "is" if there - used == 1 else "are"
        yield f"{counted(there - used, 'run')} {verb} left out, so that each environment counts with as many seeds."


def rivals_of(first: Overall, others: Sequence[Overall]) -> list[Overall]:
    """Those whose interval is not shown to lie below that of the first."""
    return [other for other in others if not first.iqm.is_above(other.iqm)]


def doubt(rivals: Sequence[Overall]) -> str:
    """Why rivals are not told from the first."""
    overlapping = [rival for rival in rivals if rival.iqm.low is not None]
    unknown = [rival for rival in rivals if rival.iqm.low is None]
    reasons = []
    if len(overlapping) == 1:
        reasons.append(f"the interval of {names(overlapping)} overlaps with its own")
    elif overlapping:
        reasons.append(f"the intervals of {names(overlapping)} overlap with its own")
    if unknown:
        reasons.append(f"there are too few seeds of {names(unknown)} for an interval")
    return ", and ".join(reasons)


def name(found: Overall) -> str:
    """What a method is called in a sentence."""
    return found.method.name


def names(found: Sequence[Overall]) -> str:
    """Several methods in a sentence."""
    return listed([overall.method.name for overall in found])
