"""Can one see a DNC store the cue of the T-maze and read it at the junction, and a GTrXL look back to the first step?

Trains both with PPO as `scripts/backbones.py` does, but of their own sizes. The DNC gets few slots, so that they can be
told apart, and a feed-forward controller, which keeps nothing itself: the cue has to go through the memory. The GTrXL's
window is longer than an episode. Runs go to `runs/replay`, where they can be interrupted and taken up again; the pages
go to `results/replay`, with a picture of each if there is a Chromium to take it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from pictures import picture

from memagents.errors import CheckpointError
from memagents.runs.config import TrainConfig
from memagents.runs.provenance import provenance
from memagents.runs.replay import Episode, Replay, play
from memagents.runs.results import RunResult
from memagents.runs.training import train
from memagents.studies.origins import commit
from memagents.studies.replay_page import page
from memagents.studies.replay_page.panels import of_memory
from memagents.studies.replay_page.player import outcome
from memagents.studies.replay_page.summary import summary

RUNS = Path("runs/replay")
CORRIDOR = 10
WANTED = 0.95
"""Success rate of an agent that is worth looking at."""

MEMORIES: dict[str, dict[str, Any]] = {
    "dnc": {"hidden_size": 64, "memory_size": 8, "word_size": 8, "num_reads": 1, "controller": "feedforward"},
    "gtrxl": {"window": 16},
}
"""What is trained, with the options of the memories."""

TASK = (
    "A road sign at step 0 says where the goal is at the end of the corridor: 0 1 1 is north, 1 1 0 is south. On the "
    "way 1 0 1 is seen, and at the junction, the last step, 0 1 0: whoever turns the right way there remembers."
)
"""What a reader must know."""

WINDOW = (1280, 1850)
"""Width and height of a picture."""


@dataclass(frozen=True)
class Options:
    """What is shown."""

    memories: tuple[str, ...] = tuple(MEMORIES)
    """Names of memories."""

    episodes: int = 100
    """Episodes that the figures in the README are about; the first of each sign is on the pages."""

    seed: int = 0
    """Of the training."""

    folder: Path = Path("results/replay")
    """Where the pages go."""


def config(memory: str, options: Options) -> TrainConfig:
    """One run."""
    return TrainConfig(
        env="memagents_envs:MemAgents/TMaze-v0",
        env_kwargs={"corridor_length": CORRIDOR},
        memory=memory,
        memory_kwargs=MEMORIES[memory],
        n_envs=32,
        timesteps=120_000,
        threads=1,
        seed=options.seed,
        checkpoint_every=20_000,
        folder=RUNS / f"{memory}-seed{options.seed}",
    )


def trained(config: TrainConfig) -> RunResult:
    """The run; a finished one is taken as it is, and tells its own settings."""
    try:
        return RunResult.load(config.run_folder)
    except (ValueError, CheckpointError):
        return train(config)


def by_sign(replay: Replay) -> dict[str, list[Episode]]:
    """The episodes by what the sign says."""
    return {
        sign: [episode for episode in replay.episodes if episode.observations[0, 0] == first]
        for sign, first in (("north", 0), ("south", 1))
    }


def findings(replay: Replay) -> str:
    """What a page shows of a few episodes, counted over many; by sign, for the agent need not treat both alike."""
    episodes = by_sign(replay)
    found = {
        sign: [of_slots(e) if "read_weights" in e.memory else of_attention(e) for e in each]
        for sign, each in episodes.items()
    }
    head = " | ".join(f"{sign} ({len(each)} episodes)" for sign, each in found.items())
    rows = [
        f"| {name} | " + " | ".join(f"{np.mean([one[name] for one in each]):.2f}" for each in found.values()) + " |"
        for name in found["north"][0]
    ]
    return "\n".join([f"| in the mean, where the sign says | {head} |", "|:--|--:|--:|", *rows])


def of_slots(episode: Episode) -> dict[str, float]:
    """Whether the slot that is read at the junction is one that was written at the sign."""
    writes, reads = episode.memory["write_weights"], episode.memory["read_weights"][-1].max(0)
    slot = reads.argmax()
    return {
        "weight of the slot that is read most at the last step": reads[slot],
        "share of episodes in which step 0 wrote more to that slot than any other step": float(
            writes[:, slot].argmax() == 0
        ),
        "weight that step 0 wrote to that slot with": writes[0, slot],
        "most that any later step wrote to that slot with": writes[1:, slot].max(),
        "what reading all slots alike would give to each": 1 / len(reads),
    }


def of_attention(episode: Episode) -> dict[str, float]:
    """How much of the attention at the junction goes to the sign."""
    attention = episode.memory["attention"]  # [T, L, K, W + 1], the present step last
    last = len(attention) - 1
    first = attention[-1, :, :, attention.shape[-1] - 1 - last]
    return {
        **{
            f"attention of layer {i} to step 0 at the last step, mean over heads": h.mean() for i, h in enumerate(first)
        },
        "attention to step 0 at the last step, the head with most of it": first.max(),
        "what even attention would give to each step": 1 / (last + 1),
    }


def show(result: RunResult, options: Options) -> str:
    """Writes the page of a run, and tells what is to be seen on it."""
    memory = result.config.memory
    played = play(result, episodes=options.episodes)
    signs = by_sign(played)
    replay = replace(played, episodes=[episodes[0] for episodes in signs.values()])
    path = options.folder / f"{memory}.html"
    path.write_text(page(replay, TASK), encoding="utf-8")
    pictures = {sign: options.folder / f"{memory}-{sign}.png" for sign in signs}
    shown = [
        picture(path, file, *WINDOW, place=f"episode={i + 1}&step={len(episode.actions) - 1}")
        for i, (episode, file) in enumerate(zip(replay.episodes, pictures.values(), strict=True))
    ]
    settings = ", ".join(f"{name} {value}" for name, value in result.config.memory_kwargs.items())
    lines = [
        f"## {memory}",
        "",
        f"{settings}; {result.evaluation.describe()}. The page: [{path.name}]({path.name}).",
        "",
        *(table_of_pictures(pictures) if all(shown) else []),
        "The episodes on it:",
        "",
        *(f"- {outcome(i, e)}. {' '.join(summary(of_memory(replay, e)))}" for i, e in enumerate(replay.episodes)),
        "",
        findings(played),
        "",
    ]
    if result.score < WANTED:
        lines += [f"**Below the success rate of {WANTED} that was wanted.**", ""]
    return "\n".join(lines)


def table_of_pictures(pictures: dict[str, Path]) -> list[str]:
    """Pictures side by side."""
    cells = " | ".join(f"![{sign}]({file.name})" for sign, file in pictures.items())
    head = " | ".join(f"the sign says {sign}; at the last step" for sign in pictures)
    return [f"| {head} |", "|:--|:--|", f"| {cells} |", ""]


README = """# Replay

