"""The player: controls, the step that is shown, and what the script needs to know of every step."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from memagents.runs.replay import Episode, Replay
from memagents.studies.pages.markup import Markup, element
from memagents.studies.pages.tables import facts
from memagents.studies.replay_page.frames import scenes
from memagents.studies.replay_page.panels import Panel, action_text, components
from memagents.studies.wording import counted, number

FEW = 4
"""Components of an observation that an episode is still named by."""

TELLS = ("sees", "does", "gets", "expects")
"""What is said of a step in words."""

BACK, ON = "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", "\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}"


def player(replay: Replay) -> Markup:
    """A button for each episode, the controls, and the step that is shown: how it looks, and what is seen and done."""
    chosen = [
        element("button", outcome(i, episode), type="button", data_episode=i, aria_pressed="false" if i else "true")
        for i, episode in enumerate(replay.episodes)
    ]
    stage = element("div", scene(replay), controls(len(replay.episodes[0].actions)), class_="stage")
    moment = facts([(name, element("span", id=name)) for name in TELLS])
    return element(
        "section",
        element("div", *chosen, class_="choice", role="group", aria_label="Episodes"),
        element("div", stage, moment, class_="now"),
        id="player",
        aria_label="Player",
    )


def scene(replay: Replay) -> Markup:
    """Where the environment is shown."""
    image, text = element("img", id="image", alt="", hidden="hidden"), element("pre", id="text", hidden="hidden")
    if replay.episodes[0].frames is None:
        return element("div", image, text, class_="scene")
    note = "All of the environment, as it draws itself. What the agent sees of it stands below."
    return element("div", image, text, element("p", note, class_="note"), class_="scene")


def controls(steps: int) -> Markup:
    """Buttons and a slider."""
    return element(
        "div",
        element("button", "Play", type="button", id="play"),
        element("button", BACK, type="button", id="back", aria_label="A step back"),
        element("input", type="range", id="step", min=0, max=steps - 1, value=0, aria_label="Step of the episode"),
        element("button", ON, type="button", id="on", aria_label="A step on"),
        element("output", id="where", for_="step"),
        class_="controls",
    )


def outcome(place: int, episode: Episode) -> str:
    """An episode in a few words."""
    success = {True: ", success", False: ", no success", None: ""}[episode.success]
    _, seen = components(episode.observations)
    begins = f"begins with {observation_text((), seen[0])}, " if seen is not None and seen.shape[1] <= FEW else ""
    return f"Episode {place + 1}: {begins}return {number(episode.total)}, {counted(episode.length, 'step')}{success}"


def moments(replay: Replay, episode: Episode, panels: Sequence[Panel], room: int) -> dict[str, Any]:
    """What the script needs to know of an episode, whose pictures may take `room` bytes."""
    names, seen = components(episode.observations)
    return {
        "steps": len(episode.actions),
        "scenes": scenes(episode, room),
        "sees": [] if seen is None else [observation_text(names, row) for row in seen],
        "does": [action_text(replay, action) for action in episode.actions],
        "gets": [number(float(reward)) for reward in episode.rewards],
        "expects": [number(float(value)) for value in episode.values],
        "panels": {panel.name: panel.to_json() for panel in panels},
    }


def observation_text(names: Sequence[str], row: np.ndarray) -> str:
    """An observation as numbers, with names where it has some."""
    numbers = [f"{value:g}" if value == int(value) else number(float(value)) for value in row]
    if not names:
        return " ".join(numbers)
    return ", ".join(f"{name} {value}" for name, value in zip(names, numbers, strict=True))
