"""A picture and a page of every family of environments, and one page of them all.

    python scripts/gallery.py

Shows what `environments_speed.py` and `environments_learning.py` have measured, as far as they have. Writes
`results/environments/README.md`, and `<family>.md` and `<family>.png` for every family.
"""

import csv
import inspect
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
import tyro
from matplotlib.axes import Axes
from memagents_envs import FAMILIES, BatchedEnv
from memagents_envs.batched import PIXELS_PER_CELL

from memagents.studies.statistics import mean_interval

FRAMES = 6
"""Moments of an episode that a picture shows."""

GRADES = ("Easy", "Medium", "Hard")

INDEX = """# Environments

*Which environments need memory, for what, and how much of it?*

{table}

Each family is one file of [envs/memagents_envs](../../envs/memagents_envs), one NumPy implementation that is both the
batched and the single environment. The figures are of the Easy grade. *Best* is the expected return of the best policy
that sees the hidden state; *bound* that of the best policy that sees the present observation alone, or more: each page
has the argument (Concentration's is that of a class of such policies, and no bound for all). *Random*: random actions.
*None* and *{memory}*: PPO without memory after {none_steps} steps and with one after {memory_steps}, the last model
over {episodes} episodes in environments it has not seen. {spread} Settings:
{settings}; all else is the package's default. {unlearned}

*Steps/s*: {num_envs} environments behind SB3's `VecEnv`, random actions, one core, and how many times that is what
POPGym's environment of the same rules makes through `DummyVecEnv`: the median over {rounds} alternating rounds, and the
range. All runs were made while other programs ran on the machine.

What this does not show: what a memory is worth on the harder grades, other algorithms, or learning that was tuned.
Finished runs are kept and not repeated, so agents may have been trained at earlier commits than that of learning.csv:
each row of it names its own.

- learning.csv: {learning_origin}
- speed.csv: {speed_origin}
"""

PAGE = """# {family}

*{tests}. What makes it harder: {knob}.*

![{family}]({family}.png)

*An episode of the oracle, who sees the hidden state.*

{rules}

{grades}

{speeds}

[All families](README.md)
"""


SPREAD = "Mean over seeds with the 95 % percentile-bootstrap interval of the mean, then every seed."

ONE_SEED = "One seed each; ± is the standard error over its episodes, and says nothing about other seeds."


@dataclass(frozen=True)
class Options:
    """What is shown."""

    folder: Path = Path("results/environments")
    """Where the measurements are, and the pages go."""


Rows = list[dict[str, str]]


def read(file: Path) -> Rows:
    """The rows of a table; none where it has not been made."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def make(env_id: str, **kwargs: Any) -> BatchedEnv:
    env: Any = gym.make_vec(f"memagents_envs:{env_id}", num_envs=1, vectorization_mode="vector_entry_point", **kwargs)
    return env  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Moment:
    """One step of an episode, as colours and as text."""

    step: int
    picture: np.ndarray
    text: list[str]


def moments(family: str) -> list[Moment]:
    """Steps of an episode of the oracle, spread evenly over it."""
    modes = ("rgb_array", "ansi")
    colours, characters = (make(f"MemAgents/{family}Easy-v0", render_mode=mode) for mode in modes)
    colours.reset(seed=3)
    characters.reset(seed=3)
    seen: list[Moment] = []
    ended = False
    while not ended:
        pictures, texts = colours.render() or (), characters.render() or ()
        seen += [Moment(len(seen), np.asarray(pictures[0]), str(texts[0]).split("\n"))]
        actions = colours.oracle()
        _, _, terminated, truncated, _ = colours.step(actions)
        characters.step(actions)
        ended = bool(terminated[0] or truncated[0])
    return [seen[step] for step in np.unique(np.linspace(0, len(seen) - 1, FRAMES).round().astype(int))]


def draw(family: str, file: Path) -> None:
    """The moments beside or below each other, whichever way they are larger."""
    shown = moments(family)
    height, width = shown[0].picture.shape[:2]
    columns = 1 if width > 10 * height else 2 if width > 3 * height else 3 if width > height else len(shown)
    rows = -(-len(shown) // columns)
    # An inch shows four cells, unless that makes the page too wide or too high.
    inches = min(9.0 / (columns * width), 9.0 / (rows * height), 1 / (4 * PIXELS_PER_CELL))
    size = (columns * (width * inches + 0.15), rows * (height * inches + 0.35))
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, moment in zip(axes.flat, shown, strict=False):
        axis.imshow(moment.picture, interpolation="nearest")
        axis.set_title(f"step {moment.step}", fontsize=8, color="#555")
        write(axis, moment, font_size=min(11.0, 0.5 * PIXELS_PER_CELL * inches * 72))
    figure.savefig(file, dpi=110)
    plt.close(figure)


def write(axis: Axes, moment: Moment, font_size: float) -> None:
    """The character of every cell, dark on bright colours and bright on dark ones."""
    if font_size < 4 or len(moment.picture) != PIXELS_PER_CELL * len(moment.text):
        return
    half = PIXELS_PER_CELL // 2
    for line, characters in enumerate(moment.text):
        for column, character in enumerate(characters):
            y, x = PIXELS_PER_CELL * line + half, PIXELS_PER_CELL * column + half
            ink = "#222" if moment.picture[y, x].mean() > 120 else "#eee"
            axis.text(x, y, character, color=ink, fontsize=font_size, ha="center", va="center")


def rules(family: str) -> str:
    """The text of the class: everything before its arguments."""
    text = inspect.getdoc(FAMILIES[family].family) or ""
    return text.partition("\nArgs:")[0].strip()


def table(head: list[str], rows: list[list[str]], words: int = 1) -> str:
    """In Markdown; columns after the first `words` are numbers."""
    rule = "|" + ":--|" * words + "--:|" * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, *rows]).replace("\n", f"\n{rule}\n", 1)


def grades(family: str) -> str:
    """One row for each id: its knobs, its bounds, and what must be remembered."""
    rows = []
    for grade in GRADES:
        env_id = f"MemAgents/{family}{grade}-v0"
        env = make(env_id)
        knobs = ", ".join(f"{name}={value!r}" for name, value in FAMILIES[family].family.grades[grade].items())
        bounds = [f"{env.best_return:.3f}", f"{env.memoryless_return:.3f}"]
        rows.append([f"`{env_id}`", knobs, *bounds, f"{env.memory_steps:,}", f"{env.memory_bits:,.0f}"])
    return table(["id", "knobs", "best return", "without memory", "steps to remember", "bits to remember"], rows, 2)


def speed(row: dict[str, str]) -> str:
    """Steps/s, and how many times a peer's."""
    beside = f" ({row['ratio']} x, {row['ratio_min']} to {row['ratio_max']})" if row["ratio"] else ""
    return f"{int(row['steps_per_second']):,}{beside}"


