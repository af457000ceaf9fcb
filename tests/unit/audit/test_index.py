"""Entries are found by what they are about, also by what only an earlier entry told; the index is made of them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, func, select
from tests.unit.audit.forging import disarm, edit

from trimtab.audit.about import About
from trimtab.audit.index import catch_up, find, reindex
from trimtab.audit.log import append
from trimtab.core.canonical import JsonObject
from trimtab.db.engine import Database
from trimtab.db.tables import audit_about

_DAY_US = 86_400_000_000


def _write(database: Database, *told: tuple[str, str, JsonObject], actor: str = "conductor") -> None:
    for number, (subject, action, detail) in enumerate(told):
        with database.transaction() as connection:
            at_us = number * _DAY_US
            append(connection, at_us=at_us, actor=actor, action=action, subject=subject, detail=detail)


def _story(database: Database) -> None:
    """One case, from its incident to its rollout: each entry says only what its writer knows."""
    _write(
        database,
        ("incident:i1", "incident.opened", {"model": "bike"}),
        ("incident:i1", "incident.diagnosed", {}),
        ("action:a1", "action.requested", {"model": "bike", "incident_id": "i1"}),
        ("action:a1", "action.approved", {}),
        ("model:bike", "training.requested", {"job_id": "j1", "action_id": "a1"}),
        ("model:bike", "training.succeeded", {"job_id": "j1"}),
        ("version:bike/2", "version.registered", {"job_id": "j1"}),
        ("rollout:bikes/r1", "rollout.started", {"candidate": 2, "action_id": "a1"}),
        ("rollout:bikes/r1", "rollout.promoted", {"candidate": 2}),
        ("endpoint:bikes", "endpoint.overtaken", {}),
        ("version:heart/1", "version.registered", {"job_id": "j9"}),
        ("key:emil", "key.created", {}),
    )


def _found(database: Database, **asked: str) -> list[int]:
    told = {About(kind): value for kind, value in asked.items()}
    return [entry.sequence for entry in database.read(lambda connection: find(connection, told))]


def test_a_case_is_found_whole_by_its_incident_and_by_its_action(database: Database) -> None:
    _story(database)
    assert catch_up(database) == 12
    assert _found(database, incident="i1") == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert _found(database, action="a1") == [3, 4, 5, 6, 7, 8, 9]
    assert _found(database, model="bike") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert _found(database, version="bike/2") == [7, 8, 9]
    assert _found(database, endpoint="bikes") == [8, 9, 10]
    assert _found(database, model="heart") == [11]
    assert _found(database, model="bike", version="heart/1") == []
    assert _found(database, actor="conductor") == list(range(1, 13))


def test_it_does_not_matter_how_often_the_index_is_brought_up_to_date(database: Database) -> None:
    _story(database)
    assert catch_up(database) == 12
    assert catch_up(database) == 0
    _write(database, ("action:a1", "action.verified", {}))
    assert catch_up(database) == 1
    assert _found(database, incident="i1")[-1] == 13
    by_pieces = _rows(database)
    with database.transaction() as connection:
        connection.execute(delete(audit_about).where(audit_about.c.sequence < 5))
    assert _rows(database) != by_pieces
    assert reindex(database) == 13
    assert _rows(database) == by_pieces


def test_times_are_exact_and_pages_begin_after_an_entry(database: Database) -> None:
    _story(database)
    catch_up(database)

    def asked(**what: Any) -> list[int]:
        return [entry.sequence for entry in database.read(lambda connection: find(connection, {}, **what))]

    assert asked(since_us=9 * _DAY_US) == [10, 11, 12]
    assert asked(since_us=9 * _DAY_US + 1) == [11, 12]
    assert asked(until_us=2 * _DAY_US) == [1, 2]
    assert asked(since_us=_DAY_US, until_us=_DAY_US + 1) == [2]
    assert asked(limit=2) == [11, 12]
    assert asked(after=3, limit=2) == [4, 5]
    assert asked(after=12) == []


def test_entries_that_were_edited_neither_stop_the_index_nor_are_looked_at_again(database: Database) -> None:
    _write(database, ("model:bike", "x", {}), ("model:bike", "y", {}), ("model:bike", "z", {}))
    with database.transaction() as connection:
        disarm(connection)
        edit(connection, 1, spec=["no", "object"])
        edit(connection, 2, spec={"detail": 7}, actor="", subject=":/")
    assert catch_up(database) == 3
    assert catch_up(database) == 0
    assert _found(database, model="bike") == [3]


def test_what_would_not_fit_the_index_is_left_out(database: Database) -> None:
    _write(database, ("model:bike", "x", {"job_id": "j" * 201, "action_id": 7, "incident_id": ""}))
    assert catch_up(database) == 1
    kinds = database.read(lambda c: c.execute(select(audit_about.c.kind).order_by(audit_about.c.kind)).scalars().all())
    assert kinds == ["actor", "day", "model"]


def _rows(database: Database) -> tuple[int, list[tuple[object, ...]]]:
    with database.reading() as connection:
        count = connection.execute(select(func.count()).select_from(audit_about)).scalar_one()
        rows = connection.execute(select(audit_about).order_by("kind", "value", "sequence")).all()
    return count, [tuple(row) for row in rows]
