"""Every kind of edit to the audit log, on both databases: the database refuses it, and verification finds it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import DBAPIError
from tests.conftest import BOTH
from tests.postgres import PostgresServer
from tests.unit.audit.forging import (
    ENTRIES,
    SOME_HASH,
    Sealed,
    cut,
    disarm,
    edit,
    entries,
    make_sealed,
    name_key,
    new_key,
    recompute,
    set_head,
)

from trimtab.audit.checkpoint import SIGNATURE_SUFFIX, Checkpoint, encode
from trimtab.audit.log import append
from trimtab.audit.signing import CheckpointFile, files_of
from trimtab.audit.verification import verify_log
from trimtab.audit.walk import Problem
from trimtab.db.engine import Connection, Database
from trimtab.db.migrate import upgrade
from trimtab.db.tables import audit_about, audit_entry, audit_head

_REFUSED = r"audit_(entry is append-only|head only moves)"

Attack = Callable[[Connection, Sealed], None]


@dataclass(frozen=True)
class Case:
    """What is done, where it is found without checkpoints and with them (None: it is not), and in which words.

    ``refused``: whether the database itself stands in the way.
    """

    name: str
    attack: Attack
    alone: int | None
    sealed: int | None
    words: str
    last: int | None = None
    refused: bool = True


def _insert(connection: Connection, _sealed: Sealed) -> None:
    rows = entries(connection)
    connection.execute(delete(audit_entry).where(audit_entry.c.sequence >= 15))
    forged = dataclasses.replace(rows[14], id="forged", actor="eve", hash=SOME_HASH)
    for row in (forged, *(dataclasses.replace(row, sequence=row.sequence + 1) for row in rows[14:])):
        connection.execute(audit_entry.insert().values(**dataclasses.asdict(row)))


def _swap(connection: Connection, _sealed: Sealed) -> None:
    edit(connection, 14, sequence=-1)
    edit(connection, 15, sequence=14)
    edit(connection, -1, sequence=15)


def _cut_with_head(connection: Connection, _sealed: Sealed) -> None:
    set_head(connection, 25)
    cut(connection, 25)


def _cut_with_witness(connection: Connection, sealed: Sealed) -> None:
    _cut_with_head(connection, sealed)
    sealed.drop(30)


def _cut_far(connection: Connection, sealed: Sealed) -> None:
    set_head(connection, 15)
    cut(connection, 15)
    sealed.drop(30)


def _recompute_all(connection: Connection, _sealed: Sealed) -> None:
    recompute(connection, [dataclasses.replace(entry, actor="eve") for entry in entries(connection)])


def _recompute_from(connection: Connection, _sealed: Sealed) -> None:
    rows = entries(connection)
    recompute(connection, [*rows[:14], dataclasses.replace(rows[14], actor="eve"), *rows[15:]])


def _without(connection: Connection, _sealed: Sealed) -> None:
    rows = entries(connection)
    recompute(connection, [*rows[:24], *rows[25:]])


def _forged_unsigned(connection: Connection, sealed: Sealed) -> None:
    _recompute_from(connection, sealed)
    _reseal(connection, sealed, lambda sequence: _strip(sealed, sequence))


def _strip(sealed: Sealed, sequence: int) -> None:
    found = sealed.read(sequence)
    plain = Checkpoint(sequence=sequence, hash=found.hash, at_us=found.at_us)
    sealed.files[sealed.name(sequence)] = encode(plain)
    del sealed.files[sealed.name(sequence) + SIGNATURE_SUFFIX]


def _reseal(connection: Connection, sealed: Sealed, then: Callable[[int], None]) -> None:
    """Write the checkpoints from 20 on anew, with another key, and do something to each."""
    sealed.drop(20, 21, 30)
    for sequence in (20, 21, 30):
        sealed.checkpoint(connection, sequence, new_key())
        then(sequence)


def _forged_by_another(connection: Connection, sealed: Sealed) -> None:
    _recompute_from(connection, sealed)
    _reseal(connection, sealed, lambda _sequence: None)


def _forged_in_its_name(connection: Connection, sealed: Sealed) -> None:
    signatures = {name: content for name, content in sealed.files.items() if name.endswith(SIGNATURE_SUFFIX)}
    _recompute_from(connection, sealed)
    sealed.drop(20, 21, 30)
    for sequence in (20, 21, 30):
        sealed.checkpoint(connection, sequence, sealed.key)
    sealed.files.update(signatures)


def _own_key(connection: Connection, sealed: Sealed) -> None:
    """Write log, key and checkpoints anew: all that lies within reach."""
    rows = entries(connection)[1:]
    mallory = new_key()
    connection.execute(delete(audit_entry))
    connection.execute(update(audit_head).values(sequence=0, hash="0" * 64))
    name_key(connection, mallory)
    recompute(connection, [entries(connection)[0], *(dataclasses.replace(row, actor="eve") for row in rows)])
    sealed.files.clear()
    for sequence in (10, 20, 30):
        sealed.checkpoint(connection, sequence, mallory)


def _new_key_unvouched(connection: Connection, sealed: Sealed) -> None:
    """Append as the platform does: nothing forbids that to whoever may write."""
    mallory = new_key()
    name_key(connection, mallory, before=sealed.key, vouches=False)
    sealed.checkpoint(connection, ENTRIES + 1, mallory)


def _signed_by_the_platform(connection: Connection, sealed: Sealed) -> None:
    """Have the platform's own key sign the forged log, as it would for whoever removed its checkpoints for a while."""
    _recompute_from(connection, sealed)
    append(connection, at_us=0, actor="ada", action="seen", subject="version:bike/31")
    sealed.checkpoint(connection, ENTRIES + 1, sealed.key)


