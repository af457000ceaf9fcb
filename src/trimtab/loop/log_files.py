"""Keeps what the supervised processes log from filling the disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

__all__ = ["LIMIT_BYTES", "shorten"]

LIMIT_BYTES = 32 * 1024 * 1024
"""A log file and the one before it take at most this much each."""


def shorten(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Move what ``path`` holds to ``path`` + ``.1`` once it is larger than ``limit_bytes``; return whether it was.

    The process that writes keeps its open file, which it has to have opened for appending; lines that it writes in the
    very moment may be lost. A file that is not there, or cannot be moved, is left as it is.
    """
    older = path.with_name(f"{path.name}.1")
    try:
        if path.stat().st_size <= limit_bytes:
            return False
        shutil.copyfile(path, older)
        os.truncate(path, 0)
    except OSError:
        # The disk may be full: a log that cannot be copied is worth less than room for what was accepted.
        older.unlink(missing_ok=True)
        return False
    return True
