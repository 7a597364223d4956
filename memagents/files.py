"""Files that are the old ones or the new ones, never half of either, even if the machine loses power."""

import os
from contextlib import suppress
from pathlib import Path

from memagents.errors import CheckpointWriteError


def write_file(path: Path, contents: bytes) -> None:
    """Writes a file: beside its place first, through to the disk, and then into its place at once.

    Raises:
        CheckpointWriteError: if the disk is full, the folder read-only, or anything else is in the way. At `path` is
            then what was there before, whole; or the new file, if only its name could not be made to last.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        sync_folder(path.parent)
    except OSError as error:
        discard(partial)
        reason = error.strerror or str(error)
        raise CheckpointWriteError(f"cannot write {path}: {reason}; what was written before is still there") from error


def sync_file(path: Path) -> None:
    """Makes what was written to a file last.

    Raises:
        CheckpointWriteError: if that fails.
    """
    try:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    except OSError as error:
        raise CheckpointWriteError(f"cannot write {path}: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last, where the system can."""
    if os.name == "nt":  # has no descriptors of folders, and writes names at once
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def discard(path: Path) -> None:
    """Removes a file if that is possible: it is in nobody's way."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
