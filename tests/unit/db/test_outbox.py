"""Events reach each subscriber, in order, at least once, and with effect once."""

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from trimtab.core.errors import ConflictError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database
from trimtab.db.migrate import upgrade
from trimtab.db.outbox import Delivery, Event, Outbox
from trimtab.db.tables import event

_S = 1_000_000


def _events(connection: Connection, aggregate: str = "model:bike") -> list[tuple[str, str]]:
    """Return id and kind of all that was told of ``aggregate``, in its order."""
    rows = connection.execute(select(event).where(event.c.aggregate == aggregate).order_by(event.c.position))
    return [(row.id, row.kind) for row in rows]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox({"drift": ("remediation", "notify"), "label": ("monitoring",)})


def _publish(database: Database, outbox: Outbox, *kinds: str, aggregate: str = "model:bike") -> None:
    with database.transaction() as connection:
        for number, kind in enumerate(kinds):
            told = Event(kind=kind, aggregate=aggregate, payload={"n": number}, at_us=number)
            outbox.publish(connection, told, machine_us=0)


def _claim(
    database: Database, outbox: Outbox, subscriber: str = "notify", *, machine_us: int = 0, lease_s: float = 30
) -> Delivery | None:
    with database.transaction() as connection:
        return outbox.claim(connection, subscriber, machine_us=machine_us, lease_s=lease_s)


def _complete(database: Database, outbox: Outbox, done: Delivery) -> None:
    with database.transaction() as connection:
        outbox.complete(connection, done)


def _fail(database: Database, outbox: Outbox, failed: Delivery, *, machine_us: int = 0) -> bool:
    with database.transaction() as connection:
        return outbox.fail(connection, failed, "no answer", machine_us=machine_us)


def test_each_subscriber_gets_its_own_delivery_and_nobody_else_does(database: Database, outbox: Outbox) -> None:
    _publish(database, outbox, "drift", "nobody-hears-this")
    assert outbox.subscribers == ("monitoring", "notify", "remediation")
    for subscriber in ("notify", "remediation"):
        delivery = _claim(database, outbox, subscriber)
        assert delivery is not None
        assert (delivery.event.kind, delivery.event.payload, delivery.attempts) == ("drift", {"n": 0}, 1)
        _complete(database, outbox, delivery)
    assert _claim(database, outbox, "monitoring") is None
    assert database.read(outbox.pending) == 0
    assert [kind for _id, kind in database.read(_events)] == [
        "drift",
        "nobody-hears-this",
    ]


def test_those_who_have_something_due_are_told_in_one_answer(database: Database, outbox: Outbox) -> None:
    def waiting(*names: str, machine_us: int = 0) -> frozenset[str]:
        with database.reading() as connection:
            return outbox.who_has_due(connection, names, machine_us=machine_us)

    assert waiting("monitoring", "notify", "remediation") == frozenset()
    _publish(database, outbox, "drift", "drift")
    assert waiting("monitoring", "notify", "remediation") == {"notify", "remediation"}
    assert waiting("monitoring", "notify") == {"notify"}, "only who was asked about"
    for number in range(2):
        delivery = _claim(database, outbox, machine_us=number)
        assert delivery is not None
        _complete(database, outbox, delivery)
    assert waiting("notify", "remediation") == {"remediation"}


def test_an_event_vanishes_with_the_state_it_told_of(database: Database, outbox: Outbox) -> None:
    def fails_late() -> None:
        with database.transaction() as connection:
            outbox.publish(connection, Event("drift", "a", {}, 0), machine_us=0)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails_late()
    assert _claim(database, outbox) is None


