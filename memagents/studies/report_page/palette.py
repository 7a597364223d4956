"""Colours and line styles of the methods, on light and on dark ground."""

from collections.abc import Sequence

from memagents.studies.curves import COLOURS, STYLES, choose_looks
from memagents.studies.naming import Method

GROUNDS = {"light": "#ffffff", "dark": "#171a1f"}
"""What lines are drawn on; `style.css` calls it --surface."""

CONTRASTS = {"light": 3.0, "dark": 4.5}
"""Of lines with their ground. The Web Content Accessibility Guidelines (1.4.11) ask for 3; on dark ground thin lines
need more to be as clear."""

DASHES = dict(zip(STYLES, ("none", "8 4", "1.5 3.5", "8 3 1.5 3"), strict=True))
"""Matplotlib's line styles as SVG has them."""


def palette(methods: Sequence[Method]) -> str:
    """The style sheet that gives each method, by its class `m0`, `m1` and so on, its colour and dash."""
    grounds = {
        name: " ".join(f"--c{i}: {readable(colour, name)};" for i, colour in enumerate(COLOURS)) for name in GROUNDS
    }
    lines = [
        f":root {{ {grounds['light']} }}",
        f"@media (prefers-color-scheme: dark) {{ :root {{ {grounds['dark']} }} }}",
    ]
    for place, look in enumerate(choose_looks(methods).values()):
        colour, dash = COLOURS.index(look["color"]), DASHES[look["linestyle"]]
        lines.append(f".m{place} {{ --ink: var(--c{colour}); --dash: {dash}; }}")
    return "\n".join(lines)


def readable(colour: str, ground: str) -> str:
    """The colour itself where it stands out from the ground, else the nearest darker or lighter one that does.

    Black becomes white on dark ground: grey would look like one of the colours, faded.
    """
    towards = 0 if ground == "light" else 255
    parts = channels(colour) if any(channels(colour)) else [towards] * 3
    for percent in range(101):
        mixed = [round(part + (towards - part) * percent / 100) for part in parts]
        found = "#" + "".join(f"{part:02x}" for part in mixed)
        if contrast(found, GROUNDS[ground]) >= CONTRASTS[ground]:
            return found
    raise AssertionError("black stands out from light ground, and white from dark")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, from 1 to 21, as the guidelines define it."""
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour, from 0 to 1."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def channels(colour: str) -> list[int]:
    """Red, green and blue of `#0072B2`, from 0 to 255."""
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
