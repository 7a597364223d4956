"""Episodes of a finished run, step by step, and what the agent's memory held at each of them.

Axes: T steps of an episode, A actions.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from stable_baselines3.common.distributions import CategoricalDistribution
from stable_baselines3.common.vec_env import VecEnv

from memagents.agents.policies import MemoryActorCriticPolicy
from memagents.agents.sequences import Sequences, map_observation
from memagents.errors import MemagentsError
from memagents.runs.evaluation import SEED_OFFSET, check_episodes
from memagents.runs.models import as_seen_by, build_evaluation_env, load_model
from memagents.runs.results import RunResult

LONGEST = 1000
"""Steps of an episode that are kept; what comes after them is played and counted."""

MODES = ("rgb_array", "ansi")
"""How environments are asked to show themselves: the first of these that they offer."""

Frame: TypeAlias = np.ndarray | str


class Step(NamedTuple):
    """What the agent saw, what it did then, what that gave, and how the environment looked before it."""

    observation: Any
    action: np.ndarray
    reward: float
    frame: Frame | None


@dataclass(frozen=True)
class Episode:
    """One episode, of which at most the first `LONGEST` steps are kept.

    Attributes:
        observations: as the agent saw them, `[T, ...]`; a dict of arrays where observations are dicts.
        actions: as the environment took them, `[T, ...]`.
        rewards: what each action gave, `[T]`.
        frames: how the environment looked at each step, as an image or a text; None where it does not show itself.
        values: the return the critic expected at each step, `[T]`.
        probabilities: of every action, `[T, A]`; None where actions are not one choice among some.
        memory: what the actor's memory tells of every step, `[T, ...]` by name; see `Memory.trace`.
        length: steps of the whole episode.
        total: its return, rewards as the environment gives them.
        success: whether it was one; None where the environment does not report `is_success`.
    """

    observations: Any
    actions: np.ndarray
    rewards: Float[np.ndarray, " T"]
    frames: list[Frame] | None
    values: Float[np.ndarray, " T"]
    probabilities: Float[np.ndarray, "T A"] | None
    memory: dict[str, np.ndarray]
    length: int
    total: float
    success: bool | None


@dataclass(frozen=True)
class Replay:
    """Some episodes of a run's last model.

    Attributes:
        result: the run.
        seed: of the environments.
        episodes: in the order in which they ended.
        action_names: what the environment calls its actions; empty where it does not say.
    """

    result: RunResult
    seed: int
    episodes: list[Episode]
    action_names: tuple[str, ...]


def play(result: RunResult, *, episodes: int, seed: int | None = None) -> Replay:
    """Plays the episodes that an evaluation of the same number and seed would, and looks into the memory.

    What the memory held is computed once more after each episode, from the observations in it. That is the same, for a
    memory has no state beside the one that it is handed.

    Args:
        result: a finished run.
        episodes: how many, at least 1.
        seed: of the environments; by default that of the run's own evaluation.

    Raises:
        ValueError: for a number or a seed that cannot be.
        CheckpointError: if the model cannot be read.
        BoundaryError: for environments that fail.
    """
    check_episodes(episodes, seed)
    model, config = load_model(result), result.config
    seed = config.seed + SEED_OFFSET if seed is None else seed
    with closing(visible_env(result, n_envs=min(config.n_envs, episodes), seed=seed)) as visible:
        env = as_seen_by(model, visible)
        env.seed(seed)
        names = env.get_attr("action_names", 0)[0] if env.has_attr("action_names") else ()
        played = list(act(model.policy, env, episodes))
    return Replay(result, seed, [look_back(model.policy, *episode) for episode in played], tuple(map(str, names)))


def visible_env(result: RunResult, *, n_envs: int, seed: int) -> VecEnv:
    """The environments that a run is evaluated in, which show themselves if they can."""

    def build(**shown: str) -> VecEnv:
        config = replace(result.config, env_kwargs=result.config.env_kwargs | shown)
        return build_evaluation_env(config, result.model_file, n_envs=n_envs, seed=seed)

    env = build()
    if "render_mode" in result.config.env_kwargs:
        return env
    metadata = env.get_attr("metadata", 0)[0]
    for mode in MODES:
        if mode in metadata.get("render_modes", ()):
            env.close()
            try:
                return build(render_mode=mode)
            except (MemagentsError, ValueError):
                return build()
    return env


def act(policy: MemoryActorCriticPolicy, env: VecEnv, episodes: int) -> list[tuple[list[Step], dict[str, Any]]]:
    """The steps of so many episodes, shared out evenly over the environments, and the info at the end of each.

    As SB3's `evaluate_policy` does it, which counts no episode that a Monitor did not.
    """
    wanted = [(episodes + i) // env.num_envs for i in range(env.num_envs)]
    running: list[list[Step]] = [[] for _ in wanted]
    ended: list[tuple[list[Step], dict[str, Any]]] = []
    observations: Any = env.reset()
    state, starts = None, np.ones(env.num_envs, bool)
    while any(wanted):
        frames = frames_of(env)
        actions, state = policy.predict(observations, state=state, episode_start=starts, deterministic=True)
        after, rewards, starts, infos = env.step(actions)
        for i, steps in enumerate(running):
            if len(steps) < LONGEST:
                steps.append(Step(row_of(observations, i), actions[i], float(rewards[i]), frames[i]))
        for i in np.flatnonzero(starts).tolist():
            if wanted[i] and "episode" in infos[i]:
                ended.append((running[i], infos[i]))
                wanted[i] -= 1
            running[i] = []
        observations = after
    return ended


def row_of(observations: Any, row: int) -> Any:
    """What one environment shows, copied."""
    return map_observation(lambda part: np.array(part[row]), observations)


def frames_of(env: VecEnv) -> Sequence[Frame | None]:
    """How every environment looks, as an image or a text; None where it cannot be shown."""
    try:
        frames = env.env_method("render") if env.render_mode in MODES else []
    except Exception:  # what is not installed, or has no display, is found out when the first frame is drawn
        frames = []
    shown = all(isinstance(frame, np.ndarray | str) for frame in frames)
    return frames if frames and shown else [None] * env.num_envs


def look_back(policy: MemoryActorCriticPolicy, steps: list[Step], info: dict[str, Any]) -> Episode:
    """The episode, with what the agent expected, weighed and remembered."""
    seen = [step.observation for step in steps]
    observations = {key: np.stack([one[key] for one in seen]) for key in seen[0]} if isinstance(seen[0], dict) else None
    stacked = np.stack(seen) if observations is None else observations
    values, probabilities, memory = remembered(policy, stacked)
    frames = [step.frame for step in steps if step.frame is not None]
    return Episode(
        observations=stacked,
        actions=np.stack([step.action for step in steps]),
        rewards=np.array([step.reward for step in steps]),
        frames=frames if len(frames) == len(steps) else None,
        values=values,
        probabilities=probabilities,
        memory=memory,
        length=int(info["episode"]["l"]),
        total=float(info["episode"]["r"]),
        success=bool(info["is_success"]) if "is_success" in info else None,
    )


def remembered(
    policy: MemoryActorCriticPolicy, observations: np.ndarray | dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None, dict[str, np.ndarray]]:
    """Values, probabilities of actions, and the trace of the actor's memory over one whole episode."""
    policy.set_training_mode(False)
    with torch.no_grad():
        obs, _ = policy.obs_to_tensor(observations)
        length = len(next(iter(obs.values())) if isinstance(obs, dict) else obs)
        starts = torch.zeros(length, 1, dtype=torch.bool, device=policy.device)
        starts[0] = True
        sequence = Sequences(obs, starts, policy.initial_state(1))
        distribution = policy.get_distribution(sequence)
        values, _, _ = policy.evaluate_actions(sequence, distribution.mode())
        features = policy.extract_features(obs)
        of_actor = features[0] if isinstance(features, tuple) else features
        trace = policy.memory.trace(of_actor.view(length, 1, -1), starts, sequence.state.actor)
    probabilities = None
    if isinstance(distribution, CategoricalDistribution):
        probabilities = distribution.distribution.probs.cpu().numpy()
    return (
        values.flatten().cpu().numpy(),
        probabilities,
        {name: part[:, 0].cpu().numpy() for name, part in trace.items()},
    )
