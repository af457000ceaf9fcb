"""Keys that were nobody's: counted by address as they come, told to the audit log once in a while."""

from __future__ import annotations

import threading
from collections import Counter

import structlog

from trimtab.audit import log as audit
from trimtab.db.engine import Database

__all__ = ["Refusals"]

_log = structlog.get_logger(__name__)

_MOST_ADDRESSES = 20
"""Addresses that are named in one entry: whoever has many must not fill the log with them."""


class Refusals:
    """Counts attempts with wrong keys; safe to call from several threads.

    Whoever guesses keys may not write to the database as often as they like: it is told all at once, by `tell`.

    >>> refusals = Refusals()
    >>> refusals.count("192.0.2.7")
    >>> refusals.count("192.0.2.7")
    >>> refusals.taken()
    {'192.0.2.7': 2}
    >>> refusals.taken()
    {}
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_address: Counter[str] = Counter()

    def count(self, address: str) -> None:
        """Count one attempt from ``address``."""
        self._add(address, 1)

    def taken(self) -> dict[str, int]:
        """Return the counts since the last call, most first."""
        with self._lock:
            counts, self._by_address = self._by_address, Counter()
        return dict(counts.most_common())

    def tell(self, database: Database, *, at_us: int) -> bool:
        """Write what was counted into the audit log, if anything was; return whether it was.

        Raises:
            BackendError: it cannot be written now; the counts are kept.
        """
        counts = self.taken()
        if not counts:
            return False
        attempts = sum(counts.values())
        _log.warning("access.refused", attempts=attempts, addresses=counts)
        try:
            with database.transaction() as connection:
                audit.append(
                    connection,
                    at_us=at_us,
                    actor="trimtab",
                    action="access.refused",
                    subject="api:keys",
                    reason=f"{attempts} {'attempt' if attempts == 1 else 'attempts'} with keys that are nobody's",
                    detail={"attempts": attempts, "addresses": counts},
                )
        except Exception:
            # A busy database or a full disk: they are told with the next ones.
            for address, count in counts.items():
                self._add(address, count)
            raise
        return True

    def _add(self, address: str, count: int) -> None:
        with self._lock:
            known = address in self._by_address or len(self._by_address) < _MOST_ADDRESSES
            self._by_address[address if known else "others"] += count
