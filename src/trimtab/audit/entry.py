"""One entry of the audit log, and the hash that chains it to the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trimtab.core.canonical import JsonObject, digest_of

__all__ = ["GENESIS_HASH", "AuditEntry", "hash_of"]

GENESIS_HASH = "0" * 64
"""What the first entry names as the hash before it."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who (``actor``) did what (``action``) to what (``subject``), and why (``spec``).

    ``sequence`` counts from 1 without gaps. ``at_us`` is domain time in microseconds UTC. ``hash`` covers every other
    field, ``previous_hash`` among them, so that an entry vouches for all entries before it.
    """

    sequence: int
    id: str
    at_us: int
    actor: str
    action: str
    subject: str
    spec: JsonObject
    previous_hash: str
    hash: str

    @property
    def reason(self) -> str:
        """Why it was done, in a sentence; empty when nobody said."""
        return str(self.spec.get("reason", ""))

    @property
    def before(self) -> Any:
        """The state before, None when there was none or it was not told."""
        return self.spec.get("before")

    @property
    def after(self) -> Any:
        """The state after, None when there is none or it was not told."""
        return self.spec.get("after")

    @property
    def detail(self) -> JsonObject:
        """What else was told: trigger, inputs, thresholds, rule."""
        return dict(self.spec.get("detail") or {})

    def computed_hash(self) -> str:
        """Return what ``hash`` must be for the other fields as they are.

        Raises:
            ValueError: a field cannot be written as JSON.
        """
        return hash_of(
            sequence=self.sequence,
            id=self.id,
            at_us=self.at_us,
            actor=self.actor,
            action=self.action,
            subject=self.subject,
            spec=self.spec,
            previous_hash=self.previous_hash,
        )


def hash_of(
    *, sequence: int, id: str, at_us: int, actor: str, action: str, subject: str, spec: object, previous_hash: str
) -> str:
    """Return the SHA-256 over the canonical JSON of an entry's fields, as 64 hex digits.

    Raises:
        ValueError: ``spec`` holds NaN, an infinity, or text that is no Unicode.

    >>> fields = dict(sequence=1, id="a", at_us=0, actor="ada", action="approve", subject="model:x", spec={})
    >>> hash_of(**fields, previous_hash=GENESIS_HASH)[:12]
    'a9da98934518'
    """
    return digest_of(
        {
            "sequence": sequence,
            "id": id,
            "at_us": at_us,
            "actor": actor,
            "action": action,
            "subject": subject,
            "spec": spec,
            "previous_hash": previous_hash,
        }
    )
