"""What the shipper says of itself, for those who ask whether predictions reach the lake."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from trimtab.files import write_atomically
from trimtab.files.processes import is_alive, started_ticks

__all__ = ["ShipperState", "shipper_state", "tell_shipper"]

_NAME: Final = "shipper.json"


@dataclass(frozen=True, slots=True)
class ShipperState:
    """The shipper that was last at work on a folder of journals; ``error``: what hinders it now, None when nothing."""

    pid: int
    start_ticks: int
    error: str | None = None

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return is_alive(self.pid, self.start_ticks)


def tell_shipper(journals: Path, error: str | None = None) -> None:
    """Leave word beside the journals that this process ships them, and what hinders it.

    Raises:
        OSError: the folder cannot be written.
    """
    told = ShipperState(os.getpid(), started_ticks(os.getpid()), error)
    write_atomically(journals / _NAME, msgspec.json.encode(told))


def shipper_state(journals: Path) -> ShipperState | None:
    """Return what the last shipper of a folder said of itself; None where none ever was, or its word cannot be read."""
    try:
        return msgspec.json.decode((journals / _NAME).read_bytes(), type=ShipperState)
    except (OSError, msgspec.DecodeError):
        return None
