"""The processes of single environments, seen from the process that trains: what can go wrong there, and a new start."""

import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeAlias

from stable_baselines3.common.vec_env.base_vec_env import CloudpickleWrapper
from stable_baselines3.common.vec_env.subproc_vec_env import _worker

from memagents.agents.named_envs import Failure, MakeEnv, ReportingEnv, failed
from memagents.agents.observation_parts import Part, check_shape
from memagents.agents.respawns import Event, Respawns
from memagents.errors import BoundaryError, EnvironmentFailed, EnvironmentTimeout, EnvironmentWorkerDied

Start: TypeAlias = tuple[Any, dict[str, Any]]

SECONDS_TO_DIE = 1.0
"""How long a process may take to end after its connection did."""

SECONDS_TO_CLOSE = 5.0
"""How long all workers together may take to close; those that need longer are ended."""

FAILURES = (EnvironmentFailed, EnvironmentTimeout, EnvironmentWorkerDied)
"""What can be overcome by an environment that is made anew."""


def made_in_worker(make_env: MakeEnv) -> ReportingEnv:
    """Makes an environment, in a process of its own, that reports errors as observations."""
    # Ctrl-C reaches all processes of a terminal, a scheduler's SIGTERM all of a job. The one that trains still needs
    # steps to come to a good end, and closes its workers then.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return ReportingEnv(make_env())


def start_worker(make_env: MakeEnv, kind: type[BaseProcess]) -> tuple[Connection, BaseProcess]:
    """Starts a worker of SB3's, as its `SubprocVecEnv` does; gives the connection to it, and its process."""
    ours, theirs = Pipe()
    arguments = theirs, ours, CloudpickleWrapper(partial(made_in_worker, make_env))
    process = kind(target=_worker, args=arguments, daemon=True)
    process.start()
    theirs.close()
    return ours, process


def close_workers(workers: Iterable["Worker"]) -> None:
    """Closes environments and ends their processes, whatever state they are in."""
    for worker in workers:
        worker.ask_to_close()
    deadline = time.monotonic() + SECONDS_TO_CLOSE
    for worker in workers:
        worker.end(deadline)


class Worker:
    """The connection to the process of one environment, with what can go wrong there.

    Args:
        index: of the environment.
        remote: the connection.
        processes: those of all environments.
        timeout: seconds within which an answer must be there; None waits for ever.
        parts: of an observation.
    """

    def __init__(
        self, index: int, remote: Connection, processes: list[BaseProcess], timeout: float | None, parts: list[Part]
    ) -> None:
        self.index, self.steps, self._asked = index, 0, ""
        self._remote, self._processes, self._timeout, self._parts = remote, processes, timeout, parts

    @property
    def process(self) -> BaseProcess:
        """The one that the environment runs in now."""
        return self._processes[self.index]

    def send(self, message: tuple[str, Any]) -> None:
        """Tells the worker what to do. If it is not there any more, `recv` finds out."""
        self._asked = message[0]
        self.steps += self._asked == "step"
        with suppress(ConnectionError):
            self._remote.send(message)

    def recv(self) -> Any:
        """The worker's answer.

        Raises:
            EnvironmentFailed: if the environment raised an error.
            EnvironmentTimeout: if there is no answer in time; the process is ended then.
            EnvironmentWorkerDied: if the process is not there any more.
            ObservationOutsideSpace: for an observation of another shape than the space has.
        """
        answer = self.receive(self._timeout)
        if self._asked in ("step", "reset"):
            self.check(answer[0])
        return answer

    def receive(self, timeout: float | None) -> Any:
        """What the worker sent, if it did so in time."""
        try:
            if timeout is not None and not self._remote.poll(timeout):
                raise self._overdue()
            return self._remote.recv()
        except (EOFError, ConnectionError) as error:
            raise self.death() from error

    def check(self, observation: Any) -> None:
        """Raises what is wrong with an observation, or what came in its place."""
        if isinstance(observation, Failure):
            raise failed(observation.doing, observation.description, self.index, self.steps) from observation.cause()
        check_shape(self._parts, observation, self.index, self.steps)

    def _overdue(self) -> EnvironmentTimeout:
        self.process.kill()
        return EnvironmentTimeout(
            f"environment {self.index} did not answer within step_timeout={self._timeout:g} seconds at step "
            f"{self.steps}, and its process was ended. Find out what it waits for, or raise step_timeout",
            environment=self.index,
            step=self.steps,
        )

    def death(self) -> EnvironmentWorkerDied:
        """How the process ended."""
        self.process.join(SECONDS_TO_DIE)
        code = self.process.exitcode
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
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._remote.close()


class RespawningWorker(Worker):
    """A worker whose environment is made anew where it fails, in a new process.

    An episode that is interrupted so is truncated where it stood: its last observation is that of the step before, and
    the step that failed has no reward.

    Args:
        worker: as `Worker` takes them.
        make_env: makes the environment.
        respawns: how often environments may be made anew.
    """

    def __init__(self, *worker: Any, make_env: MakeEnv, respawns: Respawns) -> None:
        super().__init__(*worker)
        self._make_env, self._respawns = make_env, respawns
        self._last_observation: Any = None

    def recv(self) -> Any:
        """The worker's answer, or that of one in its place; the errors of `Worker.recv` if there may be no more."""
        if self._asked not in ("step", "reset"):
            return super().recv()
        taking_step, answer = self._asked == "step", None
        try:
            answer = self.receive(self._timeout)
            self.check(answer[0])
        except FAILURES as failure:
            event, start = self._make_anew(failure)
            answer = (start[0], *self._end_of_episode(answer, event), start[1]) if taking_step else start
        self._last_observation = answer[0]
        return answer

    def _end_of_episode(self, answer: Any, event: Event) -> tuple[float, bool, dict[str, Any]]:
        if isinstance(answer, tuple) and answer[0].doing == "reset":  # it had ended before the failure
            _, reward, done, info, _ = answer
            return reward, done, info | {"respawned": event}
        end = {"TimeLimit.truncated": True, "terminal_observation": self._last_observation, "respawned": event}
        return 0.0, True, end

    def _make_anew(self, failure: BoundaryError) -> tuple[Event, Start]:
        while True:
            event = self._respawns.take(failure, failure.__cause__)
            self.ask_to_close()
            self.end(time.monotonic() + SECONDS_TO_CLOSE)
            self._remote, self._processes[self.index] = start_worker(self._make_env, type(self.process))
            try:
                self.send(("get_spaces", None))
                self.receive(None)  # how long it takes to make an environment does not count
                self.send(("reset", (event["seed"], None)))
                start: Start = self.receive(self._timeout)
                self.check(start[0])
                return event, start
            except FAILURES as another:
                failure = another
