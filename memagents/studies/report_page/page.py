"""The page: its sections in a frame."""

from memagents.studies.answers import question
from memagents.studies.findings import Findings
from memagents.studies.pages.document import document, read
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.report_page.learning import panels
from memagents.studies.report_page.lines import describe
from memagents.studies.report_page.palette import palette
from memagents.studies.report_page.sections import Section, profile_panel, sections
from memagents.studies.wording import compact, counted, listed

MANY = 8
"""Environments that are still named one by one in the head of the page; the others are below."""


def page(findings: Findings) -> str:
    """The page as HTML."""
    curves = panels(findings)
    profiles = profile_panel(findings)
    shown = sections(findings, curves, profiles)
    drawn = [*curves.values(), *([profiles] if profiles else [])]
    return document(
        kicker="memagents report",
        title=question(findings),
        lead=tried(findings),
        contents=contents(shown),
        body=joined(*(section.markup() for section in shown)),
        first="answer",
        footer="Made by memagents report from the run folders of the study; this file needs nothing else.",
        style=f"{read(__package__, 'style.css')}\n{palette(findings.methods)}",
        script=read(__package__, "script.js"),
        values={panel.name: describe(panel) for panel in drawn},
    )


def contents(shown: list[Section]) -> Markup:
    """A link to each section."""
    links = (element("li", element("a", section.title, href=f"#{section.name}")) for section in shown)
    return element("nav", element("ul", *links), aria_label="Contents")


def tried(findings: Findings) -> str:
    """What was run, in a line."""
    configs = [run.config for run in findings.runs]
    steps = list(dict.fromkeys(config.timesteps for config in sorted(configs, key=lambda config: config.timesteps)))
    seeds = sorted({len(cell.runs) for cell in findings.cells})
    how_many = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    methods = listed([method.name for method in findings.methods])
    names = [task.name for task in findings.tasks]
    tasks = listed(names) if len(names) <= MANY else counted(len(names), "environment")
    algorithms = listed(list(dict.fromkeys(config.algo.upper() for config in configs)))
    budget = listed([compact(count) for count in steps])
    return f"{counted(len(configs), 'run')}: {methods} on {tasks}; {algorithms}, {how_many}, {budget} steps."
