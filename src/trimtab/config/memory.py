"""How much memory there is left: so that work is refused before it is killed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["available_bytes"]


_GROUP = Path("/sys/fs/cgroup")


def available_bytes(group: Path = _GROUP) -> int | None:
    """Return the memory that this machine, or the container that we are in, has left; None where it does not say.

    ``group`` is the folder of the container's control group. Pages of files that the kernel would drop count as free.
    """
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    with contextlib.suppress(OSError, ValueError):
        limit, used = (int((group / name).read_text(encoding="ascii")) for name in ("memory.max", "memory.current"))
        found.append(max(0, limit - used + _droppable(group)))
    with contextlib.suppress(OSError, ValueError):
        found = found or [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return min(found, default=None)


def _droppable(group: Path) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (group / "memory.stat").read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):
                return int(line.split()[1])
    return 0
