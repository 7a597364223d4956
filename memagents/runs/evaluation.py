"""How good an agent is: episodes in environments that it was not trained on."""

from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.respawns import respawns_of

SEED_OFFSET = 1_000_000
"""Added to a run's seed for its evaluation, far beyond the seeds of the training environments."""


@dataclass(frozen=True)
class Evaluation:
    """Every episode of an evaluation.

    Attributes:
        seed: seed of the environments.
        deterministic: whether the agent took its likeliest action, or drew one.
        returns: undiscounted sum of rewards, one for each episode.
        lengths: steps, one for each episode.
        successes: one for each episode; None where the environment does not report `is_success`.
        interrupted: episodes that ended because their environment failed and was made anew; they are not among these.
    """

    seed: int
    deterministic: bool
    returns: list[float]
    lengths: list[int]
    successes: list[bool] | None
    interrupted: int = 0

    @property
    def mean_return(self) -> float:
        """Mean return over the episodes."""
        return fmean(self.returns)

    @property
    def success_rate(self) -> float | None:
        """Share of successful episodes, where the environment reports success."""
        return None if self.successes is None else fmean(self.successes)

    @property
    def measure(self) -> str:
        """What `score` is."""
        return "mean return" if self.successes is None else "success rate"

    @property
    def score(self) -> float:
        """The success rate where the environment reports success, else the mean return."""
        return self.mean_return if self.success_rate is None else self.success_rate

    def summary(self) -> dict[str, float]:
        """The numbers a dashboard shows."""
        rates = {} if self.success_rate is None else {"success_rate": self.success_rate}
        return {"mean_return": self.mean_return, "mean_length": fmean(self.lengths), **rates}

    def describe(self) -> str:
        """The evaluation in one line."""
        rate = "" if self.success_rate is None else f"success rate {self.success_rate:.2f}, "
        return f"{rate}mean return {self.mean_return:.2f} over {len(self.returns)} episodes"

    def to_json(self) -> dict[str, Any]:
        """What `evaluation.json` holds."""
        return {"episodes": len(self.returns), **self.summary(), **asdict(self)}


def check_episodes(episodes: int, seed: int | None) -> None:
    """Raises ValueError for fewer than one episode, or a seed that is none."""
    if episodes < 1:
        raise ValueError(f"episodes must be at least 1, got {episodes}")
    if seed is not None and seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}")


def evaluate(model: BaseAlgorithm, env: VecEnv, *, episodes: int, seed: int, deterministic: bool = True) -> Evaluation:
    """Runs `model` for a number of episodes, shared out evenly over the environments of `env`.

    Evenly, because the first episodes to end are the short ones, and taking those would favour one kind of episode.
    """
    successes: list[bool] = []

    def note_success(variables: dict[str, Any], _: dict[str, Any]) -> None:
        if variables["done"] and "is_success" in variables["info"]:
            successes.append(bool(variables["info"]["is_success"]))

    env.seed(seed)
    returns, lengths = evaluate_policy(
        model,
        env,
        episodes,
        deterministic=deterministic,
        callback=note_success,
        return_episode_rewards=True,
        warn=False,
    )
    assert isinstance(returns, list)
    assert isinstance(lengths, list)
    return Evaluation(
        seed=seed,
        deterministic=deterministic,
        returns=[float(value) for value in returns],
        lengths=[int(length) for length in lengths],
        successes=successes or None,
        interrupted=len(respawns_of(env).events),
    )
