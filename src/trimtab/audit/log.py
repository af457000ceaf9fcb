"""Appends to the audit log, and shows it."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from trimtab.audit.checkpoint import Checkpoint
from trimtab.audit.entry import AuditEntry, hash_of
from trimtab.core.canonical import JsonObject, canonical_json
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConflictError, DataContractError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry, audit_head

__all__ = ["append", "checkpoint_now", "entry_of", "show"]

_MAX_SPEC_BYTES = 256_000
# Made once: to build them anew takes longer than the rest of an append.
_HEAD = select(audit_head).where(audit_head.c.id == 1)
_LOCKED_HEAD = _HEAD.with_for_update()
_TAKE = insert(audit_entry)
_MOVE = update(audit_head).where(audit_head.c.id == 1, audit_head.c.sequence == bindparam("left"))
_NO_HEAD = "audit log: its head row is gone, expected one; run `trimtab audit verify`, then restore it"


def append(
    connection: Connection,
    *,
    at_us: int,
    actor: str,
    action: str,
    subject: str,
    reason: str = "",
    before: Any = None,
    after: Any = None,
    detail: JsonObject | None = None,
) -> AuditEntry:
    """Write one entry in the caller's transaction, which also holds the change that the entry tells of.

    Call it last in the transaction: it locks the head of the chain until the commit. Writers queue behind that lock, so
    the chain has neither gaps nor forks. NaN, infinities and anything that is not JSON are refused in ``before``,
    ``after`` and ``detail``.

    Raises:
        DataContractError: what is to be told is no JSON, or larger than 256 kB.
        ConflictError: the head of the chain moved or is gone; nothing was written.
    """
    spec = _checked_spec(action, subject, {"reason": reason, "before": before, "after": after, "detail": detail or {}})
    head = connection.execute(_LOCKED_HEAD).first()
    if head is None:
        raise ConflictError(_NO_HEAD)
    fields: dict[str, Any] = {
        "sequence": head.sequence + 1,
        "id": new_id(),
        "at_us": at_us,
        "actor": actor,
        "action": action,
        "subject": subject,
        "spec": spec,
        "previous_hash": head.hash,
    }
    entry = AuditEntry(**fields, hash=hash_of(**fields))
    connection.execute(_TAKE, {**fields, "hash": entry.hash})
    moved = connection.execute(_MOVE, {"left": head.sequence, "sequence": entry.sequence, "hash": entry.hash})
    if moved.rowcount != 1:
        raise ConflictError(
            f"audit log: another writer moved the head past {head.sequence}; roll back and repeat the transaction"
        )
    reached("audit.appended")
    return entry


def show(
    connection: Connection, *, subject: str | None = None, actor: str | None = None, limit: int = 100
) -> list[AuditEntry]:
    """Return the newest ``limit`` entries, oldest first; only those of ``subject`` and ``actor`` where given.

    A ``subject`` that ends in ``:`` or ``/`` stands for all subjects that start with it.
    """
    query = select(audit_entry).order_by(audit_entry.c.sequence.desc()).limit(limit)
    if subject is not None and subject.endswith((":", "/")):
        query = query.where(audit_entry.c.subject.startswith(subject, autoescape=True))
    elif subject is not None:
        query = query.where(audit_entry.c.subject == subject)
    if actor is not None:
        query = query.where(audit_entry.c.actor == actor)
    return [entry_of(row, row.spec) for row in reversed(connection.execute(query).all())]


def checkpoint_now(connection: Connection, *, at_us: int) -> Checkpoint:
    """Return the head of the chain as a checkpoint, to be kept where the database's owner cannot reach it."""
    head = connection.execute(_HEAD).first()
    if head is None:
        raise ConflictError(_NO_HEAD)
    return Checkpoint(sequence=head.sequence, hash=head.hash, at_us=at_us)


def _checked_spec(action: str, subject: str, spec: JsonObject) -> JsonObject:
    """Return ``spec`` as the database will give it back: what is hashed now must be what is read later."""
    try:
        text = canonical_json(spec)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise DataContractError(
            f"audit entry {action!r} on {subject!r}: {error}; before, after and detail may hold only JSON values"
        ) from error
    if size > _MAX_SPEC_BYTES:
        raise DataContractError(
            f"audit entry {action!r} on {subject!r}: {size} bytes, at most {_MAX_SPEC_BYTES}; name large parts by hash"
        )
    checked: JsonObject = json.loads(text)
    return checked


def entry_of(row: Row[Any], spec: JsonObject) -> AuditEntry:
    """Return the entry that ``row`` holds, with what it tells in ``spec``."""
    return AuditEntry(
        sequence=row.sequence,
        id=row.id,
        at_us=row.at_us,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        spec=spec,
        previous_hash=row.previous_hash,
        hash=row.hash,
    )
