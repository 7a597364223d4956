"""Speed against score: a labelled point for each method."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from memagents.studies.findings import Findings, Overall
from memagents.studies.pages.markup import Markup, element
from memagents.studies.report_page.axes import Axis, padded
from memagents.studies.report_page.lines import BOTTOM, LEFT, RIGHT, TOP, frame

WIDTH, HEIGHT = 390.0, 270.0

LETTER, LINE = 5.8, 12.0
"""About the width and the height of a letter."""

RADIUS = 4.0
"""Of a point."""


@dataclass(frozen=True)
class Box:
    """A place that something takes in the drawing."""

    left: float
    right: float
    top: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether two boxes have a point in common."""
        beside = self.right < other.left or other.right < self.left
        return not (beside or self.bottom < other.top or other.bottom < self.top)

    def overflow(self) -> bool:
        """Whether some of it is outside the plot."""
        return self.left < LEFT or self.right > WIDTH or self.top < 0 or self.bottom > HEIGHT - BOTTOM


def speed(findings: Findings) -> Markup:
    """The drawing. It is hidden from screen readers: tables hold its numbers."""
    found = findings.overall
    speeds = [overall.steps_per_second for overall in found]
    scores = [bound for o in found for bound in (o.iqm.value, o.iqm.low, o.iqm.high) if bound is not None]
    across = Axis(min(speeds) / 1.5, max(speeds) * 1.5, LEFT, WIDTH - RIGHT, logarithmic=True)
    up = Axis(*padded(scores, 0.08), HEIGHT - BOTTOM, TOP)
    x, y = across(np.array(speeds)), up(np.array([overall.iqm.value for overall in found]))
    labels = place_labels([overall.method.name for overall in found], x.tolist(), y.tolist())
    points = [
        point(overall, findings.methods.index(overall.method), float(a), up, label)
        for overall, a, label in zip(found, x, labels, strict=True)
    ]
    return element(
        "svg",
        *frame(across, up, "steps per second (logarithmic)", {}),
        *points,
        viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}",
        class_="scatter",
        aria_hidden="true",
    )


def point(overall: Overall, place: int, x: float, up: Axis, label: Box) -> Markup:
    """A method's point, its interval and its name."""
    y = float(up(overall.iqm.value))
    parts = []
    if overall.iqm.low is not None and overall.iqm.high is not None:
        ends = float(up(overall.iqm.low)), float(up(overall.iqm.high))
        parts.append(element("line", class_="interval", x1=x, x2=x, y1=ends[0], y2=ends[1]))
    parts.append(element("circle", class_="dot", cx=x, cy=y, r=RADIUS))
    parts.append(element("text", overall.method.name, class_="halo", x=label.left, y=label.bottom - 3))
    return element("g", *parts, class_=f"m{place}", data_method=place)


def place_labels(names: Sequence[str], x: Sequence[float], y: Sequence[float]) -> list[Box]:
    """A box for each name beside its point, where possible clear of points and of other names."""
    taken = [Box(a - RADIUS, a + RADIUS, b - RADIUS, b + RADIUS) for a, b in zip(x, y, strict=True)]
    placed = []
    for name, a, b in zip(names, x, y, strict=True):
        candidates = list(around(a, b, LETTER * len(name)))
        placed.append(min(candidates, key=lambda box: box.overflow() + sum(map(box.overlaps, taken))))
        taken.append(placed[-1])
    return placed


def around(x: float, y: float, width: float) -> Iterator[Box]:
    """Boxes near a point, the best first: right, left, above, below, and those a little further off."""
    gap = RADIUS + 3
    for shift in (0.0, -0.7 * LINE, 0.7 * LINE, -1.4 * LINE, 1.4 * LINE):
        top = y - LINE / 2 + shift
        yield Box(x + gap, x + gap + width, top, top + LINE)
        yield Box(x - gap - width, x - gap, top, top + LINE)
    for top in (y - gap - LINE, y + gap):
        yield Box(x - width / 2, x + width / 2, top, top + LINE)
