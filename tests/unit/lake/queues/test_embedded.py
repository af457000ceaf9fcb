from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Database
from trimtab.lake.queues.base import MAX_ATTEMPTS, Message, Queue
from trimtab.lake.queues.embedded import EmbeddedQueue


class MachineTime:
    def __init__(self) -> None:
        self.us = 1_000_000

    def __call__(self) -> int:
        return self.us

    def pass_s(self, seconds: float) -> None:
        self.us += int(seconds * 1_000_000)


@pytest.fixture
def time_() -> MachineTime:
    return MachineTime()


@pytest.fixture
def queue(database: Database, time_: MachineTime) -> Queue:
    return EmbeddedQueue(database, time_)


def one(queue: Queue, topic: str = "t") -> Message:
    (message,) = queue.receive(topic, limit=10, lease_s=10)
    return message


def test_a_message_is_sent_once_for_a_key_and_topic(queue: Queue) -> None:
    assert queue.send("t", {"n": 1}, "key")
    assert not queue.send("t", {"n": 2}, "key")
    assert queue.send("other", {"n": 3}, "key")

    assert one(queue).body == {"n": 1}


def test_a_leased_message_is_not_handed_out_until_the_lease_runs_out(queue: Queue, time_: MachineTime) -> None:
    queue.send("t", {}, "key")
    first = one(queue)

    assert queue.receive("t", limit=10, lease_s=10) == []
    time_.pass_s(11)
    second = one(queue)

    assert (first.attempts, second.attempts) == (1, 2)
    with pytest.raises(ConflictError, match="is not the newest"):
        queue.ack(first)
    with pytest.raises(ConflictError, match="is not the newest"):
        queue.nack(first, "late")
    queue.ack(second)
    time_.pass_s(11)
    assert queue.receive("t", limit=10, lease_s=10) == []


def test_an_acknowledged_key_is_not_sent_again(queue: Queue) -> None:
    queue.send("t", {}, "key")
    queue.ack(one(queue))

    assert not queue.send("t", {}, "key")


def test_a_message_given_back_is_due_later_each_time_and_dies(queue: Queue, time_: MachineTime) -> None:
    queue.send("t", {}, "key")
    for wait_s in (0.2, 1, 5, 15, 60, 60, 60):
        assert not queue.nack(one(queue), "disk full")
        time_.pass_s(wait_s - 0.1)
        assert queue.receive("t", limit=10, lease_s=10) == []
        time_.pass_s(0.1)

    assert queue.nack(one(queue), "disk full")
    time_.pass_s(3600)
    assert queue.receive("t", limit=10, lease_s=10) == []
    assert [message.attempts for message in queue.dead("t")] == [MAX_ATTEMPTS]


def test_a_message_whose_workers_are_lost_dies_and_is_shown_until_buried(queue: Queue, time_: MachineTime) -> None:
    queue.send("t", {"n": 1}, "key")
    for _ in range(MAX_ATTEMPTS):
        one(queue)
        time_.pass_s(11)

    assert queue.receive("t", limit=10, lease_s=10) == []
    (dead,) = queue.dead("t")
    assert dead.body == {"n": 1}
    queue.bury(dead)
    queue.bury(dead)
    assert queue.dead("t") == []


def test_workers_that_receive_at_once_never_share_a_message(queue: Queue) -> None:
    for number in range(60):
        queue.send("t", {"n": number}, str(number))

    def drain(_: int) -> list[int]:
        found = []
        while messages := queue.receive("t", limit=3, lease_s=60):
            for message in messages:
                found.append(message.body["n"])
                queue.ack(message)
        return found

    with ThreadPoolExecutor(4) as pool:
        taken = [number for part in pool.map(drain, range(4)) for number in part]

    assert sorted(taken) == list(range(60))
