"""Which ticks have begun and which have ended, line by line in a file: where a simulation that was killed goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from trimtab.core.canonical import JsonObject
from trimtab.files import write_atomically

__all__ = ["Diary", "Span"]


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when a tick lasts."""

    since_us: int
    until_us: int


@dataclass(slots=True)
class Diary:
    """The ticks that have ended, each with how many rows were refused in it, and the one that has only begun.

    A tick is written down before it is played: its end hangs on who waits for an approval then, which is no longer to
    be seen where a kill comes after the approval.
    """

    path: Path
    ended: list[JsonObject]
    begun: Span | None = None

    def begin(self, span: Span) -> None:
        """Write down that the next tick lasts for ``span``."""
        self.begun = span
        self._append({"since_us": span.since_us, "until_us": span.until_us})

    def end(self, refused: int) -> None:
        """Write down that the tick that was begun has been played."""
        if self.begun is None:
            raise AssertionError("a tick that ends has begun")
        self.ended.append({"since_us": self.begun.since_us, "until_us": self.begun.until_us, "refused": refused})
        self.begun = None
        self._append({"refused": refused})

    def at_us(self, start_us: int) -> int:
        """Return the moment at which the tick begins that is to be played next."""
        if self.begun is not None:
            return self.begun.since_us
        return int(self.ended[-1]["until_us"]) if self.ended else start_us

    @staticmethod
    def read(path: Path) -> Diary:
        """Read the whole lines; a last one that a kill cut short was never written."""
        diary, whole = Diary(path, []), b""
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith(b"\n"):
                break
            diary._take(json.loads(line))
            whole += line
        write_atomically(path, whole)
        return diary

    def _take(self, entry: JsonObject) -> None:
        if self.begun is None:
            self.begun = Span(entry["since_us"], entry["until_us"])
        else:
            self.ended.append({"since_us": self.begun.since_us, "until_us": self.begun.until_us, **entry})
            self.begun = None

    def _append(self, entry: JsonObject) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
            stream.flush()
            # The database is on the disk when a transaction ends: this line must not come after it.
            os.fsync(stream.fileno())
