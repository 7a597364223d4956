"""Colours for pictures of what is many."""

import colorsys


def hues(count: int) -> list[tuple[int, int, int]]:
    """As many colours, each far in hue from those before it: steps of the golden ratio around the circle."""
    turns = [(index * 0.618034) % 1 for index in range(count)]
    red_green_blue = [colorsys.hsv_to_rgb(turn, 0.55, 0.85) for turn in turns]
    return [(round(255 * red), round(255 * green), round(255 * blue)) for red, green, blue in red_green_blue]
