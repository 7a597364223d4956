"""The frame of a page.

All of it is in the one file: style, script, drawings. Its content security policy lets it fetch nothing, and run no
script but its own.
"""

import base64
import hashlib
import json
from importlib.resources import files
from string import Template
from typing import Any

from memagents.studies.pages.markup import Markup, element, escaped


def document(
    *,
    kicker: str,
    title: str,
    lead: str,
    body: Markup,
    first: str,
    footer: str,
    style: str,
    script: str,
    values: Any,
    contents: str = "",
) -> str:
    """A page as HTML.

    Args:
        kicker: what kind of page it is, above the title.
        title: its heading.
        lead: what it is about, in a line.
        body: its sections.
        first: the id of the section to which one may skip.
        footer: its last line.
        style: its own style sheet, after that of all pages.
        script: its script.
        values: what the script needs to know, as JSON in an element of id `values`.
        contents: links to its sections.
    """
    style = f"{read(__package__, 'style.css')}\n{style}"
    return Template(read(__package__, "document.html")).substitute(
        kicker=escaped(kicker),
        title=escaped(title),
        lead=escaped(lead),
        first=escaped(first),
        contents=contents,
        body=body,
        footer=escaped(footer),
        values=as_json(values),
        style=style,
        style_hash=source_hash(style),
        script=script,
        script_hash=source_hash(script),
    )


def as_json(values: Any) -> Markup:
    """Values for a script, which cannot be taken for markup."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return element("script", Markup(text), type="application/json", id="values")


def read(package: str | None, name: str) -> str:
    """A file of a package."""
    assert package is not None
    return files(package).joinpath(name).read_text(encoding="utf-8")


def source_hash(source: str) -> str:
    """A hash as a content security policy names a source."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
