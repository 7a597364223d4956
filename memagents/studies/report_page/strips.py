"""Points with intervals on one line, as wide as the cell they stand in."""

from collections.abc import Sequence

from memagents.studies.findings import Estimate
from memagents.studies.pages.markup import Markup, element
from memagents.studies.report_page.axes import Axis, padded
from memagents.studies.wording import interval_of, number


def axis_of(estimates: Sequence[Estimate], seeds: Sequence[float], marks: Sequence[float]) -> Axis:
    """An axis in percent of the width, on which all of them have room."""
    bounds = [bound for e in estimates for bound in (e.value, e.low, e.high) if bound is not None]
    return Axis(*padded([*bounds, *seeds, *marks]), 0.0, 100.0)


def strip(estimate: Estimate, seeds: Sequence[float], axis: Axis, marks: Sequence[float], look: str) -> Markup:
    """The estimate, its interval and every seed; hidden from screen readers, for the numbers stand beside it."""
    parts = [tall("mark", mark, axis) for mark in marks]
    parts += [tall("single", seed, axis) for seed in seeds]
    if estimate.low is not None and estimate.high is not None:
        low, high = percent(axis, estimate.low), percent(axis, estimate.high)
        parts.append(element("line", class_="interval", x1=low, x2=high, y1="50%", y2="50%"))
    parts.append(element("circle", class_="dot", cx=percent(axis, estimate.value), cy="50%", r=3.5))
    return element("svg", *parts, class_=f"strip {look}", aria_hidden="true")


def tall(class_: str, value: float, axis: Axis) -> Markup:
    """A vertical line; one of a single run is short."""
    top, bottom = ("28%", "72%") if class_ == "single" else ("0%", "100%")
    return element("line", class_=class_, x1=percent(axis, value), x2=percent(axis, value), y1=top, y2=bottom)


def scale(axis: Axis) -> Markup:
    """The axis's ticks, for the head of a column of strips."""
    ticks = [
        element("text", f"{tick:g}", x=percent(axis, tick), y="85%", text_anchor="middle") for tick in axis.ticks(3)
    ]
    return element("div", element("svg", *ticks, class_="strip scale", aria_hidden="true"), class_="reading")


def percent(axis: Axis, value: float) -> str:
    """A place on the axis as SVG writes it."""
    return f"{float(axis(value)):.2f}%"


def spoken(estimate: Estimate, seeds: Sequence[float] = ()) -> Markup:
    """The estimate as text, with every seed where there is no interval."""
    beside = interval_of(estimate) or (f"({' '.join(map(number, seeds))})" if len(seeds) > 1 else "")
    return element("span", element("b", number(estimate.value)), " ", element("small", beside), class_="figures")
