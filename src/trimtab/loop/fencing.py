"""Refuses what a lane writes after another process has taken it over, however long its thread was paused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from trimtab.core.errors import ConflictError
from trimtab.db import leases
from trimtab.db.engine import Connection
from trimtab.db.leases import Lease
from trimtab.loop.platform import Platform

__all__ = ["Fence"]


class Fence:
    """Asserts, in each write transaction of a lane, that the lease with which its turn began is still the newest.

    One thread works behind a fence; another may renew the lease meanwhile. A lease that ran out and was taken again has
    a higher token: what began before must not be written then either, since somebody else may have worked in between.
    """

    def __init__(self) -> None:
        self._held: Lease | None = None
        self._of_turn: Lease | None = None

    def guard(self, platform: Platform) -> Platform:
        """Return ``platform`` with a database that lets nothing be written but by this fence's holder."""
        return replace(platform, database=platform.database.fenced(self.check))

    def renewed(self, held: Lease | None) -> bool:
        """Take note of what the renewal of the lease has brought; None: another process holds it.

        Return whether the lease that was held until now is lost: what was begun with it will not be written.
        """
        lost = self._held is not None and held != self._held
        self._held = held
        return lost

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Begin a piece of work with the lease as it is now."""
        self._of_turn = self._held
        try:
            yield
        finally:
            self._of_turn = None

    def check(self, connection: Connection) -> None:
        """Do nothing while the work at hand may be written.

        Raises:
            ConflictError: its lease was lost; nothing is written.
        """
        if self._of_turn is None:
            raise ConflictError("lane: works without its lease; nothing was written")
        leases.hold(connection, self._of_turn)
