"""A small process: what has to be said before large libraries are loaded."""

import ctypes
import os
from typing import Final

# glibc's <malloc.h>
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGE_BYTES: Final = 256 * 1024


def keep_small() -> None:
    """Give large blocks back to the system when they are freed; start no idle thread pools.

    By default glibc keeps freed memory for the next time, in an arena of each thread: with
    pictures of 6 MB that made 143 MB out of 128 (1080p, 5 a second).
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # not in musl
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_M_ARENA_MAX, 2)
