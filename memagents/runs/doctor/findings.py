"""What a check says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["ok", "warning", "broken"]

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Finding:
    """The outcome of a check.

    Attributes:
        verdict: "broken" must be mended; with a "warning" agents train, but something is worth knowing.
        found: what was found, in a line.
        fix: what to do about it; empty if there is nothing to do.
    """

    verdict: Verdict
    found: str
    fix: str = ""


def ok(found: str) -> Finding:
    """All is well."""
    return Finding("ok", found)


def warning(found: str, fix: str) -> Finding:
    """Agents train, but a person should know."""
    return Finding("warning", found, fix)


def broken(found: str, fix: str) -> Finding:
    """Agents trip over it, or learn something wrong."""
    return Finding("broken", found, fix)


def first_line(message: object) -> str:
    """The first line of a message, without the colours that gymnasium adds."""
    lines = COLOURS.sub("", str(message)).strip().splitlines()
    return lines[0] if lines else "no message"


def print_findings(findings: Mapping[str, Finding]) -> None:
    """One line for each check, and below it what to do, where there is something to do."""
    width = max(map(len, findings))
    for name, finding in findings.items():
        print(f"{finding.verdict:7}  {name:{width}}  {finding.found}")
        if finding.fix:
            print(f"{'':7}  {'':{width}}  -> {finding.fix}")
