"""Server-sent events: nothing is lost between two connections, and nobody looks on who may not."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.integration.office import is_problem, platform_at, served
from tests.integration.processes import eventually

from trimtab.api.door import Limits
from trimtab.core.ids import new_id
from trimtab.db.tables import event
from trimtab.loop.broadcast import Broadcast
from trimtab.loop.platform import Platform

EVENTS = 10_000


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform, Limits(beat_s=0.1, streams=3)) as opened:
        yield opened


def happen(platform: Platform, kind: str = "thing.happened", count: int = 1, **payload: object) -> None:
    told = {"kind": kind, "aggregate": "thing:1", "payload": payload, "at_us": 0}
    rows = [{"id": new_id(), **told} for _ in range(count)]
    with platform.database.transaction() as connection:
        connection.execute(event.insert(), rows)
    platform.wake.set()


@contextlib.contextmanager
def opened(client: httpx.Client, after: int | None = None, **query: str) -> Iterator[Iterator[dict[str, Any]]]:
    """Open a stream, and yield its events."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    with client.stream("GET", "/api/stream", params=query, headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events_in(answer.iter_lines())


def events_in(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Read events as a browser does."""
    found: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if not line:
            if "data" in found:
                yield {"event": "message", **found}
            found = {}
        elif name:
            found[name] = json.loads(value) if name == "data" else value


def held_by(admin: httpx.Client, name: str) -> httpx.Client:
    """Return a client that asks the same server with a new key of role viewer."""
    key = admin.post("/api/keys", json={"name": name, "role": "viewer"}).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=admin.base_url, headers=headers, timeout=30, trust_env=False)


def position(client: httpx.Client) -> int:
    """Return the id of the newest event."""
    with opened(client) as events:
        return int(next(events)["id"])


def test_an_event_is_told_by_name_and_ids_and_says_nothing_else(platform: Platform, client: httpx.Client) -> None:
    with opened(client) as events:
        assert next(events)["event"] == "begin"
        happen(platform, "incident.opened", model="churn", incident_id="7", reason="who said what", count_us=3)
        told = next(events)
    assert told["event"] == "message"
    expected = {"kind": "incident.opened", "aggregate": "thing:1", "at_us": 0, "model": "churn", "incident_id": "7"}
    assert told["data"] == expected


def test_only_the_kinds_that_were_asked_for_are_told(platform: Platform, client: httpx.Client) -> None:
    with opened(client, kinds="incident,rollout.moved") as events:
        next(events)
        for kind in ("job.finished", "rollout.moved", "rollout.finished", "incidental.event", "incident.opened"):
            happen(platform, kind)
        assert [one["data"]["kind"] for one in islice(events, 2)] == ["rollout.moved", "incident.opened"]


def test_a_quiet_stream_beats_and_its_ids_go_on_over_what_was_not_asked_for(
    platform: Platform, client: httpx.Client
) -> None:
    start = position(client)
    happen(platform, "job.finished", count=5)
    with client.stream("GET", "/api/stream", params={"kinds": "incident", "after": start}) as answer:
        lines = answer.iter_lines()
        assert next(line for line in lines if line == ": beat")
        assert next(lines) == f"id: {start + 5}"


@settings(max_examples=3, deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=4_000), max_size=6))
def test_whoever_connects_again_and_again_misses_nothing_and_hears_nothing_twice(
    platform: Platform, client: httpx.Client, lengths: list[int]
) -> None:
    start = position(client)
    happen(platform, count=EVENTS - 1_000)
    writer = threading.Thread(target=happen, args=(platform, "thing.more", 1_000))
    writer.start()
    heard: list[int] = []
    try:
        for length in [*lengths, EVENTS]:
            with opened(client, after=heard[-1] if heard else start) as events:
                assert next(events)["event"] == "begin"
                heard += [int(one["id"]) for one in islice(events, min(length, EVENTS - len(heard)))]
    finally:
        writer.join()
    assert heard == list(range(start + 1, start + 1 + EVENTS))


def test_whoever_was_away_for_too_long_is_told_to_read_anew(platform: Platform, client: httpx.Client) -> None:
    start = position(client)
    happen(platform, count=EVENTS + 1)
    for unknown in (start, 2**62):
        with opened(client, after=unknown) as events:
            assert [one["event"] for one in islice(events, 2)] == ["begin", "resync"]
            happen(platform, "thing.new")
            assert next(events)["data"]["kind"] == "thing.new"
    # Two more have come meanwhile.
    with opened(client, after=start + 3) as events:
        assert next(events)["event"] == "begin"
        assert next(events)["id"] == str(start + 4)


@pytest.mark.parametrize("given_id", ["x", "-1", "1.5", "9" * 30, "0" * 20 + "1" * 5_000, "²"])
def test_an_id_that_is_none_is_refused(client: httpx.Client, given_id: str) -> None:
    assert is_problem(client.get("/api/stream", headers=[(b"Last-Event-ID", given_id.encode())]), 422)


def test_a_stream_ends_with_the_key_and_with_the_session(client: httpx.Client) -> None:
    key = client.post("/api/keys", json={"name": "onlooker", "role": "viewer"}).json()["key"]
    with (
        httpx.Client(base_url=client.base_url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as holder,
        httpx.Client(base_url=client.base_url, trust_env=False) as browser,
    ):
        assert browser.post("/api/session", json={"key": key}).status_code == 200
        with opened(holder) as by_key, opened(browser) as by_session:
            assert [next(by_key)["event"], next(by_session)["event"]] == ["begin", "begin"]
            assert client.post("/api/sessions/end", json={"name": "onlooker"}).json() == {"ended": 1}
            assert [one["event"] for one in by_session] == ["end"]
            assert client.post("/api/keys/onlooker/revoke", json={}).status_code == 200
            assert [one["event"] for one in by_key] == ["end"]
        assert is_problem(browser.get("/api/stream"), 401)


def test_a_stream_beats_and_ends_with_its_key_however_much_happens(tmp_path: Path) -> None:
    is_over = threading.Event()

    def go_on(platform: Platform) -> None:
        while not is_over.wait(0.02):
            happen(platform)

    with platform_at(tmp_path) as here, served(here, Limits(beat_s=1)) as admin:
        holder = held_by(admin, "onlooker")
        writer = threading.Thread(target=go_on, args=(here,))
        writer.start()
        try:
            with holder, holder.stream("GET", "/api/stream", params={"kinds": "incident"}) as answer:
                lines = answer.iter_lines()
                assert next(line for line in lines if line == ": beat")
                assert admin.post("/api/keys/onlooker/revoke", json={}).status_code == 200
                assert next(line for line in lines if line == "event: end")
        finally:
            is_over.set()
            writer.join()


def test_one_person_leaves_room_for_the_others(tmp_path: Path) -> None:
    with (
        platform_at(tmp_path) as platform,
        served(platform, Limits(streams=10, streams_each=2)) as admin,
        contextlib.ExitStack() as stack,
    ):
        ann, bob = (stack.enter_context(held_by(admin, name)) for name in ("ann", "bob"))
        held = [stack.enter_context(opened(ann)) for _ in range(2)]
        assert {next(events)["event"] for events in held} == {"begin"}
        refused = ann.get("/api/stream")
        assert is_problem(refused, 503)
        assert "2 of 'ann' are open" in refused.json()["detail"]
        assert next(stack.enter_context(opened(bob)))["event"] == "begin"


def test_there_are_only_so_many_and_one_that_ends_makes_room(client: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(opened(client)) for _ in range(3)]
        assert {next(events)["event"] for events in held} == {"begin"}
        refused = client.get("/api/stream")
        assert is_problem(refused, 503)
        assert refused.headers["retry-after"] == "10"

    def is_let_in() -> bool:
        with client.stream("GET", "/api/stream") as answer:
            return answer.status_code == 200

    eventually(is_let_in, within_s=30, wanted="room for one more, since all have ended")


def test_what_was_missed_in_memory_is_read_from_the_database(platform: Platform) -> None:
    broadcast = Broadcast(platform.database, platform.wake)
    rung = threading.Event()
    end = broadcast.listen(rung.set)
    try:
        known = broadcast.behind(2**62)
        assert known == []
        assert broadcast.behind(-1) is None
        happen(platform, count=2_500)
        assert rung.wait(30)
    finally:
        end()


def test_one_look_that_fails_does_not_end_the_looking(platform: Platform) -> None:
    broadcast, rung, heard = Broadcast(platform.database, platform.wake), threading.Event(), threading.Event()

    def bell() -> None:
        if not rung.is_set():
            rung.set()
            raise ValueError("a fault that nobody foresaw")
        heard.set()

    end = broadcast.listen(bell)
    try:
        happen(platform)
        assert rung.wait(30)
        happen(platform)
        assert heard.wait(30)
    finally:
        end()


def test_a_restart_loses_nothing(tmp_path: Path) -> None:
    with platform_at(tmp_path) as before:
        with served(before) as client, opened(client) as events:
            next(events)
            happen(before, "thing.seen")
            seen = int(next(events)["id"])
            happen(before, "thing.lost", count=2)
        happen(before, "thing.meanwhile")
    with platform_at(tmp_path) as after, served(after) as client, opened(client, seen) as events:
        next(events)
        told = [next(events)["data"]["kind"] for _ in range(3)]
    assert told == ["thing.lost", "thing.lost", "thing.meanwhile"]
