"""Files that are the old ones or the new ones, never half of either, even if the machine loses power.

And reading them, when they may hold anything.
"""

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, EDQUOT, ENOSPC, EPERM, EROFS
from pathlib import Path
from typing import Any

from memagents.errors import CheckpointWriteError, DamagedFileError, MemagentsError, MissingPartError

ADVICE = {
    **dict.fromkeys((ENOSPC, EDQUOT), "Make room, and go on"),
    **dict.fromkeys((EACCES, EPERM, EROFS), "Allow it, or choose another folder"),
}
"""What to do about an error of the system's, by its number."""


@contextmanager
def writing(path: object) -> Iterator[None]:
    """What the system refuses inside becomes a CheckpointWriteError that names the file and says what to do."""
    try:
        yield
    except MemagentsError:
        raise
    # The latter for a name that no file can have.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = ADVICE.get(getattr(error, "errno", 0), "Choose another folder")
        raise CheckpointWriteError(
            f"cannot write {path}: {reason}; what was written before is still there. {advice}"
        ) from error


def write_file(path: Path, contents: bytes, *, lasting: bool = True) -> None:
    """Writes a file: beside its place first, through to the disk, and then into its place at once.

    Args:
        path: its place.
        contents: all that it holds.
        lasting: whether to wait for the disk. A file that did not is whole for every process, and whoever reads it
            after a loss of power must be able to tell whether it is, and have another; `make_last` waits for it.

    Raises:
        CheckpointWriteError: if the disk is full, the folder read-only, or anything else is in the way. At `path` is
            then what was there before, whole; or the new file, if only its name could not be made to last.
    """
    partial = path.with_name(f".{path.name}.partial")
    discard(partial)  # which a process that was killed may have left, or somebody as a link to elsewhere
    try:
        with writing(path):
            with partial.open("xb") as file:
                file.write(contents)
                file.flush()
                if lasting:
                    os.fsync(file.fileno())
            os.replace(partial, path)
            if lasting:
                sync_folder(path.parent)
    finally:
        discard(partial)


def make_last(path: Path) -> None:
    """Makes a file and its name last a loss of power.

    Raises:
        CheckpointWriteError: if that fails.
    """
    sync_file(path)
    with writing(path):
        sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Makes what was written to a file last.

    Raises:
        CheckpointWriteError: if that fails.
    """
    with writing(path), path.open("rb") as file:
        os.fsync(file.fileno())


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


@contextmanager
def reading(name: object) -> Iterator[None]:
    """Whatever fails inside fails because of what stands in a file, and becomes a DamagedFileError that names the file.

    Errors of this package pass: they know better what is wrong.
    """
    try:
        yield
    except MemagentsError:
        raise
    except Exception as error:
        raise DamagedFileError(f"{name} cannot be read: {type(error).__name__}: {error}") from error


def check_file(path: Path) -> None:
    """Raises MissingPartError if there is no file, and DamagedFileError if there is anything else in its place.

    Links count as something else, for what is written through them arrives elsewhere; and who reads from a pipe or a
    device may wait for ever.
    """
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        raise MissingPartError(f"{path} cannot be found: {error.strerror or error}") from error
    if not stat.S_ISREG(mode):
        raise DamagedFileError(f"{path} is no ordinary file but a folder, a link, a pipe or a device; move it away")


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file holds, if that is an object.

    Raises:
        CheckpointError: if there is no file, or it cannot be read.
    """
    check_file(path)
    with reading(path):
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict):
            raise DamagedFileError(f"{path} holds a {type(value).__name__}, not an object with names")
        return value
