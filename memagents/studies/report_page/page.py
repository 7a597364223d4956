"""The page: its sections in a frame.

All of it is in the one file: style, script, drawings. Its content security policy lets it fetch nothing, and run no
script but its own.
"""

import base64
import hashlib
from importlib.resources import files
from string import Template

from memagents.studies.answers import question
from memagents.studies.findings import Findings
from memagents.studies.report_page.learning import panels
from memagents.studies.report_page.lines import values_of
from memagents.studies.report_page.markup import element, escaped, joined
from memagents.studies.report_page.palette import palette
from memagents.studies.report_page.sections import profile_panel, sections
from memagents.studies.wording import compact, counted, listed

MANY = 8
"""Environments that are still named one by one in the head of the page; the others are below."""


def page(findings: Findings) -> str:
    """The page as HTML."""
    curves = panels(findings)
    profiles = profile_panel(findings)
    shown = sections(findings, curves, profiles)
    style = f"{read('style.css')}\n{palette(findings.methods)}"
    script = read("script.js")
    return Template(read("page.html")).substitute(
        question=escaped(question(findings)),
        tried=escaped(tried(findings)),
        contents=joined(*(element("li", element("a", section.title, href=f"#{section.name}")) for section in shown)),
        sections=joined(*(section.markup() for section in shown)),
        values=values_of([*curves.values(), *([profiles] if profiles else [])]),
        style=style,
        style_hash=source_hash(style),
        script=script,
        script_hash=source_hash(script),
        footer=escaped("Made by memagents report from the run folders of the study; this file needs nothing else."),
    )


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


def read(name: str) -> str:
    """A file beside this one."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def source_hash(source: str) -> str:
    """A hash as a content security policy names a source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
