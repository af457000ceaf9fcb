"""An index to find entries by what they are about. It is made of the entries when somebody asks, and is no evidence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, bindparam, delete, func, insert, select

from trimtab.audit.about import MOST_CHARACTERS, About, Told, day_of, told_by
from trimtab.audit.entry import AuditEntry
from trimtab.audit.log import entry_of
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import audit_about, audit_entry

__all__ = ["catch_up", "find", "reindex"]

_ENTRIES_AT_A_TIME: Final = 2_000
_LEADS_TO: Final[Mapping[About, tuple[About, ...]]] = {
    About.JOB: (About.ACTION, About.MODEL),
    About.ROLLOUT: (About.ACTION, About.MODEL),
    About.ACTION: (About.INCIDENT, About.MODEL),
    About.INCIDENT: (About.MODEL,),
    About.ENDPOINT: (About.MODEL,),
}
"""What something belongs to, as the first entry says that names both: in this order, each may lead to the next."""
_OF_MANY: Final = frozenset({About.ENDPOINT})
"""What so many entries are about that one question a value is cheaper than all of their rows."""

_OTHER = audit_about.alias()
_FIRST: Final = (
    select(_OTHER.c.value)
    .join_from(audit_about, _OTHER, audit_about.c.sequence == _OTHER.c.sequence)
    .where(
        audit_about.c.kind == bindparam("of"),
        audit_about.c.value == bindparam("named"),
        _OTHER.c.kind == bindparam("leads"),
    )
    .order_by(audit_about.c.sequence)
    .limit(1)
)


def catch_up(database: Database) -> int:
    """Enter what was written since the index was last brought up to date; return how many entries that were."""
    entered = 0
    while True:
        with database.transaction() as connection:
            count = _enter_next(connection)
        if not count:
            return entered
        entered += count


def reindex(database: Database) -> int:
    """Make the index anew from the entries; return how many there are."""
    with database.transaction() as connection:
        connection.execute(delete(audit_about))
    return catch_up(database)


def find(
    connection: Connection,
    told: Mapping[About, str],
    *,
    subject: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    after: int | None = None,
    limit: int = 100,
) -> list[AuditEntry]:
    """Return the newest ``limit`` entries that are about all of ``told``, oldest first; the index has to be up to date.

    Args:
        connection: where the log is.
        told: what they are about.
        subject: their subject; ending in ``:`` or ``/`` it stands for all that start with it.
        since_us: only entries of this moment or later.
        until_us: only entries of before this moment.
        after: the *oldest* entries after this one, in place of the newest.
        limit: how many.
    """
    query = select(audit_entry)
    for kind, value in told.items():
        query = query.where(audit_entry.c.sequence.in_(_sequences(kind).where(audit_about.c.value == value)))
    if since_us is not None:
        days = _sequences(About.DAY).where(audit_about.c.value >= day_of(since_us))
        query = query.where(audit_entry.c.at_us >= since_us, audit_entry.c.sequence.in_(days))
    if until_us is not None:
        days = _sequences(About.DAY).where(audit_about.c.value <= day_of(until_us))
        query = query.where(audit_entry.c.at_us < until_us, audit_entry.c.sequence.in_(days))
    if subject is not None and subject.endswith((":", "/")):
        query = query.where(audit_entry.c.subject.startswith(subject, autoescape=True))
    elif subject is not None:
        query = query.where(audit_entry.c.subject == subject)
    if after is not None:
        query = query.where(audit_entry.c.sequence > after).order_by(audit_entry.c.sequence)
        return [entry_of(row, row.spec) for row in connection.execute(query.limit(limit))]
    rows = connection.execute(query.order_by(audit_entry.c.sequence.desc()).limit(limit)).all()
    return [entry_of(row, row.spec) for row in reversed(rows)]


def _sequences(kind: About) -> Select[int]:
    return select(audit_about.c.sequence).where(audit_about.c.kind == kind)


def _enter_next(connection: Connection) -> int:
    reached = connection.execute(select(func.max(audit_about.c.sequence))).scalar() or 0
    query = select(audit_entry).where(audit_entry.c.sequence > reached).order_by(audit_entry.c.sequence)
    rows = connection.execute(query.limit(_ENTRIES_AT_A_TIME)).all()
    told = [_told(entry_of(row, row.spec)) for row in rows]
    belongings = _Belongings(connection, told)
    entered = [
        {"kind": kind, "value": value, "sequence": row.sequence}
        for row, one in zip(rows, told, strict=True)
        for kind, value in _with_candidate(belongings.completed(one), row.spec).items()
    ]
    if entered:
        connection.execute(insert(audit_about), entered)
    return len(rows)


def _told(entry: AuditEntry) -> Told:
    try:
        return told_by(entry)
    except (AttributeError, TypeError, ValueError):
        # It was edited; whoever verifies the log is told. An entry without any row would be looked at for ever.
        return {About.DAY: day_of(0)}


def _with_candidate(told: Told, spec: Any) -> Told:
    """A rollout's entries name the version by its number alone, and not the model."""
    try:
        candidate = spec["detail"].get("candidate")
    except (AttributeError, KeyError, TypeError):
        return told
    if isinstance(candidate, int) and About.MODEL in told:
        told.setdefault(About.VERSION, f"{told[About.MODEL]}/{candidate}"[:MOST_CHARACTERS])
    return told


class _Belongings:
    """Which model, incident or action something belongs to, by the first entry that told."""

    def __init__(self, connection: Connection, told: Sequence[Told]) -> None:
        self._connection = connection
        self._known: dict[tuple[About, str, About], str | None] = {}
        for kind in _LEADS_TO.keys() - _OF_MANY:
            self._learn(kind, {one[kind] for one in told if kind in one})

    def completed(self, told: Told) -> Told:
        """Return ``told`` with what earlier entries said of the same things, and remember what it says itself."""
        found = dict(told)
        for kind, leads in _LEADS_TO.items():
            if kind not in found:
                continue
            for further in leads:
                earlier = self._belongs_to(kind, found[kind], further)
                if earlier is None and further in found:
                    self._known[kind, found[kind], further] = found[further]
                elif earlier is not None:
                    found.setdefault(further, earlier)
        return found

    def _learn(self, kind: About, values: Collection[str]) -> None:
        """Ask at once for what single questions would take most of the time for."""
        leads = _LEADS_TO[kind]
        self._known |= {(kind, value, further): None for value in values for further in leads}
        query = (
            select(audit_about.c.value, _OTHER.c.kind, _OTHER.c.value)
            .join_from(audit_about, _OTHER, audit_about.c.sequence == _OTHER.c.sequence)
            .where(audit_about.c.kind == kind, audit_about.c.value.in_(values), _OTHER.c.kind.in_(leads))
            .order_by(audit_about.c.sequence)
        )
        for value, further, belongs in self._connection.execute(query):
            key = (kind, value, About(further))
            if self._known[key] is None:
                self._known[key] = belongs

    def _belongs_to(self, kind: About, value: str, further: About) -> str | None:
        key = (kind, value, further)
        if key not in self._known:
            values = {"of": kind, "named": value, "leads": further}
            self._known[key] = self._connection.execute(_FIRST, values).scalar()
        return self._known[key]
