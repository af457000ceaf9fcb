"""Reads the log once, in order, and says where it stops being as it was written."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Text, cast, select
from sqlalchemy.exc import OperationalError

from trimtab.audit.checkpoint import Checkpoint
from trimtab.audit.entry import GENESIS_HASH, AuditEntry
from trimtab.audit.log import entry_of
from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Connection
from trimtab.db.tables import audit_entry, audit_head

__all__ = ["BEGINNING", "Place", "Problem", "VerifyResult", "Walked", "contradictions", "verify", "walk"]

_ROWS_AT_A_TIME = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Where the log stops being trustworthy: everything before ``sequence`` is as it was written.

    ``last``: where it is known to be another log by, when that is known. ``cut_after``: the last entry that is left,
    where the end is missing. ``only_unvouched``: nothing contradicts the log; it is only that no trusted key has
    signed for it.
    """

    sequence: int
    what: str
    last: int | None = None
    cut_after: int | None = None
    only_unvouched: bool = False


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What verification found: the first ``entries`` of the log are whole in themselves; ``problem`` is the first."""

    ok: bool
    entries: int
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain: the entry of that sequence has that hash."""

    sequence: int
    hash: str


BEGINNING = Place(0, GENESIS_HASH)


@dataclass(frozen=True, slots=True)
class Walked:
    """What was read: whole up to ``end``, where ``problem`` stopped it; the hashes at the places asked for."""

    end: Place
    problem: Problem | None = None
    hashes: dict[int, str] = field(default_factory=dict)
    picked: tuple[AuditEntry, ...] = ()


def verify(connection: Connection, *, checkpoints: Sequence[Checkpoint] = ()) -> VerifyResult:
    """Say whether the log is as it was written, and if not, where it first differs.

    Found without checkpoints: an edit of any field, a deletion in the middle, an insertion, a new order, a head that
    does not fit. A truncated tail with its head set back, or a chain recomputed as a whole, is consistent in itself: it
    is found against ``checkpoints`` taken before; what is recomputed is between the last that agrees and the first that
    does not. Reads the entries once, in order, 1000 at a time.
    """
    walked = walk(connection, wanted={checkpoint.sequence for checkpoint in checkpoints})
    problem = next(iter(contradictions(walked, checkpoints)), None) if walked.problem is None else walked.problem
    return VerifyResult(ok=problem is None, entries=walked.end.sequence, problem=problem)


def walk(
    connection: Connection,
    *,
    start: Place = BEGINNING,
    wanted: Collection[int] = (),
    subject: str | None = None,
) -> Walked:
    """Read all entries after ``start``, and the head; ``wanted``: sequences whose hashes are to be told.

    ``subject``: of what the entries are to be handed out that were found whole.
    """
    found = _walk(connection, start, wanted, subject, _ROWS_AT_A_TIME)
    if found.problem is not None:
        return found
    return Walked(found.end, _head_problem(connection, found.end), found.hashes, found.picked)


def contradictions(walked: Walked, checkpoints: Iterable[Checkpoint]) -> Iterable[Problem]:
    """Yield what ``checkpoints`` say against the log, the earliest first; nothing about what was not read.

    What is known to be as it was written ends at the last checkpoint that agrees before one that does not.
    """
    sure = 0
    for one in sorted(checkpoints, key=lambda checkpoint: checkpoint.sequence):
        seen = walked.hashes.get(one.sequence)
        if seen == one.hash:
            sure = one.sequence
        elif seen is None:
            if one.sequence > walked.end.sequence and walked.problem is None:
                end = walked.end.sequence
                what = f"truncated after entry {end}: the checkpoint saw {one.sequence} entries"
                # What is left may have been recomputed as well, as far back as nobody else looked.
                yield Problem(sure + 1, what, last=one.sequence, cut_after=end)
                return
        else:
            by = "" if one.key_id is None else f", and key {one.key_id} signed"
            what = (
                f"entries {sure + 1} to {one.sequence} are not those that the checkpoint at {one.sequence} saw{by}: "
                "the chain was recomputed, or the checkpoint is of another log"
            )
            yield Problem(sure + 1, what, last=one.sequence)
            return


def _walk(
    connection: Connection, start: Place, wanted: Collection[int], subject: str | None, rows_at_a_time: int
) -> Walked:
    columns = [cast(column, Text).label("spec") if column.name == "spec" else column for column in audit_entry.c]
    query = select(*columns).order_by(audit_entry.c.sequence).execution_options(yield_per=rows_at_a_time)
    if start.sequence:
        query = query.where(audit_entry.c.sequence > start.sequence)
    last, before = start.sequence, start.hash
    hashes = {last: before}
    picked: list[AuditEntry] = []
    try:
        # Closed also when a fault ends it early: on PostgreSQL it is a cursor of the server's.
        with connection.execute(query) as rows:
            for row in rows:
                found = _checked(row, last + 1, before)
                if isinstance(found, str):
                    return Walked(Place(last, before), Problem(last + 1, found), hashes, tuple(picked))
                last, before = found.sequence, found.hash
                if last in wanted:
                    hashes[last] = before
                if found.subject == subject:
                    picked.append(found)
    except OperationalError as error:
        # SQLite stores any bytes as text; the driver then fails for the whole batch. Which row it is shows one by one.
        if "decode" not in str(error.orig):
            raise
        if rows_at_a_time > 1:
            return _walk(connection, start, wanted, subject, 1)
        what = f"entry {last + 1} is no text any more: it was edited"
        return Walked(Place(last, before), Problem(last + 1, what), hashes, tuple(picked))
    return Walked(Place(last, before), None, hashes, tuple(picked))


def _checked(row: Row[Any], expected: int, hash_before: str) -> AuditEntry | str:
    """Return the entry in ``row``, or what is wrong with it."""
    if row.sequence != expected:
        return f"entry {expected} is missing: the next one found is {row.sequence}"
    if row.previous_hash != hash_before:
        return f"entry {expected} does not follow the entry before it: it names another previous hash"
    try:
        entry = entry_of(row, json.loads(row.spec, object_pairs_hook=_without_repeats))
        computed = entry.computed_hash()
    except (TypeError, ValueError, RecursionError) as error:
        return f"entry {expected} cannot be read ({error}): it was edited"
    if computed != row.hash:
        return f"entry {expected} ({row.action} by {row.actor} on {row.subject}) was edited: its hash does not fit"
    return entry


def _head_problem(connection: Connection, end: Place) -> Problem | None:
    heads = connection.execute(select(audit_head)).all()
    if len(heads) != 1:
        return Problem(end.sequence + 1, f"{len(heads)} head rows, expected 1")
    head = heads[0]
    if head.sequence != end.sequence or head.hash != end.hash:
        return Problem(
            min(end.sequence, head.sequence) + 1 if isinstance(head.sequence, int) else end.sequence + 1,
            f"the head says {head.sequence} entries and hash {str(head.hash)[:12]}…, "
            f"the entries say {end.sequence} and {end.hash[:12]}…",
        )
    return None


def _without_repeats(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
