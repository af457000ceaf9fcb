"""Which key signs checkpoints from which entry on: the log says so itself, and each key vouches for the next."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from trimtab.audit.entry import AuditEntry
from trimtab.audit.keys import PublicKey, SigningKey
from trimtab.audit.log import append, entry_of
from trimtab.core.canonical import canonical_json
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry

__all__ = ["KEY_SUBJECT", "KeyChain", "KeyNotice", "announce", "notice_of", "stored_notices"]

KEY_SUBJECT: Final = "audit:key"
_ACTION: Final = "audit.key_changed"


@dataclass(frozen=True, slots=True)
class KeyNotice:
    """The log's word that ``key`` signs from ``sequence`` on; ``before`` signed till then, and ``vouched`` for it."""

    sequence: int
    key: PublicKey
    before: str | None
    signature: bytes
    signature_before: bytes | None

    def is_signed(self) -> bool:
        """Return whether the holder of the key has signed the notice."""
        return self.key.has_signed(_statement(self.key, self.before), self.signature)

    def is_vouched_by(self, before: PublicKey) -> bool:
        """Return whether ``before``, which signed till then, has signed the notice too."""
        if before.id != self.before or self.signature_before is None:
            return False
        return before.has_signed(_statement(self.key, self.before), self.signature_before)


def announce(
    connection: Connection,
    key: SigningKey,
    *,
    before: str | None,
    before_key: SigningKey | None,
    at_us: int,
    actor: str,
    reason: str,
) -> AuditEntry:
    """Write that from here on ``key`` signs checkpoints, signed by it and by the key ``before`` where it is at hand."""
    statement = _statement(key.public, before)
    return append(
        connection,
        at_us=at_us,
        actor=actor,
        action=_ACTION,
        subject=KEY_SUBJECT,
        reason=reason,
        before=before,
        after=key.public.id,
        detail={
            "public_key": key.public.raw.hex(),
            "signature": key.sign(statement).hex(),
            "signature_before": None if before_key is None else before_key.sign(statement).hex(),
        },
    )


def stored_notices(connection: Connection) -> list[KeyNotice]:
    """Return what the log says of its keys, oldest first and unverified; nothing where that cannot be read."""
    found: list[KeyNotice] = []
    query = select(audit_entry).where(audit_entry.c.subject == KEY_SUBJECT, audit_entry.c.action == _ACTION)
    try:
        rows = connection.execute(query.order_by(audit_entry.c.sequence)).all()
    except OperationalError as error:
        # SQLite stores any bytes as text. Whoever verifies the log is told which entry that is.
        if "decode" not in str(error.orig):
            raise
        return []
    except ValueError:
        # Nor need it be JSON any more.
        return []
    for row in rows:
        notice = notice_of(entry_of(row, row.spec))
        if notice is not None:
            found.append(notice)
    return found


def notice_of(entry: AuditEntry) -> KeyNotice | None:
    """Return the notice that ``entry`` is, None if it is another entry, or says what no notice says."""
    if entry.action != _ACTION:
        return None
    try:
        before, signature_before = entry.before, entry.detail["signature_before"]
        if not isinstance(before, str | None):
            return None
        return KeyNotice(
            sequence=entry.sequence,
            key=PublicKey(bytes.fromhex(entry.detail["public_key"])),
            before=before,
            signature=bytes.fromhex(entry.detail["signature"]),
            signature_before=None if signature_before is None else bytes.fromhex(signature_before),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


class KeyChain:
    """The keys that a log names, in order, and those that somebody trusts.

    Args:
        notices: what the log says of its keys, oldest first; those that their own key has not signed do not count.
        trusted: keys that somebody knows from elsewhere; without any, nobody can say whose the others are.
    """

    def __init__(self, notices: Iterable[KeyNotice], trusted: Collection[PublicKey] = ()) -> None:
        self.notices = tuple(notice for notice in notices if notice.is_signed())
        self._keys = {key.id: key for key in (*trusted, *(notice.key for notice in self.notices))}
        self._trusted = self._reached_from({key.id for key in trusted})

    @property
    def has_trusted(self) -> bool:
        """Whether somebody named a key that they know from elsewhere."""
        return bool(self._trusted)

    def key(self, key_id: str) -> PublicKey | None:
        """Return the key of that id, None if neither the log nor anybody else names it."""
        return self._keys.get(key_id)

    def current(self, sequence: int) -> KeyNotice | None:
        """Return the notice that holds for a checkpoint at ``sequence``, None where there was no key yet."""
        found = [notice for notice in self.notices if notice.sequence <= sequence]
        return found[-1] if found else None

    def is_trusted(self, key_id: str) -> bool:
        """Return whether the key is one of the trusted, or was signed for together with one."""
        return key_id in self._trusted

    def unvouched(self) -> tuple[KeyNotice, ...]:
        """Return the notices of keys that the key before them did not sign for; the first has none before it."""
        return tuple(after for before, after in pairwise(self.notices) if not after.is_vouched_by(before.key))

    def _reached_from(self, trusted: set[str]) -> frozenset[str]:
        """A notice signed by both keys vouches for either by the other."""
        pairs = [{before.key.id, after.key.id} for before, after in self._vouched()]
        found, size = set(trusted), -1
        while size != len(found):
            size = len(found)
            found = found.union(*(pair for pair in pairs if pair & found))
        return frozenset(found)

    def _vouched(self) -> list[tuple[KeyNotice, KeyNotice]]:
        return [(before, after) for before, after in pairwise(self.notices) if after.is_vouched_by(before.key)]


def _statement(key: PublicKey, before: str | None) -> bytes:
    return canonical_json({"what": "trimtab audit key", "key": key.raw.hex(), "before": before}).encode()
