"""How much memory this process holds, and giving free memory back."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

__all__ = ["WORTH_GIVING_BACK_BYTES", "give_back", "keep_models_apart", "resident_bytes"]

WORTH_GIVING_BACK_BYTES: Final = 8_000_000
"""Models of fewer bytes are not worth the milliseconds that giving back takes."""

_MMAP_THRESHOLD: Final = -3
"""``M_MMAP_THRESHOLD`` of malloc.h."""
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def resident_bytes() -> int:
    """Return what this process has in memory, in bytes; 0 where the system does not say (it does on Linux)."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


def keep_models_apart() -> None:
    """Have each large block of memory mapped by itself, so that it goes back to the system as soon as it is freed.

    Else glibc moves the limit up with the first large model that is freed, and later ones leave holes behind.
    """
    _glibc("mallopt", _MMAP_THRESHOLD, WORTH_GIVING_BACK_BYTES)


def give_back() -> None:
    """Hand memory that is free inside this process back to the system. Takes milliseconds: call it in a thread."""
    _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    """Call one of glibc's functions; other C libraries, which have no such, give memory back by themselves."""
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*arguments)
