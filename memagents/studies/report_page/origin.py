"""Where the numbers come from: settings, commands, versions, machines, and every run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from memagents.runs.results import RunResult
from memagents.studies.findings import Cell, Findings
from memagents.studies.origins import commit, origins
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.pages.tables import Entry, Value, facts, table
from memagents.studies.report_page.overview import named
from memagents.studies.wording import UNKNOWN, listed, number

NO_SETTINGS = ("env", "memory", "algo", "seed", "folder")
"""Fields of a configuration that say which run it is."""

NESTED = ("memory_kwargs", "encoder_kwargs", "env_kwargs", "algo_kwargs")
"""Settings that are shown one by one; those of the algorithm with their defaults."""

SHORT = 10
"""Letters of a commit that tell it from others."""


def origin(findings: Findings) -> Markup:
    """Steps, seeds, commits, machines, versions and commands; more than one of each where runs differ."""
    found = origins(findings.runs)
    lines = [element("pre", element("code", command)) for command in found.pop("command")]
    plain = {name: found.pop(name) for name in ("steps", "seeds", "commit", "hardware")}
    versions = ", ".join(f"{name} {' or '.join(values)}" for name, values in found.items())
    return facts(
        [
            ("command" if len(lines) == 1 else "commands", joined(*lines)),
            *((name, ", ".join(values)) for name, values in plain.items()),
            ("versions", versions),
        ]
    )


def configuration(findings: Findings) -> Markup:
    """Every setting that was asked for or held by default, and where runs differ which of them had what."""
    settings = [dict(settings_of(run)) for run in findings.runs]
    names = dict.fromkeys(name for setting in settings for name in setting)
    rows = [[element("code", name), values(findings, [s.get(name, UNKNOWN) for s in settings])] for name in names]
    return table("Settings, with their defaults", ["setting", "value"], rows, class_="settings")


def settings_of(run: RunResult) -> Iterator[tuple[str, str]]:
    """The settings of a run as text."""
    config: dict[str, Any] = run.record["config"]
    for name, value in config.items():
        if name in NESTED:
            yield from ((f"{name}.{key}", show(entry)) for key, entry in value.items())
        elif name not in NO_SETTINGS:
            yield name, show(value)
    arguments: dict[str, Any] = run.record.get("algorithm", {}).get("arguments", {})
    for name, value in arguments.items():
        if name not in config:
            yield f"algo_kwargs.{name}", show(value)


def show(value: Any) -> str:
    """A value as JSON has it, which is how it is recorded."""
    return value if isinstance(value, str) else json.dumps(value)


def values(findings: Findings, of_runs: list[str]) -> Markup:
    """One value, or each with what it belongs to: methods or environments, whichever it goes with."""
    distinct = list(dict.fromkeys(of_runs))
    if len(distinct) == 1:
        return element("code", distinct[0])
    of_run = {run.folder: value for run, value in zip(findings.runs, of_runs, strict=True)}
    parts = [joined(element("code", value), f" {where(findings, of_run, value)}") for value in distinct]
    return joined(*(element("div", part) for part in parts))


def where(findings: Findings, of_run: dict[Path, str], value: str) -> str:
    """The methods or environments that alone have a value; empty if it goes with neither."""

    def having(cells: list[Cell]) -> bool:
        return all(of_run[run.folder] == value for cell in cells for run in cell.runs)

    for axis, names in (("method", findings.methods), ("task", findings.tasks)):
        groups = {of.name: [cell for cell in findings.cells if getattr(cell, axis) == of] for of in names}
        alone = [name for name, cells in groups.items() if having(cells)]
        covered = sum(len(cell.runs) for name in alone for cell in groups[name])
        if covered == list(of_run.values()).count(value):
            return f"({listed(alone)})"
    return ""


def every_run(findings: Findings) -> Markup:
    """A row for each finished run."""
    numbers = [Value(name, class_="number") for name in ("seed", "score", "steps", "seconds")]
    header: list[Entry] = ["folder", "memory", "environment", *numbers, "begun (UTC)", "commit"]
    rows = [row(findings, cell, run) for cell in findings.cells for run in cell.runs]
    return table("Finished runs", header, rows, sorts=True, class_="runs")


def row(findings: Findings, cell: Cell, run: RunResult) -> list[Entry]:
    """What there is to say of one run."""
    record = run.record
    return [
        below(findings, run.folder),
        Value(named(findings, cell.method), cell.method.name),
        cell.task.name,
        *(
            Value(shown, value, "number")
            for shown, value in (
                (str(run.config.seed), run.config.seed),
                (number(run.score), run.score),
                (f"{record['timesteps']:,}", record["timesteps"]),
                (f"{record['seconds']:,.0f}", record["seconds"]),
            )
        ),
        record["started"].removesuffix("+00:00").replace("T", " "),
        element("code", commit(record)[:SHORT], " with changes" if record["modified"] else "", title=commit(record)),
    ]


def unfinished(findings: Findings) -> Markup:
    """A row for each run that is not finished, with why."""
    rows = [[below(findings, folder), reason] for folder, reason in findings.unfinished.items()]
    return table("Runs that are in no figure", ["folder", "why"], rows, class_="runs")


def below(findings: Findings, folder: Path) -> str:
    """A run's folder within the study."""
    return folder.absolute().relative_to(findings.root).as_posix()