def _swap_signatures(_connection: Connection, sealed: Sealed) -> None:
    first, second = (sealed.name(sequence) + SIGNATURE_SUFFIX for sequence in (10, 20))
    sealed.files[first], sealed.files[second] = sealed.files[second], sealed.files[first]


def _swap_files(_connection: Connection, sealed: Sealed) -> None:
    first, second = sealed.name(10), sealed.name(20)
    sealed.files[first], sealed.files[second] = sealed.files[second], sealed.files[first]


def _false_checkpoint(_connection: Connection, sealed: Sealed) -> None:
    found = sealed.read(20)
    forged = Checkpoint(
        sequence=20, hash=SOME_HASH, at_us=found.at_us, first_of="day", previous=found.previous, key_id=found.key_id
    )
    sealed.put(CheckpointFile(sealed.name(20), encode(forged)))


def _field(name: str, value: object) -> Case:
    # An entry that names another hash is itself at fault; so is one that has another.
    return Case(f"edit {name}", lambda c, _: edit(c, 15, **{name: value}), 15, 15, "15")


_IN_DATABASE = (
    _field("id", "forged"),
    _field("at_us", 1),
    _field("actor", "eve"),
    _field("action", "unseen"),
    _field("subject", "version:bike/1"),
    _field("spec", {"reason": "forged"}),
    _field("previous_hash", SOME_HASH),
    _field("hash", SOME_HASH),
    Case("renumber", lambda c, _: edit(c, 15, sequence=1500), 15, 15, "entry 15 is missing"),
    Case("delete", lambda c, _: _delete(c, 15), 15, 15, "entry 15 is missing"),
    Case("delete the first", lambda c, _: _delete(c, 1), 1, 1, "entry 1 is missing"),
    Case("delete the last", lambda c, _: _delete(c, ENTRIES), ENTRIES, ENTRIES, "the head says 30 entries"),
    Case("insert", _insert, 15, 15, "15"),
    Case("change places", _swap, 14, 14, "14"),
    Case("set the head back", lambda c, _: set_head(c, 25), 26, 26, "the head says 25 entries"),
    Case("remove the head", lambda c, _: _remove_head(c), 31, 31, "0 head rows"),
    Case("cut the end", lambda c, _: cut(c, 25), 26, 26, "the head says 30 entries"),
    Case("cut the end and set the head back", _cut_with_head, None, 22, "truncated after entry 25", last=30),
    Case("cut far, and the last checkpoint", _cut_far, None, 11, "truncated after entry 15", last=20),
    Case("recompute all", _recompute_all, None, 1, "the chain was recomputed", last=10),
    Case("recompute from 15 on", _recompute_from, None, 11, "the chain was recomputed", last=20),
    Case("recompute, and have it signed", _signed_by_the_platform, None, 11, "signed: the chain was", last=20),
    Case("take one out and recompute", _without, None, 22, "truncated after entry 29", last=30),
    Case("recompute, checkpoints unsigned", _forged_unsigned, None, 20, "is not signed, though the log has named key"),
    Case("recompute, checkpoints by another key", _forged_by_another, None, 20, "which the log does not name"),
    Case("recompute, checkpoints in its name", _forged_in_its_name, None, 20, "file or signature were changed"),
    # What nobody can find who has nothing from elsewhere: docs/audit.md says so.
    Case("cut the end, and the checkpoint that saw it", _cut_with_witness, None, None, ""),
    Case("write all anew, with a key of one's own", _own_key, None, None, ""),
)
_OUTSIDE = (
    Case("append with a key of one's own", _new_key_unvouched, None, None, "", refused=False),
    Case("change places of signatures", _swap_signatures, None, 10, "signature were changed", refused=False),
    Case("change places of checkpoints", _swap_files, None, 10, "it says sequence 20", refused=False),
    Case("change a checkpoint", _false_checkpoint, None, 20, "signature were changed", refused=False),
    Case("remove a checkpoint of a day", lambda _, s: s.drop(20), None, 21, "was taken away or changed", refused=False),
    Case(
        "remove a signature",
        lambda _, s: _forget(s, s.name(30) + SIGNATURE_SUFFIX),
        None,
        30,
        "its signature is missing",
        refused=False,
    ),
    Case("empty the index", lambda c, _: _empty_index(c), None, None, "", refused=False),
)


