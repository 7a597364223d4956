"""Memory that is freed, and wanted again at the next minibatch.

Training makes the same large arrays over and over. The C library of Linux (glibc) gives such arrays back to the system
when they are freed, and the system hands them out again page by page, each zeroed and mapped when it is first touched,
which takes a tenth of the time of training.
"""

import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""

KEPT = 1 << 30
"""Free bytes at the end of the heap from which on they are given back."""

APART = 1 << 25
"""Bytes of an array from which on it is mapped apart from the heap, and given back when freed; no more is allowed."""


def keep_freed_memory() -> None:
    """Lets this process keep up to a GB that it has freed, where its C library can be told so."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, APART)
        mallopt(TRIM_THRESHOLD, KEPT)
