"""One process at a time in a run folder."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from memagents.errors import RunInUseError
from memagents.files import writing

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

NO_LINK = getattr(os, "O_NOFOLLOW", 0)
"""What would be written through a link arrives elsewhere."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a folder. The system lets go of the lock when the process ends, however it ends.

    Raises:
        RunInUseError: if another process has it; the message says which.
        CheckpointWriteError: if the folder cannot be written to.
    """
    path = folder / "run.lock"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = take(path)
    try:
        with writing(folder):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def take(path: Path) -> int:
    """The lock as an open file; raises RunInUseError if another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK, 0o644)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever had it may have removed the file between our opening and locking it.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                what = f"{path.parent} is in use by {holder(path)}; wait for it, stop it, or choose another folder"
                raise RunInUseError(what) from error
            raise
        os.close(descriptor)


def holder(path: Path) -> str:
    """Who has the lock, as far as its file tells."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return f"process {told['pid']} on {told['host']}"
    except (OSError, ValueError, KeyError):
        return "another process"
