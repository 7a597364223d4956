"""Panels of lines, one for each method, which the page's script answers with values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from memagents.studies.pages.markup import Markup, element
from memagents.studies.report_page.axes import Axis
from memagents.studies.wording import compact

LEFT, RIGHT, TOP, BOTTOM = 42.0, 16.0, 10.0, 36.0
"""Room around a plot."""


@dataclass(frozen=True)
class Line:
    """What one method draws.

    Attributes:
        place: of the method, which chooses the look.
        name: of the method.
        x: where there are values.
        y: the values.
        band: lower and upper bounds of their intervals.
        seeds: single runs, drawn thin.
    """

    place: int
    name: str
    x: Float[np.ndarray, " points"]
    y: Float[np.ndarray, " points"]
    band: Float[np.ndarray, "2 points"] | None = None
    seeds: Float[np.ndarray, "seeds points"] | None = None


@dataclass(frozen=True)
class Panel:
    """Lines of all methods, with axes.

    Attributes:
        name: its id in the page.
        lines: what is drawn.
        x: from the least to the most.
        y: likewise.
        x_title: what the values along it are.
        y_title: likewise.
        marks: names of values of y that have a line across the panel.
        size: width and height of the drawing.
    """

    name: str
    lines: Sequence[Line]
    x: tuple[float, float]
    y: tuple[float, float]
    x_title: str
    y_title: str
    marks: dict[str, float]
    size: tuple[float, float] = (360.0, 224.0)


def draw(panel: Panel) -> Markup:
    """The panel as SVG. It is hidden from screen readers, which have the table of its numbers."""
    width, height = panel.size
    across, up = Axis(*panel.x, LEFT, width - RIGHT), Axis(*panel.y, height - BOTTOM, TOP)
    return element(
        "svg",
        *frame(across, up, panel.x_title, panel.marks),
        *(draw_line(line, across, up) for line in panel.lines),
        element("line", class_="cursor", x1=0, x2=0, y1=TOP, y2=height - BOTTOM),
        viewBox=f"0 0 {width:g} {height:g}",
        aria_hidden="true",
        class_="lines",
    )


def frame(across: Axis, up: Axis, x_title: str, marks: dict[str, float]) -> list[Markup]:
    """Grid, ticks, the title of x, and marks."""
    left, right, bottom = across.start, across.end, up.start
    parts = []
    for tick in up.ticks():
        y = float(up(tick))
        parts.append(element("line", class_="grid", x1=left, x2=right, y1=y, y2=y))
        parts.append(element("text", f"{tick:g}", class_="tick", x=left - 6, y=y + 3.5, text_anchor="end"))
    for tick in across.ticks():
        x = float(across(tick))
        parts.append(element("line", class_="axis", x1=x, x2=x, y1=bottom, y2=bottom + 4))
        parts.append(element("text", compact(tick), class_="tick", x=x, y=bottom + 15, text_anchor="middle"))
    parts.append(element("line", class_="axis", x1=left, x2=right, y1=bottom, y2=bottom))
    parts.append(element("text", x_title, class_="title", x=(left + right) / 2, y=bottom + 31, text_anchor="middle"))
    for name, value in marks.items():
        y = float(up(value))
        parts.append(element("line", class_="mark", x1=left, x2=right, y1=y, y2=y))
        # Curves stay between the marks, so names are on the other side of them.
        below = value == min(marks.values()) and len(marks) > 1
        parts.append(element("text", name, class_="tick halo", x=right, y=y + (11 if below else -4), text_anchor="end"))
    return parts


def draw_line(line: Line, across: Axis, up: Axis) -> Markup:
    """A method's seeds, band and mean."""
    x = across(line.x)
    parts = []
    if line.band is not None:
        low, high = up(line.band)
        outline = path(np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]]))
        parts.append(element("path", class_="band", d=f"{outline}Z"))
    if line.seeds is not None:
        parts.append(element("path", class_="seed", d="".join(path(x, seed) for seed in up(line.seeds))))
    parts.append(element("path", class_="mean", d=path(x, up(line.y))))
    return element("g", *parts, class_=f"m{line.place}", data_method=line.place)


def path(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> str:
    """A line through points, as SVG writes it."""
    return "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))


def interactive(panel: Panel, label: str) -> Markup:
    """The panel, where a pointer or the arrow keys ask for values."""
    values = element("div", class_="values", role="status", hidden="hidden")
    return element(
        "div",
        draw(panel),
        values,
        class_="plot",
        tabindex=0,
        role="group",
        aria_label=f"{label} Arrow keys read the values.",
        data_panel=panel.name,
    )


def legend(names: Sequence[str], label: str) -> Markup:
    """A button for each method, which hides and shows it, and two for all of them."""
    swatch = element(
        "svg", element("line", class_="mean", x1=1, x2=25, y1=5, y2=5), class_="swatch", aria_hidden="true"
    )
    buttons = [
        element("button", swatch, name, type="button", class_=f"m{i}", data_method=i, aria_pressed="true")
        for i, name in enumerate(names)
    ]
    both = [
        element("button", f"{verb} all", type="button", class_="every", data_every=verb) for verb in ("show", "hide")
    ]
    return element("div", *buttons, *both, class_="legend", role="group", aria_label=label)


def describe(panel: Panel) -> dict[str, Any]:
    """A panel's values; a place is a share of the panel's width."""
    return {
        "x": panel.x,
        "place": [LEFT / panel.size[0], 1 - RIGHT / panel.size[0]],
        "title": panel.x_title,
        "lines": [
            {
                "method": line.place,
                "name": line.name,
                "x": rounded(line.x),
                "y": rounded(line.y),
                **({} if line.band is None else {"low": rounded(line.band[0]), "high": rounded(line.band[1])}),
            }
            for line in panel.lines
        ],
    }


def rounded(values: Float[np.ndarray, " points"]) -> list[float]:
    """Values with as many digits as are shown."""
    return [float(f"{value:.5g}") for value in values]
