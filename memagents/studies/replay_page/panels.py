"""What is drawn of an episode: every quantity as cells over time, or as a picture of the present step.

Axes: T steps, G groups of rows (layers, heads), R rows, H and W of a picture.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from memagents.runs.replay import Episode, Replay
from memagents.studies.replay_page.quantities import COUNTERS, KNOWN, Quantity, quantity
from memagents.studies.wording import number

MANY = 64
"""Components of an observation, or actions, that are still shown one by one."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One quantity of one episode.

    Attributes:
        name: of the quantity, alike in all episodes.
        title: its heading.
        meaning: what a reader sees in it.
        values: `[T, G, R]`, or `[T, G, H, W]` where only the present step is shown.
        groups: what each group is; empty texts where there is one.
        rows: what a row is, such as a slot.
        names: of the rows; empty where they are numbered.
        across: what a column of a picture is; empty over time.
        low: the least of the values, or 0.
        high: the most of them, or 0; the larger of the two without their signs is drawn strongest.
    """

    name: str
    title: str
    meaning: str
    values: np.ndarray
    groups: tuple[str, ...]
    rows: str
    names: tuple[str, ...]
    across: str
    low: float
    high: float

    @classmethod
    def of(cls, name: str, known: Quantity, values: np.ndarray) -> "Panel":
        """The panel of a quantity, `[T, ...]`."""
        values = np.nan_to_num(np.asarray(values, np.float64))
        shown = 1 if known.over_time else 2
        leading, axes = values.shape[1:-shown], known.axes[:-shown]
        places = product(*(range(length) for length in leading))
        groups = tuple(", ".join(f"{a} {i}" for a, i in zip(axes, place, strict=True) if a) for place in places)
        low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
        return cls(
            name=name,
            title=known.title,
            meaning=known.meaning,
            values=values.reshape(len(values), len(groups), *values.shape[-shown:]),
            groups=groups if len(groups) > 1 else ("",),
            rows=known.axes[-shown],
            names=known.names,
            across="" if known.over_time else known.axes[-1],
            low=low,
            high=high if high > low else low + 1.0,
        )

    def scale(self) -> str:
        """What the strongest colour stands for."""
        return f"Strongest: {number(max(-self.low, self.high))}." if self.values.any() else ""

    def place(self, index: Sequence[int]) -> str:
        """An entry of one step in words: `head 1, slot 3`."""
        group, row, *column = index
        named = self.names[row] if self.names else f"{self.rows} {row}" if self.rows else ""
        across = [f"{self.across} {column[0]}"] if column else []
        return ", ".join(filter(None, [self.groups[group], named, *across]))

    def largest(self, step: int) -> str:
        """Where the largest entry of a step is, and what it is."""
        values = self.values[step]
        index = np.unravel_index(np.abs(values).argmax(), values.shape)
        value, place = number(float(values[index])), self.place([int(i) for i in index])
        return f"{place} ({value})" if place else value

    def alternative(self) -> str:
        """The panel in words."""
        if not self.values.any():
            return f"{self.title}: 0 at every step."
        first, last = (self.largest(step) if self.values[step].any() else "none" for step in (0, -1))
        end = len(self.values) - 1
        if self.values[0].size == 1:
            return f"{self.title}: {first} at step 0, {last} at step {end}, the last."
        return f"{self.title}: largest at step 0 is {first}; at step {end}, the last, {last}."

    def to_json(self) -> dict[str, Any]:
        """What the script draws: values as 16-bit numbers between `low` and `high`, in base64."""
        share = np.clip((self.values - self.low) / (self.high - self.low), 0, 1)
        encoded = base64.b64encode(np.round(share * 65535).astype("<u2").tobytes()).decode()
        return {
            "title": self.title,
            "shape": self.values.shape,
            "groups": self.groups,
            "rows": self.rows,
            "names": self.names,
            "across": self.across,
            "low": self.low,
            "high": self.high,
            "data": encoded,
        }


def of_episode(replay: Replay, episode: Episode) -> Iterator[Panel]:
    """What the agent saw, expected, chose and got."""
    names, seen = components(episode.observations)
    if seen is not None:
        yield Panel.of("observation", Quantity("It sees", "The observation.", ("component",), names=names), seen)
    chosen, weighed = replay.action_names, episode.probabilities
    if weighed is not None and weighed.shape[1] <= MANY:
        chosen = chosen if len(chosen) == weighed.shape[1] else ()
        words = "How likely it holds each action to be right; it takes the likeliest."
        yield Panel.of("action", Quantity("It does", words, ("action",), names=chosen), weighed)
    elif weighed is None:
        flat = episode.actions.reshape(len(episode.actions), -1)
        yield Panel.of("action", Quantity("It does", "The action.", ("component",)), flat)
    expects = Quantity("It expects", "The return to come, as the critic estimates it.", ("",))
    yield Panel.of("value", expects, episode.values[:, None])
    yield Panel.of("reward", Quantity("It gets", "The reward of the step.", ("",)), episode.rewards[:, None])


def of_memory(replay: Replay, episode: Episode) -> list[Panel]:
    """What the memory held, the most telling first; what is of no size is left out."""
    memory = replay.result.config.memory
    order = {name: place for place, name in enumerate(KNOWN.get(memory, {}))}
    names = [name for name, part in episode.memory.items() if part.size and name not in COUNTERS]
    panels = []
    for name in sorted(names, key=lambda name: order.get(name, len(order))):
        values = episode.memory[name]
        known = quantity(memory, name, values.shape[1:])
        if known.lag is not None and len(values) <= values.shape[-1] + known.lag:
            values = by_step(values, known.lag)
        elif known.lag is not None:
            known = Quantity(known.title, known.meaning, (*known.axes[:-1], "place in the window"))
        panels.append(Panel.of(name, known, values if values.ndim > 1 else values[:, None]))
    return panels


def by_step(attention: np.ndarray, lag: int) -> np.ndarray:
    """Attention by step of the episode, `[T, ..., T]`, from attention by age, `[T, ..., W]`, the oldest first.

    Args:
        attention: of an episode that fits into the window.
        lag: how many steps before the present one the last of them is.
    """
    steps, window = len(attention), attention.shape[-1]
    result = np.zeros((*attention.shape[:-1], steps))
    for t in range(steps):
        seen = t + 1 - lag
        result[t, ..., :seen] = attention[t, ..., window - seen :]
    return result


def components(observations: Any) -> tuple[tuple[str, ...], np.ndarray | None]:
    """The components of observations, `[T, D]`, and their names in dicts; None if they are images, or too many."""
    if isinstance(observations, dict):
        parts = {key: components(part)[1] for key, part in observations.items()}
        flat = {key: part for key, part in parts.items() if part is not None}
        names = [f"{key} {i}" if part.shape[1] > 1 else key for key, part in flat.items() for i in range(part.shape[1])]
        if not flat or len(names) > MANY:
            return (), None
        return tuple(names), np.concatenate(list(flat.values()), axis=1)
    if observations.ndim > 2 or observations.reshape(len(observations), -1).shape[1] > MANY:
        return (), None
    return (), observations.reshape(len(observations), -1).astype(np.float64)


def action_text(replay: Replay, action: Any) -> str:
    """An action in words."""
    if np.ndim(action) or not np.issubdtype(np.asarray(action).dtype, np.integer):
        return " ".join(number(float(part)) for part in np.ravel(action))
    index = int(action)
    return replay.action_names[index] if index < len(replay.action_names) else f"action {index}"
