"""HTML and SVG as text in which nothing from data is ever markup: every text and attribute is escaped, once, here."""

import re
from html import escape
from typing import TypeAlias

EMPTY = frozenset({"circle", "line", "path", "rect", "use", "img", "input"})
"""Elements that are written without an end tag: those that hold nothing."""

FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no document may hold, however they are escaped."""


class Markup(str):
    """Text that is markup already, and so is not escaped again."""

    __slots__ = ()


Attribute: TypeAlias = str | int | float | None


def escaped(text: str) -> Markup:
    """Text as it may stand in an element or in an attribute."""
    return text if isinstance(text, Markup) else Markup(escape(FORBIDDEN.sub("\ufffd", text)))


def element(tag: str, *children: str, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        tag: its name.
        children: texts, which are escaped, and markup, which is not.
        attributes: with `_` for `-`, and with `_` at the end of a word that Python keeps, as `class_`; None leaves one
            out.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escaped(attribute(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag in EMPTY and not children:
        return Markup(f"<{tag}{written}/>")
    return Markup(f"<{tag}{written}>{joined(*children)}</{tag}>")


def joined(*parts: str) -> Markup:
    """Texts and markup, one after the other."""
    return Markup("".join(map(escaped, parts)))


def attribute(value: str | int | float) -> str:
    """A value as an attribute; of a number no more digits than a drawing needs."""
    return f"{round(value, 2):g}" if isinstance(value, float) else str(value)
