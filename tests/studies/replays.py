"""Replays of agents that have learned nothing."""

from typing import Any

import numpy as np
from sizes import small

from memagents.runs.models import build_env, build_model
from memagents.runs.replay import Episode, Replay, act, look_back
from memagents.runs.results import RunResult


def replay_of(make_run: Any, memory: str, *, episodes: int = 2, **settings: Any) -> Replay:
    """Episodes of an untrained agent in a small T-maze."""
    maze = {"corridor_length": 2, "render_mode": "rgb_array"}
    result = make_run(0.5, memory=memory, memory_kwargs=small(memory), env_kwargs=maze, **settings)
    env = build_env(result.config, n_envs=1, seed=3)
    policy = build_model(result.config, env).policy
    played = [look_back(policy, *episode) for episode in act(policy, env, episodes)]
    return Replay(result, 3, played, ("north", "east", "south", "west"))


def made_up(result: RunResult, memory: dict[str, np.ndarray], **changes: Any) -> Replay:
    """One episode with a given memory."""
    steps = len(next(iter(memory.values())))
    told: dict[str, Any] = {
        "observations": np.zeros((steps, 3), np.float32),
        "actions": np.zeros(steps, np.int64),
        "rewards": np.zeros(steps),
        "frames": None,
        "values": np.zeros(steps),
        "probabilities": np.full((steps, 4), 0.25),
        "memory": memory,
        "length": steps,
        "total": 1.0,
        "success": True,
    }
    return Replay(result, 3, [Episode(**told | changes)], ())
