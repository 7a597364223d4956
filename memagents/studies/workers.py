"""Runs in processes of their own, a few at a time; a process that dies takes only its own run with it."""

import multiprocessing
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import TypeAlias

from memagents.runs.config import TrainConfig
from memagents.runs.provenance import usable_cores
from memagents.runs.signals import SECONDS_TO_BOUNDARY, StoppedError, stopping_at_once
from memagents.runs.training import train

Outcome: TypeAlias = tuple[TrainConfig, str | None]
"""A cell that ended, and why it did not finish, if so."""

# A forked copy of a process in which torch has computed can hang; a fresh interpreter cannot.
SPAWN = multiprocessing.get_context("spawn")

SECONDS_TO_END = SECONDS_TO_BOUNDARY + 5.0
"""A run that was asked to stop saves what it has; see `memagents.runs.signals`."""


def in_processes(cells: list[TrainConfig], jobs: int) -> Iterator[Outcome]:
    """Trains cells, at most `jobs` at a time, and yields them in the order in which they end."""
    threads = max(1, usable_cores() // jobs)
    waiting = deque(cells)
    running: dict[Connection, Worker] = {}
    try:
        with stopping_at_once():
            while waiting or running:
                while waiting and len(running) < jobs:
                    worker = Worker(waiting.popleft(), threads)
                    running[worker.reply] = worker
                for reply in wait(running):
                    assert isinstance(reply, Connection)
                    yield running.pop(reply).outcome()
    finally:
        for worker in running.values():
            worker.ask_to_stop()
        for worker in running.values():
            worker.stop()


class Worker:
    """One process that trains one cell."""

    def __init__(self, cell: TrainConfig, threads: int) -> None:
        self._cell = cell
        self.reply, sender = SPAWN.Pipe(duplex=False)
        self._process = SPAWN.Process(target=work, args=(cell, threads, sender))
        self._process.start()
        # With our copy closed, the pipe ends when the process does, however it ends.
        sender.close()

    def outcome(self) -> Outcome:
        """What the process said when it ended, or how it died."""
        try:
            failure = self.reply.recv()
        except EOFError:
            self._process.join()
            failure = f"its process died with exit code {self._process.exitcode}"
        self._process.join()
        return self._cell, failure

    def ask_to_stop(self) -> None:
        """Asks the process to save what it has. After Ctrl-C, which has reached it too, this is the same request."""
        self._process.terminate()

    def stop(self) -> None:
        """Waits until the process has ended; one that takes too long is killed."""
        self._process.join(SECONDS_TO_END)
        self._process.kill()
        self._process.join()


def work(cell: TrainConfig, threads: int, sender: Connection) -> None:
    """What a process does: trains, and says why if it could not."""
    try:
        # Two bars would overwrite each other, so a worker prints lines.
        train(replace(cell, threads=cell.threads or threads), bar=False)
        sender.send(None)
    except StoppedError as stopped:
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        sender.send(f"failed, {type(error).__name__}: {error}")
