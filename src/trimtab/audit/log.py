"""Appends to the audit log, shows it, and finds what was done to it behind our back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Text, cast, insert, select, update
from sqlalchemy.exc import OperationalError

from trimtab.audit.checkpoint import Checkpoint
from trimtab.audit.entry import GENESIS_HASH, AuditEntry, hash_of
from trimtab.core.canonical import JsonObject, canonical_json
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConflictError, DataContractError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry, audit_head

__all__ = ["Problem", "VerifyResult", "append", "checkpoint_now", "show", "verify"]

_MAX_SPEC_BYTES = 256_000
_ROWS_AT_A_TIME = 1_000
_NO_HEAD = "audit log: its head row is gone, expected one; run `trimtab audit verify`, then restore it"


@dataclass(frozen=True, slots=True)
class Problem:
    """Where the log stops being trustworthy: everything before ``sequence`` is as it was written."""

    sequence: int
    what: str


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What verification found: ``entries`` were read and found whole; ``problem`` is the first fault."""

    ok: bool
    entries: int
    problem: Problem | None = None


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
    head = connection.execute(select(audit_head).where(audit_head.c.id == 1).with_for_update()).first()
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
    connection.execute(insert(audit_entry).values(**fields, hash=entry.hash))
    moved = connection.execute(
        update(audit_head)
        .where(audit_head.c.id == 1, audit_head.c.sequence == head.sequence)
        .values(sequence=entry.sequence, hash=entry.hash)
    )
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
    return [_entry(row, row.spec) for row in reversed(connection.execute(query).all())]


def checkpoint_now(connection: Connection, *, at_us: int) -> Checkpoint:
    """Return the head of the chain as a checkpoint, to be kept where the database's owner cannot reach it."""
    head = connection.execute(select(audit_head).where(audit_head.c.id == 1)).first()
    if head is None:
        raise ConflictError(_NO_HEAD)
    return Checkpoint(sequence=head.sequence, hash=head.hash, at_us=at_us)


def verify(connection: Connection, *, checkpoint: Checkpoint | None = None) -> VerifyResult:
    """Say whether the log is as it was written, and if not, where it first differs.

    Found without a checkpoint: an edit of any field, a deletion in the middle, an insertion, a new order, a head that
    does not fit. A truncated tail with its head set back, or a chain recomputed as a whole, is consistent in itself: it
    is found against a ``checkpoint`` taken before. Reads the entries once, in order, 1000 at a time.
    """
    last = _walk(connection, checkpoint, _ROWS_AT_A_TIME)
    if last.problem is not None:
        return VerifyResult(ok=False, entries=last.entries, problem=last.problem)
    problem = _beyond(last, checkpoint) or _head_problem(connection, last)
    return VerifyResult(ok=problem is None, entries=last.entries, problem=problem)


@dataclass(frozen=True, slots=True)
class _Walked:
    entries: int
    hash: str
    problem: Problem | None = None


def _walk(connection: Connection, checkpoint: Checkpoint | None, rows_at_a_time: int) -> _Walked:
    columns = [cast(column, Text).label("spec") if column.name == "spec" else column for column in audit_entry.c]
    query = select(*columns).order_by(audit_entry.c.sequence).execution_options(yield_per=rows_at_a_time)
    hash_before = GENESIS_HASH
    count = 0
    try:
        # Closed also when a fault ends it early: on PostgreSQL it is a cursor of the server's.
        with connection.execute(query) as rows:
            for row in rows:
                what = _fault(row, count + 1, hash_before, checkpoint)
                if what is not None:
                    return _Walked(count, hash_before, Problem(count + 1, what))
                hash_before = row.hash
                count += 1
    except OperationalError as error:
        # SQLite stores any bytes as text; the driver then fails for the whole batch. Which row it is shows one by one.
        if "decode" not in str(error.orig):
            raise
        if rows_at_a_time > 1:
            return _walk(connection, checkpoint, 1)
        return _Walked(count, hash_before, Problem(count + 1, f"entry {count + 1} is no text any more: it was edited"))
    return _Walked(count, hash_before)


def _fault(row: Row[Any], expected: int, hash_before: str, checkpoint: Checkpoint | None) -> str | None:
    if row.sequence != expected:
        return f"entry {expected} is missing: the next one found is {row.sequence}"
    if row.previous_hash != hash_before:
        return f"entry {expected} does not follow the entry before it: it names another previous hash"
    try:
        spec = json.loads(row.spec, object_pairs_hook=_without_repeats)
        entry = _entry(row, spec)
        computed = entry.computed_hash()
    except (TypeError, ValueError, RecursionError) as error:
        return f"entry {expected} cannot be read ({error}): it was edited"
    if computed != row.hash:
        return f"entry {expected} ({row.action} by {row.actor} on {row.subject}) was edited: its hash does not fit"
    if checkpoint is not None and checkpoint.sequence == expected and checkpoint.hash != row.hash:
        return f"entry {expected} is not the one that the checkpoint saw: the chain was recomputed"
    return None


def _beyond(last: _Walked, checkpoint: Checkpoint | None) -> Problem | None:
    if checkpoint is None or checkpoint.sequence <= last.entries:
        return None
    return Problem(
        last.entries + 1, f"truncated after entry {last.entries}: the checkpoint saw {checkpoint.sequence} entries"
    )


def _head_problem(connection: Connection, last: _Walked) -> Problem | None:
    heads = connection.execute(select(audit_head)).all()
    if len(heads) != 1:
        return Problem(last.entries + 1, f"{len(heads)} head rows, expected 1")
    head = heads[0]
    if head.sequence != last.entries or head.hash != last.hash:
        return Problem(
            min(last.entries, head.sequence) + 1 if isinstance(head.sequence, int) else last.entries + 1,
            f"the head says {head.sequence} entries and hash {str(head.hash)[:12]}…, "
            f"the entries say {last.entries} and {last.hash[:12]}…",
        )
    return None


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


def _without_repeats(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _entry(row: Row[Any], spec: JsonObject) -> AuditEntry:
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
