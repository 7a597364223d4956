"""How many steps a second does every family make, beside POPGym's own of the same rules?

    python scripts/environments_speed.py --repeats 5

Both are stepped as an agent is trained on them, behind stable-baselines3's `VecEnv`: ours natively batched, POPGym's
through `DummyVecEnv`, as its users run it. They take turns, round by round, with actions drawn beforehand. Writes
`results/environments/speed.csv`, which `gallery.py` shows.
"""

import csv
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import popgym  # noqa: F401 (registers its environments)
import tyro
from memagents_envs import FAMILIES
from stable_baselines3.common.vec_env import VecEnv

from memagents import make_vec_env
from memagents.runs.provenance import installed, provenance

PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "RepeatFirst": ("popgym-RepeatFirstEasy-v0", {}),
    "RepeatPrevious": ("popgym-RepeatPreviousEasy-v0", {}),
    "Autoencode": ("popgym-AutoencodeEasy-v0", {"num_cards": 52}),
    "CountRecall": ("popgym-CountRecallEasy-v0", {}),
    "Concentration": ("popgym-ConcentrationEasy-v0", {"num_cards": 52, "num_values": 2}),
    "Bandit": ("popgym-MultiarmedBanditEasy-v0", {"num_arms": 10, "episode_length": 200}),
    "OccludedCartPole": ("popgym-NoisyPositionOnlyCartPoleEasy-v0", {}),
    "OccludedPendulum": ("popgym-NoisyPositionOnlyPendulumEasy-v0", {}),
}
"""POPGym's environment of the same rules as our Easy grade, and the knobs that make them the same where it is not."""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    families: tuple[str, ...] = tuple(FAMILIES)
    """Names of families."""

    num_envs: tuple[int, ...] = (64, 1024)
    """Environments in parallel."""

    repeats: int = 5
    """Rounds that count; one more comes before them, to warm up."""

    seconds: float = 0.5
    """How long an environment is stepped in a round, at least."""

    folder: Path = Path("results/environments")
    """Where speed.csv goes."""


@dataclass
class Runner:
    """An environment, and actions for it."""

    env: VecEnv
    actions: list[np.ndarray]

    @classmethod
    def of(cls, env: VecEnv) -> "Runner":
        env.seed(0)
        env.reset()
        env.action_space.seed(0)
        return cls(env, [np.stack([env.action_space.sample() for _ in range(env.num_envs)]) for _ in range(16)])

    def steps_per_second(self, seconds: float) -> float:
        """Steps whole batches until the time is over."""
        batches, begin = 0, perf_counter()
        while (elapsed := perf_counter() - begin) < seconds or batches < 4:
            self.env.step(self.actions[batches % len(self.actions)])
            batches += 1
        return batches * self.env.num_envs / elapsed


def runners(family: str, num_envs: int) -> dict[str, Runner]:
    """Ours, and POPGym's where it has the family."""
    peer, knobs = PEERS.get(family, (None, {}))
    ours = f"memagents_envs:MemAgents/{family}Easy-v0"
    envs = {"ours": make_vec_env(ours, num_envs, env_kwargs=knobs, vectorization="batched")}
    if peer is not None:
        envs["popgym"] = make_vec_env(peer, num_envs, vectorization="dummy")
    return {name: Runner.of(env) for name, env in envs.items()}


def measure(family: str, num_envs: int, options: Options) -> dict[str, Any]:
    """One row of the table: medians, and the ratio round by round."""
    rivals = runners(family, num_envs)
    rounds = [
        {name: runner.steps_per_second(options.seconds) for name, runner in rivals.items()}
        for _ in range(options.repeats + 1)
    ][1:]
    ratios = sorted(speeds["ours"] / speeds["popgym"] for speeds in rounds if "popgym" in speeds)
    for runner in rivals.values():
        runner.env.close()
    row = {
        "family": family,
        "num_envs": num_envs,
        "steps_per_second": round(median(speeds["ours"] for speeds in rounds)),
        "peer": PEERS.get(family, ("", {}))[0],
        "peer_steps_per_second": round(median(speeds["popgym"] for speeds in rounds)) if ratios else "",
        "ratio": round(median(ratios), 1) if ratios else "",
        "ratio_min": round(ratios[0], 1) if ratios else "",
        "ratio_max": round(ratios[-1], 1) if ratios else "",
    }
    print(", ".join(f"{name} {value}" for name, value in row.items() if value != ""), flush=True)
    return row


def main() -> None:
    options = tyro.cli(Options, description=__doc__)
    rows = [measure(family, num_envs, options) for family in options.families for num_envs in options.num_envs]
    origin = provenance()
    origin["versions"] |= {"popgym": installed("popgym")}
    about = {"rounds": options.repeats, **{name: str(value) for name, value in origin.items()}}
    options.folder.mkdir(parents=True, exist_ok=True)
    with (options.folder / "speed.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], *about])
        writer.writeheader()
        writer.writerows(row | about for row in rows)


if __name__ == "__main__":
    main()