*Can one see a DNC store the cue of the T-maze (corridor {corridor}) and read it at the junction, and a GTrXL look back
to the first step?*

Each page is one file that fetches nothing, as `memagents replay RUN` writes them: open it in a browser. It shows the
last model on an episode of each sign, in environments that it was not trained on. At step 0 the sign is seen, the last
step is the junction. All else is fixed, so all episodes of a sign are alike. An agent need not treat both signs in the
same way: to know that it was not the one is to know the other.

{sections}
What this does not show: that other seeds, tasks or sizes do it in the same way; one agent of each was trained, with
settings chosen so that the picture can be read. Weights say where a memory is written and read, not what is in there,
nor that the agent would fail without it: a DNC can carry the sign in the words that it reads from step to step, and
what upper layers of a GTrXL look back to may have taken in the sign already. The DNC's controller is feed-forward; an
LSTM, which is the default, can keep the cue in its own cell.

{origin}
"""


def origin(results: list[RunResult]) -> str:
    """Where the pages and the runs come from."""
    trained = [f"{r.config.memory} by {r.record['command'].split()[0]} at {commit(r.record)}" for r in results]
    told = {
        **provenance(),
        "trained": "; ".join(trained),
        "training seed": ", ".join(str(r.config.seed) for r in results),
        "steps": ", ".join(f"{r.record['timesteps']:,}" for r in results),
        "torch_threads": 1,
    }
    return "\n".join(f"- {name}: {value}" for name, value in told.items())


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    results = [trained(config(memory, options)) for memory in options.memories]
    options.folder.mkdir(parents=True, exist_ok=True)
    sections = "\n".join(show(result, options) for result in results)
    text = README.format(corridor=CORRIDOR, sections=sections, origin=origin(results))
    (options.folder / "README.md").write_text(text, encoding="utf-8")
    print(f"open {options.folder / 'README.md'}")


if __name__ == "__main__":
    main()