def speeds(family: str, rows: Rows) -> str:
    """Steps/s by number of environments."""
    own = [row for row in rows if row["family"] == family]
    lines = [[f"{int(row['num_envs']):,}", speed(row), row["peer"] or "none"] for row in own]
    head = ["environments", "steps/s (times POPGym's)", "POPGym's environment"]
    return table(head, lines, 0) if lines else "Speed: not measured."


def seeds(rows: Rows) -> str:
    """Mean, interval and every seed; of a single one, the standard error over its episodes."""
    returns = np.array([float(row["mean_return"]) for row in rows])
    if not len(returns):
        return "not run"
    if len(returns) == 1:
        return f"{returns[0]:.2f} ± {float(rows[0]['standard_error']):.2f}"
    interval = mean_interval(returns)
    bounds = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return f"{returns.mean():.2f}{bounds} ({' '.join(f'{value:.2f}' for value in returns)})"


def index(learning: Rows, fast: Rows) -> str:
    """The page of all families."""
    by_agent: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in learning:
        by_agent[row["family"], row["agent"]].append(row)
    trained = [row for row in learning if row["seed"]]
    memories = sorted({row["agent"] for row in trained} - {"none"})
    many = max((int(row["num_envs"]) for row in fast), default=0)
    lines = []
    for family, single in FAMILIES.items():
        env = make(f"MemAgents/{family}Easy-v0")
        steps = [speed(row) for row in fast if row["family"] == family and int(row["num_envs"]) == many]
        agents = [seeds(by_agent[family, agent]) for agent in ("random", "none", *memories)]
        bounds = [f"{env.best_return:.2f}", f"{env.memoryless_return:.3f}"]
        lines.append([f"[{family}]({family}.md)", single.family.tests, *bounds, *agents, *(steps or ["not measured"])])
    head = ["family", "tests", "best", "bound", "random", "none", *memories, "steps/s"]
    without = next((row for row in trained if row["agent"] == "none"), {})
    return INDEX.format(
        table=table(head, lines, 2),
        memory=" and *".join(memories) or "lstm",
        none_steps=count(without.get("timesteps")),
        memory_steps=steps_of([row for row in trained if row["agent"] != "none"]),
        episodes=count(without.get("episodes")),
        spread=SPREAD if len({row["seed"] for row in trained}) > 1 else ONE_SEED,
        unlearned=unlearned([row for row in trained if row["agent"] != "none"]),
        settings="; ".join(sorted({row["settings"] for row in trained})) or "none",
        num_envs=count(str(many)),
        rounds=fast[0]["rounds"] if fast else "no",
        learning_origin=origin(learning),
        speed_origin=origin(fast),
    )


def steps_of(rows: Rows) -> str:
    """How long agents trained, from the shortest to the longest."""
    steps = sorted({int(row["timesteps"]) for row in rows})
    return " to ".join(f"{number:,}" for number in dict.fromkeys((steps[0], steps[-1]))) if steps else "no"


def unlearned(rows: Rows) -> str:
    """The families whose agents with a memory have not clearly passed the bound."""
    names = {row["family"] for row in rows if float(row["mean_return"]) < passed(row)}
    listed = ", ".join(sorted(names))
    return f"**Not shown: in {listed} the agent with a memory is not clearly above the bound.**" if names else ""


def passed(row: dict[str, str]) -> float:
    """What is clearly above the bound: three standard errors."""
    return float(row["memoryless_bound"]) + 3 * float(row["standard_error"])


def count(number: str | None) -> str:
    return f"{int(number):,}" if number else "no"


def origin(rows: Rows) -> str:
    """With what the rows were made."""
    if not rows:
        return "not made yet"
    return "; ".join(f"{name} {rows[0][name]}" for name in ("command", "commit", "modified", "versions", "hardware"))


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    options.folder.mkdir(parents=True, exist_ok=True)
    fast, learning = read(options.folder / "speed.csv"), read(options.folder / "learning.csv")
    for family, single in FAMILIES.items():
        draw(family, options.folder / f"{family}.png")
        page = PAGE.format(
            family=family,
            tests=single.family.tests.capitalize(),
            knob="`{}`, {}".format(*single.family.knob.split(": ", 1)),
            rules=rules(family),
            grades=grades(family),
            speeds=speeds(family, fast),
        )
        (options.folder / f"{family}.md").write_text(page, encoding="utf-8")
    (options.folder / "README.md").write_text(index(learning, fast), encoding="utf-8")
    print(options.folder / "README.md")


if __name__ == "__main__":
    main()
