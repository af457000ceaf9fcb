"""What keeps a training from going on for now: left in place of a result, so that another attempt follows.

Nothing is lost by it: the steps that were done are in the cache, and the trials in their journals.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from trimtab.core.errors import BackendError
from trimtab.files import write_atomically

__all__ = ["Hindrance", "TrackerAwayError", "leave_hindrance", "read_hindrance", "write_spare"]

_NAME = "hindrance.json"
_SPARE = "hindrance.spare"


class TrackerAwayError(BackendError):
    """MLflow is not reached, or cannot write now."""


class Hindrance(msgspec.Struct, frozen=True, kw_only=True):
    """What the training waits for, in words that follow ``waiting for``, and the sentence that says why."""

    waits_for: str
    error: str

    @classmethod
    def of_mlflow(cls, error: str) -> Hindrance:
        """Return that of a tracker that is away."""
        return cls(waits_for="MLflow", error=error)

    @classmethod
    def of_the_disk(cls, folder: Path, error: str) -> Hindrance:
        """Return that of a disk that lets nothing be written below ``folder``."""
        sentence = f"training: {folder} cannot be written ({error}); make room on its disk, or let it be written"
        return cls(waits_for="room on the disk", error=sentence)


def write_spare(out_dir: Path) -> None:
    """Write down, while there is room, what `leave_hindrance` leaves when there is none.

    Raises:
        OSError: there is none already.
    """
    write_atomically(out_dir / _SPARE, msgspec.json.encode(Hindrance.of_the_disk(out_dir, "no room is left")))


def leave_hindrance(out_dir: Path, hindrance: Hindrance) -> None:
    """Leave ``hindrance`` in ``out_dir``; where the disk takes no more, the spare one that needs no room."""
    try:
        write_atomically(out_dir / _NAME, msgspec.json.encode(hindrance))
    except OSError:
        with contextlib.suppress(OSError):
            (out_dir / _SPARE).replace(out_dir / _NAME)


def read_hindrance(out_dir: Path) -> Hindrance | None:
    """Return what hindered the last attempt in ``out_dir``; None when nothing did."""
    try:
        return msgspec.json.decode((out_dir / _NAME).read_bytes(), type=Hindrance)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        return Hindrance.of_the_disk(out_dir, str(error))
