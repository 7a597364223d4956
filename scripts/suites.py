"""Do agents train in other people's environments? Every id of every suite that is installed, two updates of PPO with an
LSTM, then an evaluation.

    python scripts/suites.py --suites popgym minigrid

Writes `results/environments/suites.md` and `suites.csv`. It shows that everything fits together, not how well an agent
learns. Suites that are not installed are named, with the command that installs them.
"""

import csv
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from memagents_envs.suites import SUITES, Suite

from memagents import MemoryPPO, make_vec_env
from memagents.runs.evaluation import evaluate
from memagents.runs.models import default_policy
from memagents.runs.provenance import installed, provenance

SHORT: dict[str, dict[str, Any]] = {name: {"max_episode_steps": 100} for name in ("atari", "minigrid")}
"""Arguments of environments whose episodes are long and slow for an agent that knows nothing."""

SETTINGS: dict[str, Any] = {"n_steps": 16, "batch_size": 32, "n_epochs": 1, "seed": 0, "device": "cpu"}

COLUMNS = ("suite", "id", "outcome", "mean_return", "mean_length", "seconds", "policy", "observation", "action")


@dataclass(frozen=True)
class Options:
    """What is tried."""

    suites: tuple[str, ...] = tuple(SUITES)
    """Names of suites."""

    every: int = 1
    """Try every so-manieth id of a suite only."""

    folder: Path = Path("results/environments")
    """Where the table goes."""


def try_out(env_id: str, env_kwargs: dict[str, Any] | None = None) -> dict[str, Any]:
    """Trains two updates, evaluates one episode, and tells what the environment is like.

    Raises:
        Exception: whatever goes wrong.
    """
    with closing(make_vec_env(env_id, 2, seed=0, env_kwargs=env_kwargs)) as env:
        policy = default_policy(env.observation_space)
        model = MemoryPPO(policy, env, memory="lstm", memory_kwargs={"hidden_size": 16}, **SETTINGS)
        model.learn(64)
        assert model._n_updates == 2
    with closing(make_vec_env(env_id, 1, seed=1, env_kwargs=env_kwargs)) as env:
        evaluation = evaluate(model, env, episodes=1, seed=1)
        return {
            "mean_return": round(evaluation.mean_return, 3),
            "mean_length": evaluation.lengths[0],
            "policy": policy,
            "observation": " ".join(str(env.observation_space).split()),
            "action": str(env.action_space),
        }


def outcome(suite: Suite, env_id: str) -> dict[str, Any]:
    """One line of the table."""
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the suites, about themselves
            found = {"outcome": "ok", **try_out(env_id, SHORT.get(suite.name))}
    except Exception as error:
        found = {"outcome": f"{type(error).__name__}: {error}"}
    seconds = round(time.perf_counter() - started, 2)
    line = {"suite": suite.name, "id": env_id, "seconds": seconds, **found}
    print(f"{env_id}: {line['outcome']}, {seconds} s", flush=True)
    return line


def report(lines: Sequence[dict[str, Any]], suites: Sequence[Suite], options: Options) -> str:
    """The page."""
    page = [
        "# Environments of other suites",
        "",
        "*Does every id of every installed suite train two updates of `MemoryPPO` with an LSTM, and is it evaluated?*",
        "",
        "| suite | ids tried | work | version | what it tests |",
        "|:--|--:|--:|:--|:--|",
    ]
    for suite in suites:
        if suite.missing:
            page.append(f"| {suite.title} | | | not installed: `{suite.install}` | {suite.tests} |")
            continue
        tried = [line for line in lines if line["suite"] == suite.name]
        works = sum(line["outcome"] == "ok" for line in tried)
        versions = ", ".join(f"{name} {installed(name)}" for name in suite.packages if installed(name))
        page.append(f"| {suite.title} | {len(tried)} | {works} | {versions} | {suite.tests} |")
    failures = [f"- `{line['id']}`: {line['outcome']}" for line in lines if line["outcome"] != "ok"]
    every = "" if options.every == 1 else f" Only one id in {options.every} of a suite was tried."
    limits = "; ".join(f"{name}: {arguments}" for name, arguments in SHORT.items())
    return "\n".join(
        [
            *page,
            "",
            f"Every id is in [suites.csv](suites.csv), with its spaces.{every} Episodes are kept short where an agent "
            f"that knows nothing may play for ever ({limits}).",
            "",
            *(["## What does not work", "", *failures, ""] if failures else []),
            "What this does not show: that anything is learned. Two updates of 32 steps show that everything fits.",
            "",
            *(f"- {name}: {value}" for name, value in provenance().items()),
            "",
        ]
    )


def main() -> int:
    options = tyro.cli(Options, description=__doc__)
    torch.set_num_threads(1)
    suites = [SUITES[name] for name in options.suites]
    lines = [
        outcome(suite, env_id) for suite in suites if not suite.missing for env_id in suite.ids()[:: options.every]
    ]
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "suites.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
    (options.folder / "suites.md").write_text(report(lines, suites, options), encoding="utf-8")
    print(f"\n{options.folder / 'suites.md'}")
    return 0 if all(line["outcome"] == "ok" for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
