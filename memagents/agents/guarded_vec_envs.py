"""SB3's vectorised environments, which say which environment it was: that raised an error, died, or does not answer."""

from collections import deque
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any, cast

import numpy as np
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from memagents.agents.named_envs import MakeEnv, NamedEnv
from memagents.agents.observation_parts import Part, check_shape, parts_of, warn_once
from memagents.agents.respawns import RespawningVecEnv, Respawns
from memagents.agents.workers import SECONDS_TO_DIE, RespawningWorker, close_workers, made_in_worker

EPISODES = 100
"""How many a Monitor remembers, as many as SB3 shows means of."""


class GuardedDummyVecEnv(RespawningVecEnv, DummyVecEnv):
    """`DummyVecEnv` whose errors name the environment, its step and, for an observation that does not fit, why.

    Warns once of observations of another type than their space, which become that type here.

    Args:
        env_fns: makes the environments.
        respawn: how often environments that fail are made anew before their error is raised.
    """

    def __init__(self, env_fns: list[MakeEnv], *, respawn: int = 0) -> None:
        self.respawns = Respawns(respawn)
        super().__init__([partial(NamedEnv, make_env, i, self.respawns) for i, make_env in enumerate(env_fns)])
        self.parts = parts_of(self.observation_space)
        only = self.parts[0] if len(self.parts) == 1 and self.parts[0].key is None else None
        self._shape, self._dtype = (only.shape, only.dtype) if only else (None, None)
        self.steps, self.warned = 0, False

    def step_async(self, actions: np.ndarray) -> None:
        """Counts the step."""
        self.steps += 1
        super().step_async(actions)

    def count_from(self, steps: int) -> None:
        """Takes so many steps of each environment as taken."""
        self.steps = steps
        for env in self.envs:
            cast(NamedEnv, env).steps = steps

    def _save_obs(self, env_idx: int, obs: Any) -> None:
        # Most observations are one array that fits, and this is done at every step of every environment.
        if self._shape is not None and getattr(obs, "shape", None) == self._shape and obs.dtype == self._dtype:
            self.buf_obs[None][env_idx] = obs  # type: ignore[index]  # by None SB3 means the one array
            return
        for part in self.parts:
            if not part.fits(obs):
                self._look_closer(part, obs, env_idx)
        super()._save_obs(env_idx, obs)

    def _look_closer(self, part: Part, observation: Any, environment: int) -> None:
        check_shape([part], observation, environment, self.steps)
        values = part.of(observation)
        if not self.warned and part.has_foreign_type(values):
            self.warned = True
            warn_once(f"observation{part.name} of environment {environment} has {part.types(values)}")


class GuardedSubprocVecEnv(RespawningVecEnv, SubprocVecEnv):
    """`SubprocVecEnv` that knows what became of its workers, and can always be closed.

    Args:
        env_fns: makes the environments, each in a process of its own.
        step_timeout: seconds within which a worker must answer, once it is waited for; None waits for ever. How long
            it takes to make an environment does not count.
        respawn: how often environments that fail are made anew, in a new process, before their error is raised.

    Raises:
        EnvironmentWorkerDied: if a worker ends before its environment is made, as for an error in the constructor.
    """

    remotes: tuple[RespawningWorker, ...]

    def __init__(self, env_fns: list[MakeEnv], *, step_timeout: float | None = None, respawn: int = 0) -> None:
        self.respawns = Respawns(respawn)
        try:
            super().__init__([partial(made_in_worker, make_env) for make_env in env_fns])
        except (EOFError, ConnectionError) as error:
            self._guard(env_fns, None, [])
            dead = wait([process.sentinel for process in self.processes], SECONDS_TO_DIE)
            death = next(worker for worker in self.remotes if not dead or worker.process.sentinel in dead).death()
            self.close()
            raise death from error
        self._guard(env_fns, step_timeout, parts_of(self.observation_space))

    def _guard(self, env_fns: list[MakeEnv], step_timeout: float | None, parts: list[Part]) -> None:
        """Puts a `RespawningWorker` in front of every connection, where SB3's methods find it."""
        self.remotes = tuple(
            RespawningWorker(i, remote, self.processes, step_timeout, parts, make_env=make_env, respawns=self.respawns)
            for i, (remote, make_env) in enumerate(zip(self.remotes, env_fns, strict=True))
        )
        # Workers heed no SIGTERM, which is all that multiprocessing has for those that are left when Python ends.
        self._finalizer = Finalize(self, close_workers, (self.remotes,), exitpriority=0)

    def count_from(self, steps: int) -> None:
        """Takes so many steps of each environment as taken."""
        for worker in self.remotes:
            worker.steps = steps

    def step_wait(self) -> VecEnvStepReturn:
        """The answers of all workers; see `RespawningWorker.recv` for what can be wrong with them."""
        observations, rewards, dones, infos = super().step_wait()
        return observations, rewards, dones, list(infos)

    def close(self) -> None:
        """Closes the environments and ends their processes, whatever state they are in."""
        self.closed = True
        self._finalizer()


def forgetful(monitor: Monitor) -> Monitor:
    """Lets a Monitor keep its last episodes alone; its lists would grow for as long as a run does."""
    for name in ("episode_returns", "episode_lengths", "episode_times"):
        setattr(monitor, name, deque(maxlen=EPISODES))
    return monitor
