"""What stands on the page, from the answer to where the numbers come from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from memagents.studies.answers import answer, basis, remarks
from memagents.studies.caveats import caveats
from memagents.studies.curves import COLOURS
from memagents.studies.findings import POINTS, Estimate, Findings
from memagents.studies.naming import Task
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.pages.tables import bullets, folded, table
from memagents.studies.report_page.comparisons import improvements, profiles
from memagents.studies.report_page.lines import Line, Panel, interactive, legend
from memagents.studies.report_page.origin import configuration, every_run, origin, unfinished
from memagents.studies.report_page.overview import aggregates, by_task
from memagents.studies.report_page.results import results
from memagents.studies.report_page.speed import speed
from memagents.studies.wording import UNKNOWN, compact, counted, figure

SAMPLES = 5
"""Columns in the table of a panel's numbers."""

AGGREGATES = (
    "IQM, the interquartile mean, is the mean over all runs on all environments but the lowest and the highest "
    "quarter; the median is over environments, of means over seeds. Brackets and bars: 95 % stratified bootstrap "
    "intervals. Short lines: single seeds."
)
CURVES = (
    "Thick: mean over seeds. Band: its 95 % bootstrap interval, from three seeds on. Thin: every seed. A point is "
    "the mean over the episodes that ended last, 100 of them by default. Point at a panel, or go to it and press "
    "the arrow keys, for values; a name hides or shows its curves."
)
BY_TASK = "Bold: no other interval on that environment lies above. Shade: from the lowest to the highest score there."
PROFILES = "The share of all runs that score more than a threshold. A curve above another is better at that level."
ODDS = (
    "How likely a run of the memory on the left scores more than one of the memory above, averaged over environments. "
    "Bold: the 95 % interval leaves out one half."
)
SPEED = "IQM with its interval against speed while training; what is further up and further right is better and faster."


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        name: its id.
        title: its heading.
        content: what stands below.
    """

    name: str
    title: str
    content: Markup

    def markup(self) -> Markup:
        """The section as HTML."""
        heading = element("h2", self.title, id=f"{self.name}-title")
        return element("section", heading, self.content, id=self.name, aria_labelledby=f"{self.name}-title")


def sections(findings: Findings, curves: Mapping[Task, Panel], profile: Panel | None) -> list[Section]:
    """All that there is to show."""
    found = [Section("answer", "Answer", the_answer(findings))]
    if curves:
        found.append(Section("curves", "Learning curves", learning(findings, curves)))
    if len(findings.tasks) > 1:
        found.append(Section("environments", "Environment by environment", joined(lead(BY_TASK), by_task(findings))))
    found.append(Section("results", "All results", results(findings)))
    if profile is not None:
        found.append(Section("comparison", "Against each other", against(findings, profile)))
    found.append(Section("limits", "What this does not show", bullets(list(caveats(findings)))))
    found.append(Section("origin", "How it was made", made(findings)))
    return found


def the_answer(findings: Findings) -> Markup:
    """The verdict, what must be known beside it, and the scores it rests on."""
    parts = [element("p", answer(findings), class_="verdict"), *(element("p", remark) for remark in remarks(findings))]
    if findings.unfinished:
        link = element("a", "Which and why", href="#unfinished")
        left_out = f"{counted(len(findings.unfinished), 'run')} not finished, and so in no figure. "
        parts.append(element("p", left_out, link, class_="notice"))
    if findings.overall:
        parts += [aggregates(findings), lead(" ".join([*basis(findings), AGGREGATES]))]
    return element("div", *parts, class_="card")


def learning(findings: Findings, curves: Mapping[Task, Panel]) -> Markup:
    """A panel for each environment, below one legend."""
    buttons = legend([method.name for method in findings.methods], "Show or hide the curves of a memory")
    figures = [figure_of(task.name, panel, panel.y_title) for task, panel in curves.items()]
    return joined(lead(CURVES), buttons, element("div", *figures, class_=f"panels{crowded(findings)}"))


def crowded(findings: Findings) -> str:
    """A class for figures of so many methods that bands and seeds must stand back."""
    return " crowded" if len(findings.methods) > len(COLOURS) else ""


def figure_of(title: str, panel: Panel, subtitle: str) -> Markup:
    """A panel with its title, and its numbers as a table."""
    caption = element("figcaption", element("h3", title), element("p", subtitle))
    return element("figure", caption, interactive(panel, f"{title}, {panel.y_title}."), numbers(title, panel))


def numbers(title: str, panel: Panel) -> Markup:
    """Some of the values that a panel shows."""
    low, high = panel.x
    samples = np.linspace(low, high, SAMPLES + 1)[1:].tolist()
    rows = [[line.name, *(value_at(line, x, (high - low) / POINTS) for x in samples)] for line in panel.lines]
    header = ["memory", *map(compact, samples)]
    return folded("Numbers", table(f"{title}: {panel.y_title}, at {panel.x_title}", header, rows))


def value_at(line: Line, x: float, slack: float) -> str:
    """The value and its interval where a line has one nearest to x; a dash further beyond its ends than the slack."""
    if not line.x[0] - slack <= x <= line.x[-1] + slack:
        return UNKNOWN
    i = int(np.abs(line.x - x).argmin())
    bounds = None if line.band is None else line.band[:, i]
    return figure(Estimate.of(float(line.y[i]), bounds))


def profile_panel(findings: Findings) -> Panel | None:
    """The performance profiles, if there is more than one method to compare."""
    return profiles(findings) if len(findings.overall) > 1 else None


def against(findings: Findings, profile: Panel) -> Markup:
    """Profiles, speed against score, and probabilities of improvement."""
    caption = element("figcaption", element("h3", "Speed against score"), element("p", SPEED))
    drawing = element("figure", caption, speed(findings), speeds(findings))
    buttons = legend([method.name for method in findings.methods], "Show or hide a memory")
    return joined(
        buttons,
        element(
            "div",
            figure_of("Performance profiles", profile, PROFILES),
            drawing,
            class_=f"pair{crowded(findings)}",
        ),
        element("h3", "Probability of improvement"),
        lead(ODDS),
        improvements(findings),
    )


def speeds(findings: Findings) -> Markup:
    """The numbers of speed against score."""
    rows = [[o.method.name, f"{o.steps_per_second:,.0f}", figure(o.iqm)] for o in findings.overall]
    return folded("Numbers", table("Speed against score", ["memory", "steps/s", "IQM"], rows))


def made(findings: Findings) -> Markup:
    """Origin, settings and runs."""
    parts = [origin(findings)]
    if findings.unfinished:
        title = element("h3", "Not finished", id="unfinished")
        parts += [title, unfinished(findings)]
    parts.append(folded("Settings, with their defaults", configuration(findings)))
    parts.append(folded(f"All {counted(len(findings.runs), 'finished run')}", every_run(findings)))
    return joined(*parts)


def lead(text: str) -> Markup:
    """What one must know to read what follows."""
    return element("p", text, class_="lead")
