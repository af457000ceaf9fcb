"""Many messages leave as one: gathered, or too many for an hour."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.unit.notify.receivers import http_receiver
from tests.unit.notify.sending import S, a_message, enqueued, send, states

from trimtab.config.notifications import NotificationRoute
from trimtab.core.enums import Severity
from trimtab.db.engine import Database, machine_us
from trimtab.notify.due import claim
from trimtab.notify.message import LINK_MARK


def test_a_digest_holds_all_that_was_gathered_and_what_is_critical_goes_at_once(database: Database) -> None:
    with http_receiver() as server:
        route = NotificationRoute(name="team", url=f"json://{server.address}/", digest=timedelta(minutes=15))
        for number in range(500):
            about = replace(a_message(f"k{number}"), title=f"alert {number % 3} <b>&")
            enqueued(database, about, route)
        enqueued(database, replace(a_message("loud", Severity.CRITICAL), title="the pager"), route)
        now_us = machine_us()
        send(database, route, at_us=now_us)
        assert [got.content["title"] for got in server.got] == ["the pager"]
        send(database, route, at_us=now_us + 16 * 60 * S)
    digest = server.got[1].content
    assert len(server.got) == 2
    assert digest["title"] == "500 messages about heart"
    assert digest["message"].splitlines() == [
        "high: 500",
        "- alert 0 <b>& (167 times)",
        "- alert 1 <b>& (167 times)",
        "- alert 2 <b>& (166 times)",
    ]
    assert {state for state, _, _ in states(database)} == {"sent", "gathered"}


def test_a_digest_that_fails_is_tried_again_whole(database: Database) -> None:
    with http_receiver() as server:
        server.answers = 500
        route = NotificationRoute(name="team", url=f"json://{server.address}/", digest=timedelta(minutes=1))
        for number in range(5):
            enqueued(database, a_message(f"k{number}"), route)
        now_us = machine_us() + 120 * S
        send(database, route, at_us=now_us)
        server.answers = 200
        send(database, route, at_us=now_us + 6 * S)
    assert [got.content["title"] for got in server.got] == ["5 messages about heart"]


def test_what_is_too_much_for_an_hour_goes_out_as_one_and_the_next_hour_is_free_again(database: Database) -> None:
    with http_receiver() as server:
        route = NotificationRoute(name="team", url=f"json://{server.address}/", per_hour=3)

        def told(number: int, at_us: int) -> list[str]:
            before = len(server.got)
            for one in range(number):
                enqueued(database, a_message(f"{at_us}:{one}"), route)
            send(database, route, at_us=at_us)
            return [got.content["title"] for got in server.got[before:]]

        single = "chol is in another unit"
        assert told(40, S) == [single, single, "38 messages about heart"]
        assert told(5, 600 * S) == []
        enqueued(database, a_message("loud", Severity.CRITICAL), route)
        send(database, route, at_us=601 * S)
        assert len(server.got) == 4, "what is critical is never held back"
        assert told(0, 3602 * S + 1) == [single, "4 messages about heart"]


def test_what_is_critical_or_of_use_only_whole_waits_behind_no_digest(database: Database) -> None:
    route = NotificationRoute(name="ops", url="log://", digest=timedelta(days=7), per_hour=1)
    for number in range(2_001):
        enqueued(database, a_message(f"k{number}"), route)
    whole = replace(a_message("report"), attachment="week.html")
    for message in (a_message("loud", Severity.CRITICAL), whole, replace(a_message("ask"), body=f"{LINK_MARK}1")):
        enqueued(database, message, route)
    with database.transaction() as connection:
        parcels = claim(connection, route, machine_us=machine_us(), lease_s=60)
    assert [len(parcel.messages) for parcel in parcels] == [1, 1, 1]
    assert {message.attachment for parcel in parcels for message in parcel.messages} == {None, "week.html"}
