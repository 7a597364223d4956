"""Methods against each other: performance profiles and probabilities of improvement."""

import itertools

import numpy as np

from memagents.studies.findings import Estimate, Findings, Overall
from memagents.studies.pages.markup import Markup, joined
from memagents.studies.pages.tables import Entry, Value, folded, table
from memagents.studies.report_page.axes import padded
from memagents.studies.report_page.lines import Line, Panel
from memagents.studies.report_page.overview import named
from memagents.studies.statistics import FEWEST_SEEDS, interval, profile
from memagents.studies.wording import figure

SIZE = (390.0, 270.0)
"""Of the drawing, as that of speed beside it."""

THRESHOLDS = 81
"""Of a performance profile."""

SHADES = 8
"""Of a probability, from 0 to 1; the one in the middle is no shade."""


def profiles(findings: Findings) -> Panel:
    """For each method the share of runs that score more than a threshold, over thresholds."""
    scores = np.concatenate([found.scores.ravel() for found in findings.overall])
    low, high = padded(scores.tolist(), share=0.02)
    thresholds = np.linspace(low, high, THRESHOLDS)
    lines = []
    for found in findings.overall:
        shares = profile(found.scores, thresholds)
        enough = len(found.scores) >= FEWEST_SEEDS
        band = interval(lambda drawn: profile(drawn, thresholds), found.scores, resamples=1_000) if enough else None
        lines.append(Line(findings.methods.index(found.method), found.method.name, thresholds, shares, band))
    return Panel(
        "profiles", lines, (low, high), (-0.02, 1.02), findings.scale, "share of runs that score more", {}, SIZE
    )


def improvements(findings: Findings) -> Markup:
    """How likely a run of the method of a row is better than one of the method of a column, as a matrix."""
    header: list[Entry] = ["is better than", *(Value(found.method.name, class_="turned") for found in findings.overall)]
    found = findings.overall
    upper = {(i, j): found[i].improvement_on(found[j]) for i, j in itertools.combinations(range(len(found)), 2)}
    odds = upper | {(j, i): estimate.complement for (i, j), estimate in upper.items()}
    rows: list[list[Entry]] = [
        [named(findings, one.method), *(improvement(one, other, odds.get((i, j))) for j, other in enumerate(found))]
        for i, one in enumerate(found)
    ]
    caption = "How likely a run of the memory on the left scores more than one of the memory above"
    in_full = [
        [one.method.name, *(figure(odds[i, j]) if i != j else "" for j in range(len(found)))]
        for i, one in enumerate(found)
    ]
    return joined(
        table(caption, header, rows, class_="matrix"),
        folded("With intervals", table(f"{caption}, with intervals", ["", *(o.method.name for o in found)], in_full)),
    )


def improvement(found: Overall, other: Overall, estimate: Estimate | None) -> Value:
    """One entry of the matrix; bold where the interval leaves out one half, empty on the diagonal."""
    if estimate is None:
        return Value("")
    told = estimate.low is not None and estimate.high is not None and not estimate.low <= 0.5 <= estimate.high
    text = f"{estimate.value:.2f}"
    title = f"{found.method.name} over {other.method.name}: {figure(estimate)}"
    return Value(text, class_=f"odds{round(estimate.value * SHADES)}{' best' if told else ''}", title=title)
