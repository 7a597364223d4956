"""The whole at a glance: aggregate scores over environments, and the score on each of them."""

from memagents.studies.findings import Cell, Findings
from memagents.studies.naming import Method, Task
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.pages.tables import Entry, Value, table
from memagents.studies.report_page.strips import axis_of, scale, spoken, strip
from memagents.studies.statistics import iqm, mean, median
from memagents.studies.wording import UNKNOWN

AGGREGATES = {"IQM": iqm, "mean": mean, "median": median}

MARKS = {"normalised return": (0.0, 1.0), "success rate": (0.0, 1.0), "mean return": ()}
"""Values of a scale that mean something."""

SHADES = 8
"""Of a cell, from the lowest score on a task to the highest."""


def named(findings: Findings, method: Method) -> Markup:
    """A method's name beside the look of its lines."""
    swatch = element(
        "svg", element("line", class_="mean", x1=1, x2=21, y1=5, y2=5), class_="swatch", aria_hidden="true"
    )
    return element("span", swatch, method.name, class_=f"name m{findings.methods.index(method)}")


def aggregates(findings: Findings) -> Markup:
    """IQM, median and mean of every method over environments."""
    marks = MARKS[findings.scale]
    # On one task the median over tasks is the mean.
    shown = {name: of for name, of in AGGREGATES.items() if of is not median or len(findings.compared) > 1}
    rows = [[(found.estimate(of), found.of_each_seed(of)) for of in shown.values()] for found in findings.overall]
    everything = [entry for row in rows for entry in row]
    axis = axis_of([e for e, _ in everything], [seed for _, seeds in everything for seed in seeds], marks)
    cells: list[list[Entry]] = []
    for found, row in zip(findings.overall, rows, strict=True):
        look = f"m{findings.methods.index(found.method)}"
        strips = [(strip(estimate, seeds, axis, marks, look), spoken(estimate, seeds)) for estimate, seeds in row]
        cells.append([named(findings, found.method), *(element("div", *both, class_="reading") for both in strips)])
    header = ["memory", *(joined(name, scale(axis)) for name in shown)]
    return table(f"{findings.scale.capitalize()} of each memory, best first", header, cells, class_="overall")


def by_task(findings: Findings) -> Markup:
    """The score of every method on every task. What is not told apart from the best of a task is bold."""
    order = [found.method for found in findings.overall] or list(findings.methods)
    rows: list[list[Entry]] = [
        [named(findings, method), *(on_task(findings, task, method) for task in findings.tasks)] for method in order
    ]
    header = ["memory", *(joined(task.name, " ", element("small", task.measure)) for task in findings.tasks)]
    return table("Mean score on each environment", header, rows, class_="by-task")


def on_task(findings: Findings, task: Task, method: Method) -> Value:
    """One entry of `by_task`."""
    cell = findings.cell(task, method)
    if cell is None:
        return Value(UNKNOWN, title="no run is finished")
    cells = [other for other in findings.cells if other.task == task]
    values = [other.score.value for other in cells]
    low, high = min(values), max(values)
    share = (cell.score.value - low) / (high - low) if high > low else 0.0
    best = " best" if is_among_best(cell, cells) else ""
    return Value(spoken(cell.score, cell.scores), class_=f"shade{round(share * SHADES)}{best}")


def is_among_best(cell: Cell, cells: list[Cell]) -> bool:
    """Whether a cell has an interval, and none lies above it."""
    return cell.score.low is not None and not any(other.score.is_above(cell.score) for other in cells)
