"""Any edit to any field of any entry of the audit log is found, by somebody who got around the database's triggers."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from tests.unit.audit.forging import disarm

from trimtab.audit.log import append, checkpoint_now
from trimtab.audit.walk import verify
from trimtab.db.engine import Connection, Database
from trimtab.db.migrate import upgrade

_ENTRIES = 12
_FIELDS = ("sequence", "id", "at_us", "actor", "action", "subject", "spec", "previous_hash", "hash")

_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A log of 12 entries in a database whose triggers are gone."""
    database = Database.at(tmp_path_factory.mktemp("audit") / "copy.db")
    upgrade(database)
    with database.transaction() as connection:
        for number in range(_ENTRIES):
            append(
                connection,
                at_us=number * 1_000_000,
                actor="ada" if number % 2 else "loop",
                action="approve",
                subject=f"version:bike/{number}",
                before={"weight_pct": 10.5 * number},
                after={"state": "approved", "nested": [1, None, {"é": True}]},
            )
        disarm(connection)
    yield database
    database.close()


class _Undo(Exception):
    """Rolls an edit back after it was judged."""


def _found_after(database: Database, *statements: tuple[str, dict[str, object]]) -> bool:
    found = False
    try:
        with database.transaction() as connection:
            before = _all(connection)
            for statement, values in statements:
                connection.execute(text(statement), values)
            assume(_all(connection) != before)
            found = not verify(connection).ok
            raise _Undo
    except _Undo:
        return found


def _all(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text("SELECT * FROM audit_entry ORDER BY sequence")).all()]


_entry = st.integers(1, _ENTRIES)
_value = st.one_of(
    st.text(max_size=70),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=8),
)


@given(sequence=_entry, field=st.sampled_from(_FIELDS[1:]), value=_value)
@settings(deadline=None, max_examples=200)
def test_any_value_in_any_field_of_any_entry_is_found(
    unguarded: Database, sequence: int, field: str, value: object
) -> None:
    assert _found_after(
        unguarded, (f"UPDATE audit_entry SET {field} = :value WHERE sequence = :at", {"value": value, "at": sequence})
    )


@given(sequence=_entry, path=st.sampled_from(["before", "after", "reason", "detail", "new"]), value=_json)
@settings(deadline=None, max_examples=150)
def test_any_edit_inside_of_what_an_entry_tells_is_found(
    unguarded: Database, sequence: int, path: str, value: object
) -> None:
    stored = unguarded.read(
        lambda connection: json.loads(
            connection.execute(text("SELECT spec FROM audit_entry WHERE sequence = :at"), {"at": sequence}).scalar_one()
        )
    )
    edited = {**stored, path: value}
    assume(json.dumps(edited, sort_keys=True) != json.dumps(stored, sort_keys=True))
    assert _found_after(
        unguarded,
        ("UPDATE audit_entry SET spec = :spec WHERE sequence = :at", {"spec": json.dumps(edited), "at": sequence}),
    )


@given(sequence=_entry)
def test_a_deletion_is_found(unguarded: Database, sequence: int) -> None:
    assert _found_after(unguarded, ("DELETE FROM audit_entry WHERE sequence = :at", {"at": sequence}))


@given(first=_entry, second=_entry)
def test_two_entries_that_change_places_are_found(unguarded: Database, first: int, second: int) -> None:
    assume(first != second)
    move = "UPDATE audit_entry SET sequence = :to WHERE sequence = :at"
    assert _found_after(
        unguarded,
        (move, {"at": first, "to": -1}),
        (move, {"at": second, "to": first}),
        (move, {"at": -1, "to": second}),
    )


@given(sequence=st.integers(-3, _ENTRIES), copied=_entry)
def test_an_inserted_entry_is_found(unguarded: Database, sequence: int, copied: int) -> None:
    """The entries from ``sequence`` on move up by one, to make room for a copy of another."""
    columns = ", ".join(_FIELDS[3:7])
    assert _found_after(
        unguarded,
        ("UPDATE audit_entry SET sequence = -1000 - sequence WHERE sequence >= :at", {"at": sequence}),
        ("UPDATE audit_entry SET sequence = -sequence - 999 WHERE sequence <= -1000", {}),
        (
            f"INSERT INTO audit_entry (sequence, id, at_us, {columns}, previous_hash, hash) "
            f"SELECT :at, 'forged', at_us, {columns}, previous_hash, 'forged' FROM audit_entry WHERE subject = :of",
            {"at": sequence, "of": f"version:bike/{copied - 1}"},
        ),
    )


@given(sequence=_entry, field=st.sampled_from(_FIELDS[1:]))
def test_text_that_is_no_text_is_found_where_it_stands(unguarded: Database, sequence: int, field: str) -> None:
    with unguarded.transaction() as connection:
        connection.execute(text("SAVEPOINT untouched"))
        connection.execute(
            text(f"UPDATE audit_entry SET {field} = CAST(x'80ff' AS TEXT) WHERE sequence = :at"), {"at": sequence}
        )
        problem = verify(connection).problem
        connection.execute(text("ROLLBACK TO untouched"))
    assert problem is not None
    assert problem.sequence == sequence


@given(kept=st.integers(0, _ENTRIES - 1))
def test_a_truncated_log_with_its_head_set_back_is_found_against_a_checkpoint(unguarded: Database, kept: int) -> None:
    checkpoint = unguarded.read(lambda connection: checkpoint_now(connection, at_us=0))
    with unguarded.transaction() as connection:
        connection.execute(text("SAVEPOINT untouched"))
        rows = connection.execute(text("SELECT hash FROM audit_entry WHERE sequence = :at"), {"at": kept}).scalar()
        connection.execute(text("DELETE FROM audit_entry WHERE sequence > :at"), {"at": kept})
        connection.execute(
            text("UPDATE audit_head SET sequence = :at, hash = :hash"), {"at": kept, "hash": rows or "0" * 64}
        )
        assert verify(connection).ok, "consistent in itself"
        problem = verify(connection, checkpoints=[checkpoint]).problem
        connection.execute(text("ROLLBACK TO untouched"))
    assert problem is not None
    assert (problem.sequence, problem.last) == (1, _ENTRIES)
    assert f"truncated after entry {kept}" in problem.what


def test_the_untouched_log_is_whole(unguarded: Database) -> None:
    assert unguarded.read(verify).entries == _ENTRIES
