"""SB3's vectorised environments, which say which environment it was: that raised an error, died, or does not answer."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from memagents.agents.named_envs import Failure, NamedEnv, ReportingEnv, failed
from memagents.agents.observation_parts import Part, check_shape, parts_of, warn_once
from memagents.errors import EnvironmentTimeout, EnvironmentWorkerDied

MakeEnv: TypeAlias = Callable[[], gym.Env[Any, Any]]

SECONDS_TO_DIE = 1.0
"""How long a process may take to end after its connection did."""

SECONDS_TO_CLOSE = 5.0
"""How long all workers together may take to close; those that need longer are ended."""


def made_named(make_env: MakeEnv, index: int) -> NamedEnv:
    """Makes an environment that names itself in errors."""
    return NamedEnv(make_env(), index)


def made_reporting(make_env: MakeEnv) -> ReportingEnv:
    """Makes an environment that reports errors as observations."""
    return ReportingEnv(make_env())


class GuardedDummyVecEnv(DummyVecEnv):
    """`DummyVecEnv` whose errors name the environment, its step and, for an observation that does not fit, why.

    Warns once of observations of another type than their space, which become that type here.

    Args:
        env_fns: makes the environments.
    """

    def __init__(self, env_fns: list[MakeEnv]) -> None:
        super().__init__([partial(made_named, make_env, index) for index, make_env in enumerate(env_fns)])
        self.parts = parts_of(self.observation_space)
        self.steps, self.warned = 0, False

    def step_async(self, actions: np.ndarray) -> None:
        """Counts the step."""
        self.steps += 1
        super().step_async(actions)

    def _save_obs(self, env_idx: int, obs: Any) -> None:
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


class GuardedSubprocVecEnv(SubprocVecEnv):
    """`SubprocVecEnv` that knows what became of its workers, and can always be closed.

    Args:
        env_fns: makes the environments, each in a process of its own.
        step_timeout: seconds within which a worker must answer, once it is waited for; None waits for ever. How long
            it takes to make an environment does not count.

    Raises:
        EnvironmentWorkerDied: if a worker ends before its environment is made, as for an error in the constructor.
    """

    remotes: tuple["Worker", ...]

    def __init__(self, env_fns: list[MakeEnv], *, step_timeout: float | None = None) -> None:
        try:
            super().__init__([partial(made_reporting, make_env) for make_env in env_fns])
        except (EOFError, ConnectionError) as error:
            self._guard(None, [])
            dead = wait([process.sentinel for process in self.processes], SECONDS_TO_DIE)
            death = next(worker for worker in self.remotes if not dead or worker.sentinel in dead).death()
            self.close()
            raise death from error
        self._guard(step_timeout, parts_of(self.observation_space))

    def _guard(self, step_timeout: float | None, parts: list[Part]) -> None:
        """Puts a `Worker` in front of every connection, where SB3's methods find it."""
        pairs = enumerate(zip(self.remotes, self.processes, strict=True))
        self.remotes = tuple(Worker(index, *pair, step_timeout, parts) for index, pair in pairs)  # type: ignore[arg-type]

    def step_wait(self) -> VecEnvStepReturn:
        """The answers of all workers; see `Worker.recv` for what can be wrong with them."""
        observations, rewards, dones, infos = super().step_wait()
        return observations, rewards, dones, list(infos)

    def close(self) -> None:
        """Closes the environments and ends their processes, whatever state they are in."""
        if self.closed:
            return
        self.closed = True
        for worker in self.remotes:
            worker.ask_to_close()
        deadline = time.monotonic() + SECONDS_TO_CLOSE
        for worker in self.remotes:
            worker.end(deadline)


class Worker:
    """The connection to the process of one environment, with what can go wrong there.

    Args:
        index: of the environment.
        remote: the connection.
        process: the process.
        timeout: seconds within which an answer must be there; None waits for ever.
        parts: of an observation.
    """

    def __init__(
        self, index: int, remote: Connection, process: BaseProcess, timeout: float | None, parts: list[Part]
    ) -> None:
        self.index, self.steps, self._asked = index, 0, ""
        self._remote, self._process, self._timeout, self._parts = remote, process, timeout, parts

    @property
    def sentinel(self) -> int:
        """Becomes ready when the process ends."""
        return self._process.sentinel

    def send(self, message: tuple[str, Any]) -> None:
        """Tells the worker what to do; EnvironmentWorkerDied if it is not there."""
        self._asked = message[0]
        self.steps += self._asked == "step"
        try:
            self._remote.send(message)
        except ConnectionError as error:
            raise self.death() from error

    def recv(self) -> Any:
        """The worker's answer.

        Raises:
            EnvironmentFailed: if the environment raised an error.
            EnvironmentTimeout: if there is no answer in time; the process is ended then.
            EnvironmentWorkerDied: if the process is not there any more.
            ObservationOutsideSpace: for an observation of another shape than the space has.
        """
        try:
            if self._timeout is not None and not self._remote.poll(self._timeout):
                raise self._overdue()
            answer = self._remote.recv()
        except (EOFError, ConnectionError) as error:
            raise self.death() from error
        if self._asked in ("step", "reset"):
            self._check(answer[0])
        return answer

    def _check(self, observation: Any) -> None:
        if isinstance(observation, Failure):
            raise failed(observation.doing, observation.description, self.index, self.steps) from observation.cause()
        check_shape(self._parts, observation, self.index, self.steps)

    def _overdue(self) -> EnvironmentTimeout:
        self._process.kill()
        return EnvironmentTimeout(
            f"environment {self.index} did not answer within step_timeout={self._timeout:g} seconds at step "
            f"{self.steps}, and its process was ended. Find out what it waits for, or raise step_timeout",
            environment=self.index,
            step=self.steps,
        )

    def death(self) -> EnvironmentWorkerDied:
        """How the process ended."""
        self._process.join(SECONDS_TO_DIE)
        code = self._process.exitcode
        if code is None:
            how = "closed its connection"
        elif code < 0:
            how = f"was ended by signal {-code} ({signal.strsignal(-code)}); one reason is memory that ran out"
        else:
            how = f"ended with exit code {code}; its own error, if any, is printed above"
        return EnvironmentWorkerDied(
            f"the process of environment {self.index} {how}. That was at step {self.steps}",
            environment=self.index,
            step=self.steps,
            exit_code=code,
        )

    def ask_to_close(self) -> None:
        """Asks the worker to end, if it is there."""
        with suppress(OSError):
            self._remote.send(("close", None))

    def end(self, deadline: float) -> None:
        """Waits until the process has ended, and ends it at the deadline, a time of `time.monotonic`."""
        # A worker that is still writing an answer reads nothing; its connection ends when it does.
        with suppress(EOFError, OSError):
            while self._remote.poll(max(0.0, deadline - time.monotonic())):
                self._remote.recv_bytes()
        self._process.join(max(0.0, deadline - time.monotonic()))
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._remote.close()
