"""The audit log tells what happened, in order, and refuses to forget."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from tests.unit.audit.forging import disarm

from trimtab.audit.entry import GENESIS_HASH
from trimtab.audit.log import append, checkpoint_now, show
from trimtab.audit.walk import verify
from trimtab.core.errors import DataContractError
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.db.tables import audit_entry, audit_head


def _write(database: Database, count: int, actor: str = "ada") -> None:
    for number in range(count):
        with database.transaction() as connection:
            append(connection, at_us=number, actor=actor, action="approve", subject=f"version:bike/{number}")


def test_empty_log_is_whole(database: Database) -> None:
    result = database.read(verify)
    assert (result.ok, result.entries, result.problem) == (True, 0, None)


def test_entries_are_chained_and_read_back_as_they_were_written(database: Database) -> None:
    with database.transaction() as connection:
        first = append(connection, at_us=1, actor="ada", action="approve", subject="version:bike/1", reason="better")
        second = append(
            connection,
            at_us=2,
            actor="loop",
            action="promote",
            subject="endpoint:bike",
            before={"weight_pct": 10.0},
            after={"weight_pct": 100},
            detail={"rule": "canary", "values": (1, 2)},
        )
    assert (first.sequence, first.previous_hash, first.reason) == (1, GENESIS_HASH, "better")
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    assert (second.before, second.after, second.detail) == (
        {"weight_pct": 10.0},
        {"weight_pct": 100},
        {"rule": "canary", "values": [1, 2]},
    )
    assert database.read(show) == [first, second]
    assert database.read(verify).entries == 2


def test_entry_vanishes_with_the_change_that_it_tells_of(database: Database) -> None:
    def fails_late() -> None:
        with database.transaction() as connection:
            append(connection, at_us=1, actor="ada", action="approve", subject="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_late()
    _write(database, 1)
    assert [entry.sequence for entry in database.read(show)] == [1]


def test_show_filters_by_subject_prefix_and_actor_and_keeps_the_newest(database: Database) -> None:
    _write(database, 3)
    with database.transaction() as connection:
        append(connection, at_us=9, actor="bob", action="open", subject="incident:1")
    with database.reading() as connection:
        assert [entry.subject for entry in show(connection, subject="version:")] == [
            f"version:bike/{number}" for number in range(3)
        ]
        assert [entry.actor for entry in show(connection, subject="incident:1")] == ["bob"]
        assert len(show(connection, actor="ada", limit=2)) == 2
        assert show(connection, subject="version:bike") == []
        assert [entry.sequence for entry in show(connection, limit=2)] == [3, 4]


@pytest.mark.parametrize("bad", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}, {"x": "a" * 300_000}])
def test_what_cannot_be_hashed_the_same_later_is_refused_in_a_sentence(
    database: Database, bad: dict[str, object]
) -> None:
    with database.transaction() as connection:
        with pytest.raises(DataContractError, match="audit entry 'approve' on 'x'"):
            append(connection, at_us=1, actor="ada", action="approve", subject="x", detail=bad)
        append(connection, at_us=1, actor="ada", action="approve", subject="x")
    assert database.read(verify).entries == 1


def test_database_refuses_update_and_delete(database: Database) -> None:
    _write(database, 2)
    for statement in (update(audit_entry).values(actor="eve"), delete(audit_entry)):
        with pytest.raises(DBAPIError, match="append-only"), database.transaction() as connection:
            connection.execute(statement)
    assert database.read(verify).entries == 2


def test_concurrent_writers_neither_fork_the_chain_nor_leave_gaps(database: Database) -> None:
    threads = [threading.Thread(target=_write, args=(database, 15, f"writer-{number}")) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = database.read(verify)
    assert (result.ok, result.entries) == (True, 60)


def test_head_that_does_not_fit_is_found(database: Database) -> None:
    _write(database, 2)
    with database.transaction() as connection:
        disarm(connection)
        connection.execute(update(audit_head).values(sequence=1))
    problem = database.read(verify).problem
    assert problem is not None
    assert (problem.sequence, "the head says 1 entries" in problem.what) == (2, True)


def test_missing_head_is_found_and_stops_writing(database: Database) -> None:
    with database.transaction() as connection:
        disarm(connection)
        connection.execute(delete(audit_head))
    assert not database.read(verify).ok
    with pytest.raises(Exception, match="audit verify"):
        _write(database, 1)


def test_truncation_and_recomputed_chains_are_found_against_a_checkpoint(database: Database, tmp_path: Path) -> None:
    _write(database, 4)
    seen = database.read(lambda connection: checkpoint_now(connection, at_us=5))
    _write(database, 2)
    assert database.read(lambda connection: verify(connection, checkpoints=[seen])).ok

    forged = Database.at(tmp_path / "forged.db")
    upgrade(forged)
    _write(forged, 3)
    short = forged.read(lambda connection: verify(connection, checkpoints=[seen]))
    assert short.problem is not None
    assert (short.problem.sequence, short.problem.last, "truncated" in short.problem.what) == (1, 4, True)
    assert forged.read(verify).ok, "alone, a forged chain is consistent"
    _write(forged, 3)
    long = forged.read(lambda connection: verify(connection, checkpoints=[seen]))
    assert long.problem is not None
    assert (long.problem.sequence, long.problem.last, "recomputed" in long.problem.what) == (1, 4, True)


def test_a_key_that_stands_twice_is_an_edit(database: Database) -> None:
    _write(database, 1)
    with database.transaction() as connection:
        sqlite = connection.dialect.name == "sqlite"
        drop = "DROP TRIGGER audit_entry_no_update" if sqlite else "DROP TRIGGER audit_entry_no_change ON audit_entry"
        connection.execute(text(drop))
        twice = 'replace(CAST(spec AS TEXT), \'"after":\', \'"after":7,"after":\')'
        connection.exec_driver_sql(f"UPDATE audit_entry SET spec = {twice if sqlite else f'CAST({twice} AS JSON)'}")
    assert not database.read(verify).ok
