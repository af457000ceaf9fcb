"""A log with signed checkpoints, and what somebody can do to it who got around the database's guards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, select, text, update

from trimtab.audit.checkpoint import SIGNATURE_SUFFIX, Checkpoint, decode
from trimtab.audit.entry import GENESIS_HASH, AuditEntry
from trimtab.audit.key_chain import announce
from trimtab.audit.keys import PublicKey, SigningKey
from trimtab.audit.log import append, entry_of
from trimtab.audit.signing import CheckpointFile, checkpoint_after, files_of, sealed
from trimtab.audit.verification import Verified, verify_log
from trimtab.audit.walk import Place
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import audit_entry, audit_head

ENTRIES = 30
CHECKPOINTS = (10, 20, 21, 30)
"""All but the third are the first of their day."""
HOURS_6_US = 6 * 3_600_000_000
SOME_HASH = "f" * 64


@dataclass
class Sealed:
    """Database, lake and key of a platform, in the hands of somebody who may write the first two."""

    database: Database
    key: SigningKey
    files: dict[str, bytes] = field(default_factory=dict)

    def verified(self, connection: Connection, *trusted: PublicKey, seen: bool = True) -> Verified:
        """Return what verification says; without the checkpoints if they are not ``seen``."""
        return verify_log(connection, files_of(self.files.items()) if seen else [], trusted=trusted)

    def name(self, sequence: int) -> str:
        return f"checkpoint-{sequence:012d}.json"

    def drop(self, *sequences: int) -> None:
        for sequence in sequences:
            self.files.pop(self.name(sequence))
            self.files.pop(self.name(sequence) + SIGNATURE_SUFFIX, None)

    def put(self, file: CheckpointFile) -> None:
        self.files[file.name] = file.content
        if file.signature is not None:
            self.files[file.name + SIGNATURE_SUFFIX] = file.signature

    def checkpoint(self, connection: Connection, sequence: int, key: SigningKey) -> None:
        """Seal the chain as it is at ``sequence``."""
        row = connection.execute(select(audit_entry).where(audit_entry.c.sequence == sequence)).one()
        before = [file for file in files_of(self.files.items()) if file.sequence < sequence]
        place = Place(sequence, row.hash)
        made = checkpoint_after(before[-1] if before else None, place, at_us=row.at_us, key_id=key.public.id)
        self.put(sealed(made, key))

    def read(self, sequence: int) -> Checkpoint:
        return decode(self.files[self.name(sequence)], self.name(sequence))


def new_key() -> SigningKey:
    return SigningKey(Ed25519PrivateKey.generate())


def make_sealed(database: Database) -> Sealed:
    """Return a log of 30 entries, six hours apart, whose first names the key of its checkpoints."""
    found = Sealed(database, new_key())
    for number in range(1, ENTRIES + 1):
        with database.transaction() as connection:
            if number == 1:
                name_key(connection, found.key, at_us=HOURS_6_US)
            else:
                subject = f"version:bike/{number}"
                detail = {"weight_pct": 0.5 * number}
                append(
                    connection, at_us=number * HOURS_6_US, actor="ada", action="seen", subject=subject, detail=detail
                )
            if number in CHECKPOINTS:
                found.checkpoint(connection, number, found.key)
    return found


def name_key(
    connection: Connection, key: SigningKey, *, before: SigningKey | None = None, vouches: bool = True, at_us: int = 0
) -> None:
    announce(
        connection,
        key,
        before=None if before is None else before.public.id,
        before_key=before if vouches else None,
        at_us=at_us,
        actor="conductor",
        reason="test",
    )


def disarm(connection: Connection) -> None:
    """Take the guards away, as whoever owns the tables can; on PostgreSQL until the end of the transaction."""
    if connection.dialect.name == "sqlite":
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        # Databases are used again by other tests.
        connection.execute(text("SET LOCAL session_replication_role = replica"))


def entries(connection: Connection) -> list[AuditEntry]:
    rows = connection.execute(select(audit_entry).order_by(audit_entry.c.sequence)).all()
    return [entry_of(row, row.spec) for row in rows]


def edit(connection: Connection, at: int, /, **values: Any) -> None:
    connection.execute(update(audit_entry).where(audit_entry.c.sequence == at).values(**values))


def cut(connection: Connection, after: int) -> None:
    connection.execute(delete(audit_entry).where(audit_entry.c.sequence > after))


def set_head(connection: Connection, sequence: int) -> None:
    found = connection.execute(select(audit_entry.c.hash).where(audit_entry.c.sequence == sequence)).scalar_one()
    connection.execute(update(audit_head).values(sequence=sequence, hash=found))


def recompute(connection: Connection, changed: Sequence[AuditEntry]) -> None:
    """Write ``changed`` in place of the whole log, numbered and chained anew, head included."""
    connection.execute(delete(audit_entry))
    before = GENESIS_HASH
    for number, entry in enumerate(changed, start=1):
        entry = dataclasses.replace(entry, sequence=number, previous_hash=before)
        before = entry.computed_hash()
        values = {name: getattr(entry, name) for name in audit_entry.c.keys() if name != "hash"}  # noqa: SIM118
        connection.execute(audit_entry.insert().values(**values, hash=before))
    set_head(connection, len(changed))
