"""The replay page: episodes beside what the memory held at every step, as one HTML file that needs nothing else."""

from pathlib import Path

from memagents.files import write_file
from memagents.runs.replay import Replay
from memagents.studies.replay_page.page import page

__all__ = ["page", "write_replay"]


def write_replay(replay: Replay, folder: Path) -> Path:
    """Writes `replay.html` into a folder, and tells where it is.

    Raises:
        CheckpointWriteError: if it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "replay.html"
    write_file(path, page(replay).encode())
    return path
