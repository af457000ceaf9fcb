"""What is PostgreSQL's own: errors in a sentence, the order of commits, writers that wait, readers that only read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy import func, insert, select, text
from tests.postgres import PASSWORD, PostgresServer

from trimtab.core.errors import BackendError, ConfigError, DataContractError
from trimtab.db.engine import Database
from trimtab.db.outbox import Event, Outbox
from trimtab.db.tables import event


@pytest.fixture
def database(postgres: PostgresServer, postgres_template: str) -> Iterator[Database]:
    database = Database(postgres.url(postgres.create(postgres_template)))
    yield database
    database.close()


def _said_by(url: str) -> str:
    database = Database(url)
    with pytest.raises(BackendError) as told:
        database.read(lambda connection: connection.execute(text("SELECT 1")))
    database.close()
    return str(told.value)


def test_a_wrong_password_a_missing_database_and_a_closed_port_are_sentences_without_the_password(
    postgres: PostgresServer,
) -> None:
    wrong = _said_by(postgres.url("postgres", password="mistyped"))
    missing = _said_by(postgres.url("not_there"))
    closed = _said_by("postgresql://trimtab:mistyped@127.0.0.1:9/postgres")
    assert "password authentication failed" in wrong
    assert 'database "not_there" does not exist' in missing
    assert "refused" in closed
    assert not any("mistyped" in said or PASSWORD in said or "\n" in said for said in (wrong, missing, closed))


def test_an_address_that_cannot_be_read_says_how_one_looks() -> None:
    with pytest.raises(ConfigError, match="write postgresql://user:password@host:5432/database"):
        Database("postgresql://ada:secret@host:port/x")


def test_a_connection_that_the_server_has_ended_is_replaced(database: Database) -> None:
    def is_lost() -> None:
        with database.transaction() as connection:
            connection.execute(insert(event).values(id="lost", kind="k", aggregate="a", payload={}, at_us=0))
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            _end(database, pid)
            connection.execute(text("SELECT 1"))

    with pytest.raises(BackendError, match="terminating connection"):
        is_lost()
    assert database.read(lambda c: c.execute(select(func.count()).select_from(event)).scalar_one()) == 0


def test_a_session_that_was_put_out_is_an_outage_also_before_its_connection_looks_closed(database: Database) -> None:
    raised = "DO $$ BEGIN RAISE 'terminating connection' USING ERRCODE = '25P03'; END $$"
    with pytest.raises(BackendError, match="terminating connection"), database.transaction() as connection:
        connection.execute(text(raised))


def test_of_one_process_one_thread_at_most_waits_at_the_server(database: Database) -> None:
    elsewhere = Database(database.url)
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    written, most = [], 0

    def write(number: int) -> None:
        with database.fenced(lambda _connection: None).transaction():
            written.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    with elsewhere.transaction() as connection:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        while not most and time.monotonic() < deadline:
            most = connection.execute(waiting).scalar_one()
        # The others have had time to come there, too.
        time.sleep(0.3)
        most = max(most, connection.execute(waiting).scalar_one())
    for thread in threads:
        thread.join(60)
    elsewhere.close()
    assert most == 1
    assert sorted(written) == [0, 1, 2, 3]


def _end(database: Database, pid: int) -> None:
    with database.reading() as other:
        other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


def test_what_a_read_transaction_would_write_is_refused(database: Database) -> None:
    with pytest.raises(BackendError, match="read-only transaction"), database.reading() as connection:
        connection.execute(insert(event).values(id="x", kind="k", aggregate="a", payload={}, at_us=0))


def test_a_value_that_does_not_fit_is_told_and_a_number_that_is_none_is_null(database: Database) -> None:
    with pytest.raises(DataContractError, match="too long"), database.transaction() as connection:
        connection.execute(insert(event).values(id="x" * 99, kind="k", aggregate="a", payload={}, at_us=0))
    with database.transaction() as connection:
        payload = {"value": float("nan")}
        connection.execute(insert(event).values(id="x", kind="k", aggregate="a", payload=payload, at_us=0))
    assert database.read(lambda c: c.execute(select(event.c.payload)).scalar_one()) == {"value": None}


def test_writers_wait_for_each_other_and_what_was_read_stays_true(database: Database) -> None:
    entered = threading.Event()

    def second() -> None:
        with database.transaction() as connection:
            entered.set()
            count = connection.execute(select(func.count()).select_from(event)).scalar_one()
            connection.execute(insert(event).values(id=f"n{count}", kind="k", aggregate="a", payload={}, at_us=0))

    with database.transaction() as connection:
        thread = threading.Thread(target=second)
        thread.start()
        connection.execute(insert(event).values(id="n0", kind="k", aggregate="a", payload={}, at_us=0))
        assert not entered.wait(0.3)
    thread.join(20)
    assert database.read(lambda c: list(c.execute(select(event.c.id)).scalars())) == ["n0", "n1"]


def test_events_that_commit_out_of_order_reach_every_subscriber(database: Database) -> None:
    outbox = Outbox({"drift": ("remediation", "notify")})
    # Transactions of another program, which knows nothing of our lock.
    other = sqlalchemy.create_engine(database.url)
    with other.connect() as early, other.connect() as late:
        outbox.publish(early, Event("drift", "model:bike", {"n": 1}, 0, id="early"), machine_us=0)
        outbox.publish(late, Event("drift", "model:heart", {"n": 2}, 0, id="late"), machine_us=0)
        late.commit()
        assert [_take(database, outbox, name) for name in outbox.subscribers] == ["late", "late"]
        early.commit()
    other.dispose()
    assert [_take(database, outbox, name) for name in outbox.subscribers] == ["early", "early"]
    assert database.read(outbox.pending) == 0


def _take(database: Database, outbox: Outbox, subscriber: str) -> str | None:
    with database.transaction() as connection:
        delivery = outbox.claim(connection, subscriber, machine_us=0, lease_s=30)
        if delivery is None:
            return None
        outbox.complete(connection, delivery)
    return delivery.event.id