def test_an_aggregate_keeps_its_order_and_does_not_hold_up_others(database: Database, outbox: Outbox) -> None:
    _publish(database, outbox, "drift", "drift", aggregate="model:bike")
    _publish(database, outbox, "drift", aggregate="model:heart")
    first = _claim(database, outbox)
    other = _claim(database, outbox)
    assert first is not None
    assert other is not None
    assert (first.event.payload, other.event.aggregate) == ({"n": 0}, "model:heart")
    assert _claim(database, outbox) is None, "the second waits for the first"

    _fail(database, outbox, first)
    assert _claim(database, outbox) is None, "also while the first waits for its next attempt"
    again = _claim(database, outbox, machine_us=_S)
    assert again is not None
    assert (again.event.id, again.attempts) == (first.event.id, 2)
    _complete(database, outbox, again)
    second = _claim(database, outbox, machine_us=_S)
    assert second is not None
    assert second.event.payload == {"n": 1}


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_is_fenced_off(
    database: Database, outbox: Outbox
) -> None:
    _publish(database, outbox, "drift")
    paused = _claim(database, outbox, lease_s=30)
    assert paused is not None
    assert _claim(database, outbox, machine_us=30 * _S) is None
    taken_over = _claim(database, outbox, machine_us=30 * _S + 1)
    assert taken_over is not None
    with pytest.raises(ConflictError, match="another worker took it over, nothing was written"):
        _complete(database, outbox, paused)
    _fail(database, outbox, paused)
    _complete(database, outbox, taken_over)
    with pytest.raises(ConflictError):
        _complete(database, outbox, taken_over)


def test_after_eight_attempts_a_delivery_is_dead_and_the_next_may_go(database: Database, outbox: Outbox) -> None:
    _publish(database, outbox, "drift", "drift")
    verdicts = []
    for minute in range(8):
        delivery = _claim(database, outbox, machine_us=minute * 60 * _S)
        assert delivery is not None
        assert delivery.event.payload == {"n": 0}
        verdicts.append(_fail(database, outbox, delivery, machine_us=minute * 60 * _S))
    assert verdicts == [False] * 7 + [True]
    following = _claim(database, outbox, machine_us=9 * 60 * _S)
    assert following is not None
    assert following.event.payload == {"n": 1}


def test_a_delivery_that_took_its_worker_down_eight_times_is_dead(database: Database, outbox: Outbox) -> None:
    _publish(database, outbox, "drift", "drift")
    for attempt in range(8):
        delivery = _claim(database, outbox, machine_us=attempt * 60 * _S, lease_s=30)
        assert delivery is not None
        assert (delivery.event.payload, delivery.attempts) == ({"n": 0}, attempt + 1)
    assert _claim(database, outbox, machine_us=7 * 60 * _S + 1) is None, "the eighth may still be at work"
    following = _claim(database, outbox, machine_us=8 * 60 * _S)
    assert following is not None
    assert following.event.payload == {"n": 1}
    assert database.read(outbox.pending) == 3, "the second, and both of the other subscriber"


def test_two_threads_never_take_the_same_delivery(database: Database, outbox: Outbox) -> None:
    for number in range(60):
        _publish(database, outbox, "drift", aggregate=f"model:{number % 20}")
    taken: list[str] = []

    def work() -> None:
        while (delivery := _claim(database, outbox)) is not None:
            taken.append(delivery.event.id)
            _complete(database, outbox, delivery)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    assert max(Counter(taken).values()) == 1
    assert len(taken) == 60


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all examples; each has subscriber and aggregates of its own."""
    database = Database.at(tmp_path_factory.mktemp("outbox") / "trimtab.db")
    upgrade(database)
    yield database
    database.close()


_step = st.tuples(st.sampled_from(["claim", "complete", "fail", "wait"]), st.integers(0, 3))


@given(steps=st.lists(_step, max_size=40))
@settings(deadline=None, max_examples=30)
def test_whatever_workers_do_an_aggregate_is_completed_in_order(shared: Database, steps: list[tuple[str, int]]) -> None:
    database, subscriber = shared, new_id()
    outbox = Outbox({"e": (subscriber,)})
    aggregates = (f"a:{subscriber}", f"b:{subscriber}")
    for number in range(4):
        _publish(database, outbox, "e", aggregate=aggregates[number % 2])
    held: list[Delivery] = []
    completed: dict[str, list[str]] = {name: [] for name in aggregates}
    now = 0
    for action, index in steps:
        if action == "wait":
            now += 20 * _S
        elif action == "claim":
            claimed = _claim(database, outbox, subscriber, machine_us=now)
            held += [claimed] if claimed else []
        elif held:
            delivery = held.pop(index % len(held))
            if action == "fail":
                _fail(database, outbox, delivery, machine_us=now)
                continue
            try:
                _complete(database, outbox, delivery)
            except ConflictError:
                continue
            completed[delivery.event.aggregate].append(delivery.event.id)
    for aggregate, done in completed.items():
        with database.reading() as connection:
            published = [event_id for event_id, _kind in _events(connection, aggregate)]
        assert done == published[: len(done)]
