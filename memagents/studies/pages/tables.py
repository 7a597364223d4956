"""Tables: plain ones, and those whose columns sort."""

from collections.abc import Sequence
from dataclasses import dataclass

from memagents.studies.pages.markup import Markup, element, joined


@dataclass(frozen=True)
class Value:
    """An entry of a table.

    Attributes:
        shown: text or markup.
        key: what it is sorted by; None is sorted last.
        class_: how it looks.
        title: what a pointer that rests on it is told.
    """

    shown: str
    key: str | float | int | None = None
    class_: str | None = None
    title: str | None = None


Entry = str | Value

MANY = 30
"""Rows of a table that sorts; with more it scrolls below its head."""


def table(
    caption: str, header: Sequence[Entry], rows: Sequence[Sequence[Entry]], *, sorts: bool = False, class_: str = ""
) -> Markup:
    """A table in a frame of its own, which scrolls where the page is too narrow.

    Args:
        caption: what it shows; also the name of the frame for screen readers.
        header: a heading for each column.
        rows: entries, of which the first is the heading of its row.
        sorts: whether a click on a heading sorts the rows.
        class_: how it looks.
    """
    head = element("thead", element("tr", *(heading(entry, sorts) for entry in header)))
    body = element("tbody", *(element("tr", *row_of(row)) for row in rows))
    whole = element(
        "table", element("caption", caption), head, body, class_=f"{class_} {'sorts' if sorts else ''}".strip()
    )
    long = " long" if sorts and len(rows) > MANY else ""
    return element("div", whole, class_=f"frame{long}", tabindex=0, role="region", aria_label=caption)


def heading(entry: Entry, sorts: bool) -> Markup:
    """The heading of a column."""
    value = entry if isinstance(entry, Value) else Value(entry)
    shown = element("button", value.shown, type="button") if sorts else value.shown
    return element("th", shown, scope="col", class_=value.class_, title=value.title)


def row_of(row: Sequence[Entry]) -> list[Markup]:
    """The entries of a row."""
    values = [entry if isinstance(entry, Value) else Value(entry) for entry in row]
    return [
        element(
            "td" if i else "th",
            value.shown,
            scope=None if i else "row",
            class_=value.class_,
            title=value.title,
            data_key=sorted_by(value.key),
        )
        for i, value in enumerate(values)
    ]


def sorted_by(key: str | float | int | None) -> str | None:
    """A key as the script reads it, with all its digits."""
    return key if key is None or isinstance(key, str) else repr(float(key)).replace("inf", "Infinity")


def folded(summary: str, *content: str) -> Markup:
    """Content behind a line that opens it."""
    return element("details", element("summary", summary), *content)


def facts(pairs: Sequence[tuple[str, str]]) -> Markup:
    """Names with what they are."""
    return element("dl", *(joined(element("dt", name), element("dd", value)) for name, value in pairs))


def bullets(texts: Sequence[str]) -> Markup:
    """A list."""
    return element("ul", *(element("li", text) for text in texts))
