"""Who holds a lane: a process, named so that others of its machine can tell that it is gone."""

from __future__ import annotations

import hashlib
import os
import socket
from functools import lru_cache
from pathlib import Path

from trimtab.files.processes import is_known_dead, started_ticks

__all__ = ["holder_name", "is_gone"]

_HOST_CHARS = 32
_BOOT, _NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


def holder_name(new_id: str) -> str:
    """Return how this process calls itself as a holder: ``HOST/MACHINE:PID:TICKS:ID``."""
    host = socket.gethostname()[:_HOST_CHARS].replace(":", "-")
    return f"{host}/{_machine()}:{os.getpid()}:{started_ticks(os.getpid())}:{new_id}"


def is_gone(holder: str) -> bool:
    """Return whether ``holder`` was a process of this machine that has ended: nobody need wait for its leases.

    Of a process of another machine, or of a name that says too little, that is not known.

    >>> is_gone(holder_name("x")), is_gone("elsewhere/0:1:1:x"), is_gone("kept")
    (False, False, False)
    """
    host, _, process = holder.partition(":")
    numbers = process.split(":")[:2]
    if not _machine() or host.rpartition("/")[2] != _machine() or not all(part.isdigit() for part in numbers):
        return False
    pid, ticks = (int(part) for part in numbers)
    return is_known_dead(pid, ticks)


@lru_cache(maxsize=1)
def _machine() -> str:
    """Return a name for where a process number means the same: this start of the kernel, this container; "" if unknown.

    The host's name alone is none: containers may share it, and have processes of the same numbers.
    """
    try:
        told = f"{_BOOT.read_text(encoding='ascii').strip()} {os.readlink(_NAMESPACE)}"
    except OSError:
        return ""
    return hashlib.sha256(told.encode()).hexdigest()[:16]