def _delete(connection: Connection, sequence: int) -> None:
    connection.execute(delete(audit_entry).where(audit_entry.c.sequence == sequence))


def _remove_head(connection: Connection) -> None:
    connection.execute(delete(audit_head))


def _empty_index(connection: Connection) -> None:
    connection.execute(delete(audit_about))


def _forget(sealed: Sealed, name: str) -> None:
    del sealed.files[name]


class _Undo(Exception):
    """Rolls an attack back after it was judged."""


@pytest.fixture(scope="module", params=BOTH)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealed]:
    if request.param == "sqlite":
        database = Database.at(tmp_path_factory.mktemp("audit") / "trimtab.db")
        upgrade(database)
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        database = Database(server.url(server.create(request.getfixturevalue("postgres_template"))))
    yield make_sealed(database)
    database.close()


@contextmanager
def _attacked(made: Sealed, attack: Attack) -> Iterator[tuple[Connection, Sealed]]:
    """Do it in a transaction without guards that is rolled back, and to a copy of the files."""
    copy = dataclasses.replace(made, files=dict(made.files))
    try:
        with made.database.transaction() as connection:
            disarm(connection)
            attack(connection, copy)
            yield connection, copy
            raise _Undo
    except _Undo:
        return


def _first(problems: tuple[Problem, ...]) -> int | None:
    return problems[0].sequence if problems else None


def test_untouched_it_is_whole_by_all_its_checkpoints(made: Sealed) -> None:
    with made.database.reading() as connection:
        found = made.verified(connection, made.key.public)
    assert found.problems == ()
    assert (found.end.sequence, found.witnesses, found.signed, found.unvouched) == (ENTRIES, 4, 4, ())


@pytest.mark.parametrize("case", [*_IN_DATABASE, *_OUTSIDE], ids=lambda case: case.name)
def test_it_is_found_where_it_was_done(made: Sealed, case: Case) -> None:
    with _attacked(made, case.attack) as (connection, left):
        alone = left.verified(connection, seen=False)
        found = left.verified(connection)
    assert _first(alone.problems) == case.alone
    assert _first(found.problems) == case.sealed
    if found.problems:
        assert case.words in found.problems[0].what
        assert found.problems[0].last == case.last


@pytest.mark.parametrize("case", [case for case in _IN_DATABASE if case.refused], ids=lambda case: case.name)
def test_the_database_refuses_it(made: Sealed, case: Case) -> None:
    copy = dataclasses.replace(made, files=dict(made.files))
    with pytest.raises(DBAPIError, match=_REFUSED), made.database.transaction() as connection:
        case.attack(connection, copy)
    with made.database.reading() as connection:
        assert made.verified(connection).problems == ()


