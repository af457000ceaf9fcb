"""What a journal's writer says of itself when it cannot record, for those who ask how the platform stands."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

import msgspec

from trimtab.files.processes import is_alive, started_ticks

__all__ = ["JournalHealth", "Told", "healths_of"]

_SUFFIX: Final = ".writer.json"
_BYTES: Final = 8192
_LONGEST_REASON: Final = 1000


class JournalHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One server process that records: why it cannot now (None: it can), and what it could not since it started.

    ``rows_refused`` were not answered, ``rows_shed`` were answered without a record; ``since_us`` is when it last began
    to be unable to.
    """

    pid: int
    start_ticks: int
    hindered: str | None = None
    since_us: int | None = None
    rows_refused: int = 0
    rows_shed: int = 0

    @property
    def alive(self) -> bool:
        """Whether its process still runs."""
        return is_alive(self.pid, self.start_ticks)


class Told:
    """A small file beside the journals that is written in place.

    Its blocks are there before they are needed: what it has to tell is, above all, that the disk is full.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._pid, self._ticks = os.getpid(), started_ticks(os.getpid())
        for path, state in _told(folder):
            if not state.alive:
                path.unlink(missing_ok=True)
        self._path = folder / f"{self._pid}{_SUFFIX}"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        self._written = b""
        try:
            self.tell(None, None, 0, 0)
        except OSError:
            # Who tries again would leave an open file behind each time.
            self.close()
            raise

    def tell(self, hindered: str | None, since_us: int | None, rows_refused: int, rows_shed: int) -> None:
        """Say how it stands, if that is news.

        Raises:
            OSError: the disk refuses even this.
        """
        state = JournalHealth(
            pid=self._pid,
            start_ticks=self._ticks,
            hindered=None if hindered is None else hindered[:_LONGEST_REASON],
            since_us=since_us,
            rows_refused=rows_refused,
            rows_shed=rows_shed,
        )
        content = msgspec.json.encode(state).ljust(_BYTES)
        if content != self._written:
            if os.pwrite(self._descriptor, content, 0) < len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._written = content

    def close(self) -> None:
        """Take it away: who has stopped is not hindered."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def healths_of(folder: Path) -> list[JournalHealth]:
    """Return what the living writers of a folder of journals say; what killed ones have left is passed over."""
    return [state for _, state in _told(folder) if state.alive]


def _told(folder: Path) -> list[tuple[Path, JournalHealth]]:
    found = []
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            found.append((path, msgspec.json.decode(path.read_bytes(), type=JournalHealth)))
    return found
