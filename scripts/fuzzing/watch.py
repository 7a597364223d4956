"""What a case does to the machine, besides what it was asked for: a part of `fuzz.py`.

Python tells of pickles, processes, connections and files by its audit events (PEP 578), memory is read from `/proc`.
"""

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NEVER = ("pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect")
CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink", "os.link", "os.chmod")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

STATUS, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Watch:
    """While this context is open, notes what must not happen, how long it takes and how far memory grows.

    Attributes:
        forbidden: what happened that must not.
        seconds: of the processor that it took; the machine may be busy with something else.
        growth: by how many MiB memory grew at most.
    """

    def __init__(self, scratch: Path) -> None:
        self.forbidden: list[str] = []
        self.seconds = self.growth = 0.0
        self._scratch, self._open = os.path.realpath(scratch), False
        sys.addaudithook(self._note)

    def __enter__(self) -> Self:
        self.forbidden.clear()
        PEAK.write_text("5")  # the peak begins anew
        self._memory, self._started, self._open = memory("VmRSS"), time.process_time(), True
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open = False
        self.seconds, self.growth = time.process_time() - self._started, memory("VmHWM") - self._memory

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._open:
            return
        flags = arguments[2] if event == "open" and isinstance(arguments[2], int) else 0
        follows = bool(flags) and not flags & (os.O_NOFOLLOW | os.O_EXCL)
        if event in NEVER or ((flags & WRITES or event in CHANGES) and not self._may_change(arguments[0], follows)):
            self.forbidden.append(f"{event} {arguments[:2]}")

    def _may_change(self, path: Any, follows: bool) -> bool:
        """Whether a file may be opened to write, following links or not, or be removed or renamed."""
        if isinstance(path, int):  # something that is open already
            return True
        folder, name = os.path.split(os.fsdecode(path))
        place = os.path.realpath(path) if follows else os.path.join(os.path.realpath(folder), name)
        inside = f"{place}{os.sep}".startswith(f"{self._scratch}{os.sep}")
        return inside or "__pycache__" in place or place == os.devnull


def memory(name: str) -> float:
    """MiB by their name in the process's status; of VmHWM, the largest resident memory since the peak began."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024
