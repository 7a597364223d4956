"""Runs on this machine; in processes of their own where there are several at a time."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from memagents.runs.config import TrainConfig
from memagents.runs.provenance import usable_cores
from memagents.runs.signals import StoppedError, stopping_at_once
from memagents.studies.backends.cells import SECONDS_TO_END, Backend, Outcome, attempt

# A copy of a process in which torch has computed can hang. These are copies of one that has imported what a run needs
# and computed nothing, and so begin at once, where a new interpreter first imports for seconds. Windows has no copies.
if sys.platform == "win32":
    CONTEXT = multiprocessing.get_context("spawn")
else:
    CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["memagents.runs.training", "torch._dynamo"]  # torch's first optimizer imports the second


def local(jobs: int) -> Backend:
    """Runs one after the other in this process, or several at a time, each in a process of its own."""
    return one_by_one if jobs == 1 else partial(in_processes, jobs=jobs)


def one_by_one(cells: Sequence[TrainConfig]) -> Iterator[Outcome]:
    """Trains cells in this process."""
    for cell in cells:
        yield cell, attempt(cell)


def in_processes(cells: Sequence[TrainConfig], jobs: int) -> Iterator[Outcome]:
    """Trains cells, at most `jobs` at a time, and yields them in the order in which they end.

    A process that dies takes only its own run with it, which is taken up once more.
    """
    CONTEXT.set_forkserver_preload(PRELOADED)
    threads = max(1, usable_cores() // jobs)
    waiting, retried = deque(cells), set()
    running: dict[Connection, Worker] = {}
    try:
        with stopping_at_once():
            while waiting or running:
                while waiting and len(running) < jobs:
                    worker = Worker(waiting.popleft(), threads)
                    running[worker.reply] = worker
                for reply in wait(running):
                    assert isinstance(reply, Connection)
                    worker = running.pop(reply)
                    failure = worker.failure()
                    if worker.died and worker.cell.run_folder not in retried:
                        retried.add(worker.cell.run_folder)
                        waiting.append(worker.cell)
                        print(f"{worker.cell.run_folder}: {failure}, is tried once more", file=sys.stderr, flush=True)
                    else:
                        yield worker.cell, failure
    finally:
        for worker in running.values():
            worker.ask_to_stop()
        for worker in running.values():
            worker.stop()


class Worker:
    """One process that trains one cell.

    Attributes:
        cell: the run.
        reply: becomes readable when the process has said how it went, or has died.
        died: whether it ended without saying anything.
    """

    def __init__(self, cell: TrainConfig, threads: int) -> None:
        self.cell, self.died = cell, False
        self.reply, sender = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=work, args=(cell, threads, dict(os.environ), sender))
        self._process.start()
        # With our copy closed, the pipe ends when the process does, however it ends.
        sender.close()

    def failure(self) -> str | None:
        """What the process said when it ended, or how it died."""
        try:
            failure: str | None = self.reply.recv()
        except EOFError:
            self.died = True
            self._process.join()
            failure = f"its process died with exit code {self._process.exitcode}"
        self._process.join()
        return failure

    def ask_to_stop(self) -> None:
        """Asks the process to save what it has. After Ctrl-C, which has reached it too, this is the same request."""
        self._process.terminate()

    def stop(self) -> None:
        """Waits until the process has ended; one that takes too long is killed."""
        self._process.join(SECONDS_TO_END)
        self._process.kill()
        self._process.join()


def work(cell: TrainConfig, threads: int, environment: dict[str, str], sender: Connection) -> None:
    """What a process does: trains, and says why if it could not."""
    os.environ.update(environment)  # of the study; the process that was copied has that of when it was started
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=end_after, args=(parent,), daemon=True).start()
    try:
        # Two bars would overwrite each other, so a worker prints lines.
        sender.send(attempt(replace(cell, threads=cell.threads or threads), bar=False))
    except StoppedError as stopped:
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def end_after(parent: BaseProcess) -> None:
    """Ends this process when its parent has ended, which was killed if it did not end this one first.

    Nobody would take the result, and the study, started again, wants the run's folder.
    """
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)  # as if asked to stop: the run saves what it has
    time.sleep(SECONDS_TO_END)
    os._exit(143)
