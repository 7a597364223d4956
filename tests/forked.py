"""Processes that begin as copies of one that has imported what training needs, and has computed nothing.

They are to tests what a new interpreter would be, which imports for eight seconds before it trains.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

CONTEXT = multiprocessing.get_context("forkserver")


def start(said: Path, environment: Mapping[str, str], work: Callable[..., None], *arguments: object) -> BaseProcess:
    """Starts a process that leads a group of its own, does some work, and writes what it says to a file."""
    process = CONTEXT.Process(target=_begin, args=(said, dict(environment), work, arguments))
    process.start()
    return process


def _begin(
    said: Path, environment: Mapping[str, str], work: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    work(*arguments)
