"""Trackio: the database of a run, and one of many runs for its dashboard.

What trackio offers for logging collects rows in a background thread, which a kill loses, asks Hugging Face who the user
is, and keeps one folder for a whole process. So rows go straight to the storage behind it: a row is on the disk when it
was logged, and nothing leaves the machine.
"""

import importlib.metadata
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from memagents.runs.config import PROJECT

VERSION = "0.43."
"""Of trackio, whose storage is no promised interface; pyproject.toml has the same."""

DATABASE = f"{PROJECT}.db"
"""Trackio calls the file by the project."""

COPIED = {"metrics": ("timestamp", "step", "metrics"), "configs": ("config", "created_at")}
"""The tables that hold something of a run, and their columns besides its id and name."""


def check_trackio() -> None:
    """Raises ValueError if trackio is not installed, or in another version."""
    try:
        version = importlib.metadata.version("trackio")
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    if not version.startswith(VERSION):
        raise ValueError(
            f"trackio is needed in a version {VERSION}x, and {version} is installed; "
            'get it with: pip install "memagents[trackio]"'
        )


@contextmanager
def storage_in(folder: Path) -> Iterator[Any]:
    """Trackio's storage, which looks for its databases in a folder of our choice as long as this context is open."""
    # Slow to import, so only those who ask for it wait for it.
    from trackio import sqlite_storage

    storage = sqlite_storage.SQLiteStorage
    storage._dataset_import_attempted = True  # or it would fetch what TRACKIO_BUCKET_ID names
    before = sqlite_storage.TRACKIO_DIR
    sqlite_storage.TRACKIO_DIR = folder
    try:
        yield storage
    finally:
        sqlite_storage.TRACKIO_DIR = before


def logged_times(database: Path) -> dict[int, str]:
    """When each step was logged, as far as that can be read."""
    if not database.exists():
        return {}
    try:
        with closing(sqlite3.connect(database)) as connection:
            return dict(connection.execute("SELECT step, timestamp FROM metrics"))
    except sqlite3.Error:
        return {}


def now() -> str:
    """The time, as trackio writes it."""
    return datetime.now(UTC).isoformat()


def merge(runs: Mapping[str, Path], folder: Path) -> Sequence[str]:
    """Writes runs into the one database of a folder, each in place of what was there of it; says which cannot be read.

    Args:
        runs: names, and the databases that hold one run each.
        folder: of the database with all of them.

    Returns:
        The runs that are to be written once more, which are none.
    """
    with storage_in(folder) as storage:
        storage.init_db(PROJECT)
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        for name, database in runs.items():
            try:
                copy_run(connection, name, database)
            except sqlite3.Error as error:
                print(f"memagents: {database} cannot be shown: {error}", file=sys.stderr)
    return ()


def copy_run(connection: sqlite3.Connection, name: str, database: Path) -> None:
    """Copies the one run of a database into the open one, under a name."""
    connection.execute("ATTACH ? AS run", (str(database),))
    try:
        with connection:  # all of it or nothing
            for table, columns in COPIED.items():
                shown = ", ".join(columns)
                connection.execute(f"DELETE FROM main.{table} WHERE run_id = ?", (name,))
                connection.execute(
                    f"INSERT INTO main.{table} (run_id, run_name, {shown}) SELECT ?, ?, {shown} FROM run.{table}",
                    (name, name),
                )
    finally:
        connection.execute("DETACH run")
