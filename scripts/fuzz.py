"""Does anything damaged get into the package, or bring it down?

    python scripts/fuzz.py --minutes 10

Valid files, run folders, configurations and command lines are damaged, each case by a seed of its own, and sent to the
public ways in. What may happen: it works, and gives what it gave before or something that can be used; or an error of
`memagents.errors` or a ValueError of this package says what is wrong. Everything else is a finding, and so are pickles
that are read, processes that are started, files that are written elsewhere, cases that take long or much memory.
`--only SEED` tries one case again. Works in `runs/fuzz`, reports to `results/robustness/fuzz.md` and `fuzz.csv`.
"""

import multiprocessing
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import tyro
from fuzzing.cases import KINDS, Case, Fuzzer
from fuzzing.entries import Valid, nothing_large
from fuzzing.report import write_report
from fuzzing.watch import memory

import memagents.studies.report  # noqa: F401, brings matplotlib, which makes folders of its own

FOLDER = Path("runs/fuzz").absolute()

PATIENCE, TO_BEGIN = 60.0, 600.0
"""After so many seconds a case is ended from outside, and a process that does not begin."""

ADDRESS_SPACE = 4 << 30
"""Bytes that a worker may take, so that no case can take all that the machine has."""

# As in kill_test.py: processes begin as copies of one that has imported torch and computed nothing.
CONTEXT = multiprocessing.get_context("forkserver")


@dataclass(frozen=True)
class Options:
    minutes: float = 10.0
    """How long to go on."""
    cases: int | None = None
    """How many cases at most."""
    first: int = 0
    """The first seed."""
    only: int | None = None
    """Try the case of one seed, and write no report."""
    folder: Path = Path("results/robustness")
    """Where the report goes."""


def work(connection: Connection, valid: Valid, scratch: Path) -> None:
    """A worker: tries the cases whose seeds it is sent."""
    torch.set_num_threads(1)
    space = int(memory("VmSize") * 2**20) + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    fuzzer = Fuzzer(valid, scratch)
    connection.send("ready")
    with nothing_large():
        while (seed := connection.recv()) is not None:
            connection.send((fuzzer.case(seed), memory("VmRSS")))


class Worker:
    """A process that tries cases, and whose end is noticed."""

    def __init__(self, valid: Valid, scratch: Path) -> None:
        self._connection, there = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=work, args=(there, valid, scratch))
        self._process.start()
        there.close()
        if not self._connection.poll(TO_BEGIN) or self._connection.recv() != "ready":
            raise RuntimeError("no process could be begun")

    def case(self, seed: int) -> tuple[Case, float] | str:
        """The case of a seed and the memory in use after it, or why there is none."""
        self._connection.send(seed)
        try:
            return self._connection.recv() if self._connection.poll(PATIENCE) else "it hangs"
        except (EOFError, ConnectionError):
            self._process.join()
            return f"the process ended with code {self._process.exitcode}"

    def close(self) -> None:
        self._process.kill()
        self._process.join()


def cases(options: Options, valid: Valid) -> Iterator[tuple[Case, float]]:
    """Tries cases until the time is up, in a process that is replaced if it ends."""
    worker, deadline, seed = Worker(valid, FOLDER / "scratch"), time.monotonic() + 60 * options.minutes, options.first
    end = float("inf") if options.cases is None else options.first + options.cases
    while seed < end and time.monotonic() < deadline:
        answer = worker.case(seed)
        if isinstance(answer, str):
            worker.close()
            worker = Worker(valid, FOLDER / "scratch")
            answer = Case(seed, *KINDS[seed % len(KINDS)], "", "", "none", f"{answer}\n", PATIENCE, 0.0), 0.0
        yield answer
        seed += 1
    worker.close()


def main() -> int:
    options = tyro.cli(Options)
    torch.set_num_threads(1)
    valid = Valid(FOLDER / "valid")
    if options.only is not None and valid.folder.exists():
        with nothing_large():
            print(Fuzzer(valid, FOLDER / "scratch").case(options.only))
        return 0
    shutil.rmtree(FOLDER, ignore_errors=True)
    valid.folder.mkdir(parents=True)
    valid.make()
    started, tried, memories = time.monotonic(), [], []
    for case, resident in cases(options, valid):
        tried.append(case)
        memories.append(resident)
        if case.finding:
            print(
                f"seed {case.seed}: {case.area}, {case.damage}, {case.entry}: {case.told}\n{case.finding}", flush=True
            )
    write_report(tried, memories, time.monotonic() - started, options.folder)
    return 1 if any(case.finding for case in tried) else 0


if __name__ == "__main__":
    sys.exit(main())
