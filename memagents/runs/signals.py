"""Being asked to stop: by Ctrl-C, by a cluster's scheduler, or by another process."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SECONDS_TO_BOUNDARY = 10.0
"""How long a run that is asked to stop may go on to the end of its rollout and update, to save what they gave."""

SECONDS_OF_ECHO = 0.5
"""A signal to a group of processes can reach one of them twice: from the sender, and from its parent."""


class StoppedError(KeyboardInterrupt):
    """A run ended because it was asked to.

    Attributes:
        exit_code: what a shell expects of a process that a signal ended, 130 or 143.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signal_number).name}")
        self.exit_code = 128 + signal_number


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """While this context is open, SIGTERM raises StoppedError, as SIGINT raises KeyboardInterrupt."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """While this context is open, a first SIGINT or SIGTERM is noted, and a second ends the process at once.

    Outside the main thread, signals do what they did before.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._since = 0.0
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._signal is None:
            self._signal, self._since = number, time.monotonic()
        elif time.monotonic() - self._since > SECONDS_OF_ECHO:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    @property
    def made(self) -> bool:
        """Whether the run was asked to stop."""
        return self._signal is not None

    @property
    def overdue(self) -> bool:
        """Whether it was asked so long ago that it should stop where it is."""
        return self.made and time.monotonic() - self._since > SECONDS_TO_BOUNDARY

    def obey(self) -> None:
        """Raises StoppedError if the run was asked to stop."""
        if self._signal is not None:
            raise StoppedError(self._signal)
