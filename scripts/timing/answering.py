"""A peer in a process of its own, which does its work once for every line it is given, and answers with the seconds."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from timing.pairings import Work


def answering(name: str, command: Sequence[str], stack: ExitStack, variables: Mapping[str, str] | None = None) -> Work:
    """Starts the peer, and waits until it says that it is ready.

    Args:
        name: what it is called if it fails.
        command: how it is started.
        stack: ends it.
        variables: for its environment.

    Raises:
        SystemExit: if it ends, at once or when it is asked.
    """
    pipe, environment = subprocess.PIPE, os.environ | (variables or {})
    process = stack.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment))
    assert process.stdin is not None
    stack.callback(process.stdin.close)  # which ends it

    def answer() -> str:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name} ended with exit code {process.wait()}; its reason stands above")
        return line

    answer()

    def work() -> float:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        return float(answer())

    return work
