"""Which process a file tells of: numbers are used again, so that one that answers may be somebody else's by now."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["is_alive", "is_known_dead", "started_ticks"]

_STATE, _START = 0, 19
"""Where ``/proc/PID/stat`` has these fields, counted behind the program's name."""


def started_ticks(pid: int) -> int:
    """Return when process ``pid`` started, in clock ticks since the machine did; 0 where that is not known.

    Together with the number it names a process that no later one can be taken for.
    """
    fields = _stat(pid)
    return int(fields[_START]) if fields else 0


def is_alive(pid: int, ticks: int = 0) -> bool:
    """Return whether the process ``pid`` that started at ``ticks`` (0: whichever has that number) still runs.

    One that has ended and waits to be reaped does not run.

    >>> is_alive(os.getpid(), started_ticks(os.getpid())), is_alive(os.getpid(), 1), is_alive(-1)
    (True, False, False)
    """
    if pid <= 0 or not _answers(pid):
        return False
    fields = _stat(pid)
    if not fields:
        return not sys.platform.startswith("linux")
    return fields[_STATE] not in {"Z", "X"} and ticks in {0, int(fields[_START])}


def is_known_dead(pid: int, ticks: int) -> bool:
    """Return whether the process ``pid`` that started at ``ticks`` (0: not known) has ended for certain.

    Not the opposite of `is_alive`: a process that may not be looked at is neither.

    >>> is_known_dead(os.getpid(), started_ticks(os.getpid())), is_known_dead(os.getpid(), 1)
    (False, True)
    """
    if pid <= 0:
        return False
    fields = _stat(pid)
    if not fields:
        return not _answers(pid)
    return fields[_STATE] in {"Z", "X"} or ticks not in {0, int(fields[_START])}


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` behind the name, which may hold anything; none without such a process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
