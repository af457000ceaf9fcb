"""What just happened, for those who look on: the newest events, read once for all of them."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import structlog
from sqlalchemy import func, select

from trimtab.core.canonical import JsonObject
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import event
from trimtab.loop.wake import Wake

__all__ = ["Broadcast", "Told", "newest_position", "told_after"]

_log = structlog.get_logger(__name__)

_KEPT = 1_000
"""Events that are kept in memory; who is further behind reads the database."""
_AT_ONCE = 500
_LOOK_S = 1.0
_SOON_S = 0.05
"""How long after a ring it is looked: what rang may not be committed yet, and more may come with it."""
_NAMES = ("model", "endpoint")


@dataclass(frozen=True, slots=True)
class Told:
    """An event as onlookers may see it: what it is about, by name and id, and nothing that needs a role."""

    position: int
    kind: str
    data: str

    def is_among(self, kinds: Sequence[str]) -> bool:
        """Return whether it is of one of ``kinds``, or of their subjects; all are of none.

        >>> told = Told(1, "incident.opened", "{}")
        >>> [told.is_among(kinds) for kinds in ((), ("incident",), ("incident.opened", "job"), ("incid",))]
        [True, True, True, False]
        """
        return not kinds or any(self.kind == kind or self.kind.startswith(f"{kind}.") for kind in kinds)


def newest_position(connection: Connection) -> int:
    """Return the position of the newest event, 0 where there is none."""
    return connection.execute(select(func.max(event.c.position))).scalar() or 0


def told_after(connection: Connection, position: int, *, limit: int = _AT_ONCE) -> list[Told]:
    """Return the first ``limit`` events behind ``position``, oldest first."""
    query = select(event).where(event.c.position > position).order_by(event.c.position).limit(limit)
    rows = connection.execute(query)
    return [Told(row.position, row.kind, _data(row.kind, row.aggregate, row.at_us, row.payload)) for row in rows]


def _data(kind: str, aggregate: str, at_us: int, payload: JsonObject) -> str:
    named = {
        name: value
        for name, value in payload.items()
        if isinstance(value, str) and (name in _NAMES or name.endswith("_id"))
    }
    return json.dumps({"kind": kind, "aggregate": aggregate, "at_us": at_us, **named})


class Broadcast:
    """One thread that reads new events while anybody listens, however many do. Safe to call from several threads.

    Positions are given out and committed by one writer at a time, so whoever has seen all up to one has missed none.

    Args:
        database: where events are.
        wake: rings when there may be something new; what other processes write is seen within a second.
    """

    def __init__(self, database: Database, wake: Wake) -> None:
        self._database = database
        self._wake = wake
        self._lock = threading.Lock()
        self._bells: dict[object, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._kept: deque[Told] = deque(maxlen=_KEPT)
        self._from = 0
        """All events behind this position, up to the newest of ``_kept``, are in memory."""
        self.is_stopping: Callable[[], bool] = lambda: False
        """Whether the server is about to end: nobody should be kept waiting then."""

    def listen(self, bell: Callable[[], None]) -> Callable[[], None]:
        """Have ``bell`` called, from another thread, when there may be news; return what ends it.

        Raises:
            BackendError: the database cannot be read.
        """
        ear = object()
        with self._lock:
            if self._thread is None:
                self._from = self._database.read(newest_position)
                self._kept.clear()
                self._thread = threading.Thread(target=self._run, name="broadcast", daemon=True)
                self._thread.start()
            self._bells[ear] = bell
        return lambda: self._forget(ear)

    def behind(self, position: int) -> list[Told] | None:
        """Return what is known behind ``position``, oldest first; None where the database has to be asked."""
        with self._lock:
            if position < self._from:
                return None
            found = list(takewhile(lambda one: one.position > position, reversed(self._kept)))
        return found[::-1]

    def _forget(self, ear: object) -> None:
        with self._lock:
            self._bells.pop(ear, None)

    def _run(self) -> None:
        heard = self._wake.heard
        while True:
            with self._lock:
                if not self._bells:
                    self._thread = None
                    return
            try:
                self._look()
            except TrimtabError as error:
                # A database that is away: onlookers are told what happened once it is back.
                _log.warning("broadcast.waits", error=str(error))
            except Exception as error:  # noqa: BLE001 - the boundary of a look: a thread that ended would starve them all
                _log.error("broadcast.fails", exc_info=error)
            rung = self._wake.wait(heard, timeout_s=_LOOK_S)
            if rung != heard:
                time.sleep(_SOON_S)
            heard = rung

    def _look(self) -> None:
        with self._lock:
            newest = self._kept[-1].position if self._kept else self._from
        found = self._database.read(lambda connection: told_after(connection, newest))
        with self._lock:
            for one in found:
                if len(self._kept) == _KEPT:
                    self._from = self._kept[0].position
                self._kept.append(one)
            bells = list(self._bells.values())
        if found or self.is_stopping():
            for bell in bells:
                bell()
