"""The page: for each episode a player, what the agent saw and did, and what its memory held, all on one time axis."""

import shlex
from collections.abc import Sequence
from dataclasses import fields

from memagents.runs.config import TrainConfig, short_name
from memagents.runs.replay import LONGEST, Replay
from memagents.studies.origins import origins
from memagents.studies.pages.document import document, read
from memagents.studies.pages.markup import Markup, element, joined
from memagents.studies.pages.tables import bullets, facts, folded
from memagents.studies.replay_page.frames import ROOM
from memagents.studies.replay_page.panels import Panel, of_episode, of_memory
from memagents.studies.replay_page.player import moments, outcome, player
from memagents.studies.replay_page.summary import summary
from memagents.studies.wording import compact, counted, listed

VALUES = 1_000_000
"""Numbers that a page may hold; each takes less than three bytes."""

HOW_TO_READ = (
    "A column is a step of the episode, and a frame is around the step that is shown. Grey is 0; the stronger "
    "the blue, the more; orange is below 0. Point at a cell for its value; click on it, move the slider or press the "
    "arrow keys to go to a step."
)
SEES = "Seen and done"
HOLDS = "What the memory held"
HOLDS_NOTHING = "This memory holds nothing from one step to the next."

NOT_SETTINGS = ("folder", "log", "checkpoint_every")
"""Fields of a configuration that change nothing in the agent."""

MAIN = 6
"""Panels of a memory that are not folded away."""


def page(replay: Replay, note: str = "") -> str:
    """The page as HTML.

    Args:
        replay: what it shows.
        note: what a reader must know of the task, if anything.
    """
    config = replay.result.config
    drawn, left_out = fitting([[*of_episode(replay, e), *of_memory(replay, e)] for e in replay.episodes])
    shown = [section(replay, i, drawn[i]) for i in range(len(replay.episodes))]
    room = ROOM // len(replay.episodes)
    return document(
        kicker="memagents replay",
        title=f"What {config.memory} remembers in {short_name(config.env)}",
        lead=f"{about(replay)} {note}".strip(),
        body=joined(
            element("div", player(replay), element("div", *shown, class_="episodes"), class_="replay"),
            limits(replay, left_out),
            origin(replay),
        ),
        first="player",
        footer="Made by memagents replay from a run folder; this file needs nothing else.",
        style=read(__package__, "style.css"),
        script=read(__package__, "script.js"),
        values=[moments(replay, e, panels, room) for e, panels in zip(replay.episodes, drawn, strict=True)],
    )


def about(replay: Replay) -> str:
    """Which agent it is, and how good."""
    config, result = replay.result.config, replay.result
    options = {**config.env_kwargs, **config.memory_kwargs}
    settings = ", ".join(f"{name} {value}" for name, value in options.items())
    return (
        f"{config.algo.upper()} with {config.memory}{f' ({settings})' if settings else ''}, after "
        f"{compact(result.record['timesteps'])} steps, seed {config.seed}: {result.evaluation.describe()}."
    )


def fitting(episodes: Sequence[Sequence[Panel]]) -> tuple[list[list[Panel]], list[str]]:
    """The panels there is room for, the first ones first, alike in all episodes; and the titles of the others."""
    sizes: dict[str, int] = {}
    titles: dict[str, str] = {}
    for panel in (panel for panels in episodes for panel in panels):
        sizes[panel.name] = sizes.get(panel.name, 0) + panel.values.size
        titles[panel.name] = panel.title
    room, kept = VALUES, set()
    for name, size in sizes.items():
        if size <= room:
            kept.add(name)
            room -= size
    left_out = [titles[name] for name in sizes if name not in kept]
    return [[panel for panel in panels if panel.name in kept] for panels in episodes], left_out


def section(replay: Replay, place: int, panels: Sequence[Panel]) -> Markup:
    """One episode: in short, what was seen and done, and what the memory held."""
    episode = replay.episodes[place]
    of_memory = [panel for panel in panels if panel.name in episode.memory]
    others = [panel for panel in panels if panel.name not in episode.memory]
    told = [element("p", sentence) for sentence in summary(of_memory)]
    if episode.length > len(episode.actions):
        told.append(element("p", f"Only the first {LONGEST:,} of {episode.length:,} steps are shown.", class_="notice"))
    return element(
        "section",
        *([element("div", *told, class_="card short")] if told else []),
        element("h2", SEES),
        element("p", HOW_TO_READ, class_="lead"),
        figures(others),
        element("h2", HOLDS),
        *(memory(of_memory) if of_memory else [element("p", HOLDS_NOTHING)]),
        class_="episode",
        data_episode=place,
        aria_label=outcome(place, episode),
        hidden="hidden" if place else None,
    )


def memory(panels: Sequence[Panel]) -> list[Markup]:
    """The panels of a memory; those that tell less are folded away, if there are others."""
    telling = [panel for panel in panels if not panel.across or panel.name == "memory"][:MAIN] or list(panels)
    rest = [panel for panel in panels if panel not in telling]
    return [figures(telling), *([folded(f"All else it tells ({len(rest)})", figures(rest))] if rest else [])]


def figures(panels: Sequence[Panel]) -> Markup:
    """Panels one below the other."""
    return element("div", *(figure(panel) for panel in panels), class_="heats")


def figure(panel: Panel) -> Markup:
    """A panel's frame, which the script fills, and what it shows in words."""
    caption = element(
        "figcaption",
        element("h3", panel.title),
        element("p", f"{panel.meaning} {panel.scale()} ", element("span", class_="peak")),
    )
    plot = element(
        "div",
        element("canvas", role="img", aria_label=panel.alternative()),
        element("div", class_="marker", hidden="hidden"),
        element("div", class_="values", hidden="hidden"),
        class_=f"plot {'picture' if panel.across else 'heat'}",
        data_panel=panel.name,
    )
    return element("figure", caption, plot)


def limits(replay: Replay, left_out: Sequence[str]) -> Markup:
    """What is not on the page, and what cannot be concluded from it."""
    lines = [
        "What a memory holds is not yet what the agent uses: a place that is read may be ignored, and a cue may take "
        "another way, such as the controller's own cell.",
        f"{counted(len(replay.episodes), 'episode')} of one agent: another seed may remember in another way.",
    ]
    if left_out:
        lines.append(f"Left out to keep the page small: {listed(left_out)}.")
    if replay.result.config.critic_memory == "separate":
        lines.append("The critic has a memory of its own; this is the actor's.")
    return element("section", element("h2", "What this does not show"), bullets(lines))


def origin(replay: Replay) -> Markup:
    """The run, and the seed of these episodes."""
    found = origins([replay.result])
    found.pop("command")  # which may be a script's
    plain = {name: found.pop(name)[0] for name in ("steps", "seeds", "commit", "hardware")}
    versions = ", ".join(f"{name} {values[0]}" for name, values in found.items())
    return element(
        "section",
        element("h2", "How it was made"),
        facts(
            [
                ("to train it again", element("pre", element("code", command(replay.result.config)))),
                *plain.items(),
                ("versions", versions),
                ("seed of these episodes", str(replay.seed)),
                ("actions", "the likeliest, as in evaluations"),
            ]
        ),
    )


def command(config: TrainConfig) -> str:
    """A command line that trains as this run was trained; settings that are the defaults are left out."""
    words = ["memagents", "train"]
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if value == default or field.name in NOT_SETTINGS:
            continue
        words.append(f"--{field.name.replace('_', '-')}")
        if isinstance(value, dict):
            words += [f"{name}={entry}" for name, entry in value.items()]
        elif value is not True:
            words.append(str(value))
    return shlex.join(words)