@pytest.mark.parametrize(
    ("attack", "words"),
    [(_own_key, "no trusted key"), (_new_key_unvouched, "for which no trusted key vouches")],
    ids=["all written anew", "a key that nobody vouched for"],
)
def test_a_key_from_elsewhere_finds_who_signs_with_one_of_their_own(made: Sealed, attack: Attack, words: str) -> None:
    with _attacked(made, attack) as (connection, left):
        found = left.verified(connection, made.key.public)
    assert any(words in problem.what for problem in found.problems)


def test_without_a_trusted_key_a_change_of_keys_that_nobody_vouched_for_is_told(made: Sealed) -> None:
    with _attacked(made, _new_key_unvouched) as (connection, left):
        found = left.verified(connection)
    assert [notice.sequence for notice in found.unvouched] == [ENTRIES + 1]


def test_a_key_that_the_one_before_vouched_for_is_as_good_as_that(made: Sealed) -> None:
    after = new_key()

    def renewed(connection: Connection, sealed: Sealed) -> None:
        name_key(connection, after, before=sealed.key)
        sealed.checkpoint(connection, ENTRIES + 1, after)

    for trusted in (made.key.public, after.public):
        with _attacked(made, renewed) as (connection, left):
            found = left.verified(connection, trusted)
        assert found.problems == ()
        assert found.signed == 5


def test_going_on_from_the_last_signed_checkpoint_sees_what_is_new_and_nothing_before(made: Sealed) -> None:
    def edited_late(connection: Connection, sealed: Sealed) -> None:
        sealed.drop(30)
        edit(connection, 25, actor="eve")

    def since_last(connection: Connection, left: Sealed) -> tuple[int, int | None]:
        found = verify_log(connection, files_of(left.files.items()), since_last=True)
        return found.start.sequence, _first(found.problems)

    with _attacked(made, lambda _c, _s: None) as (connection, left):
        assert since_last(connection, left) == (30, None)
    with _attacked(made, edited_late) as (connection, left):
        assert since_last(connection, left) == (21, 25)
    with _attacked(made, lambda c, _: edit(c, 15, actor="eve")) as (connection, left):
        assert since_last(connection, left) == (30, None), "that is what it does not read"
    with _attacked(made, _recompute_from) as (connection, left):
        assert since_last(connection, left) == (0, 11), "the log contradicts the checkpoint: it is read whole"


_BY_REPLACING = (
    "INSERT OR REPLACE INTO audit_entry SELECT sequence, id, at_us, 'eve', action, subject, spec, previous_hash, "
    "hash FROM audit_entry WHERE sequence = 15",
    "REPLACE INTO audit_entry SELECT 31, id, at_us, 'eve', action, subject, spec, (SELECT hash FROM audit_head), "
    "'x' FROM audit_entry WHERE sequence = 15",
    "UPDATE OR REPLACE audit_entry SET actor = 'eve' WHERE sequence = 15",
    "UPDATE OR IGNORE audit_entry SET actor = 'eve' WHERE sequence = 15",
    "INSERT OR REPLACE INTO audit_head SELECT 1, 25, hash FROM audit_entry WHERE sequence = 25",
    "INSERT INTO audit_head SELECT 2, 25, hash FROM audit_entry WHERE sequence = 25",
    "UPDATE OR REPLACE audit_head SET id = 2",
)
_BY_OTHER_WORDS = (
    "TRUNCATE audit_entry",
    "TRUNCATE audit_head",
    "TRUNCATE audit_entry, audit_head",
    "INSERT INTO audit_entry SELECT * FROM audit_entry WHERE sequence = 15 "
    "ON CONFLICT (sequence) DO UPDATE SET actor = 'eve'",
    "INSERT INTO audit_head SELECT 2, 25, hash FROM audit_entry WHERE sequence = 25",
    "DELETE FROM audit_entry USING audit_head WHERE audit_entry.sequence > 25",
    "UPDATE audit_head SET id = 2",
)


@pytest.mark.parametrize(
    ("made", "statement"),
    [("sqlite", statement) for statement in _BY_REPLACING] + [("postgresql", one) for one in _BY_OTHER_WORDS],
    indirect=["made"],
)
def test_there_is_no_way_around_by_the_words_of_one_database(made: Sealed, statement: str) -> None:
    with pytest.raises(DBAPIError, match=_REFUSED), made.database.transaction() as connection:
        connection.execute(text(statement))
