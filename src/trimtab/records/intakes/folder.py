"""An intake that is a folder on this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from trimtab.core.errors import BackendError
from trimtab.files import remove_unfinished, write_atomically
from trimtab.records.segments import SEGMENT_SUFFIX

__all__ = ["FolderIntake"]

_LEFT_FOR_S: Final = 3600.0


class FolderIntake:
    """See `Intake`. Segments lie in ``folder`` until the lake takes them, at most ``limit_bytes`` together.

    What is beyond waits in the journal: that is bounded too, and so whoever asks for predictions feels in the end that
    nobody takes them in.
    """

    def __init__(self, folder: Path, *, limit_bytes: int | None = None) -> None:
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._swept = False

    @property
    def where(self) -> str:
        """See `Intake.where`."""
        return str(self._folder)

    def put(self, segment_id: str, content: bytes) -> None:
        """See `Intake.put`."""
        if self._limit_bytes is not None:
            waiting = _waiting_bytes(self._folder)
            # An empty folder takes any: a segment larger than the limit must not wait for ever.
            if waiting and waiting + len(content) > self._limit_bytes:
                raise BackendError(
                    f"intake {self._folder}: {waiting} bytes wait there, the limit is {self._limit_bytes}; the control "
                    "plane is behind or down: see 'trimtab status', or raise serving.log_limit"
                )
        if not self._swept:
            # A process that is killed again and again, as for its memory, would fill the disk with them.
            self._swept = True
            remove_unfinished(self._folder, f"*{SEGMENT_SUFFIX}", older_than_s=_LEFT_FOR_S)
        write_atomically(self._folder / f"{segment_id}{SEGMENT_SUFFIX}", content)

    def close(self) -> None:
        """See `Intake.close`; there is none."""


def _waiting_bytes(folder: Path) -> int:
    total = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(SEGMENT_SUFFIX):
                with contextlib.suppress(FileNotFoundError):
                    total += entry.stat().st_size
    return total
