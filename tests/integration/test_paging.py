"""Lists by pages: each thing once, newest first, whatever comes in between."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.integration.office import is_problem, platform_at, served

from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.outbox import Event, Outbox
from trimtab.db.paging import Place
from trimtab.db.tables import delivery
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.platform import Platform

MOMENTS = (7, 5, 5, 5, 3, 9, 1)
"""Three things of one moment: a page may end between them."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform) as opened:
        yield opened


def a_delivery(connection: Connection, at_us: int) -> None:
    connection.execute(
        delivery.insert().values(
            id=new_id(),
            model="churn",
            kind="table",
            source="file",
            raw_path="",
            digest=uuid.uuid4().hex * 2,
            state="rejected",
            received_us=at_us,
            spec={"name": "rows.csv"},
        )
    )


def a_dead_event(connection: Connection, at_us: int) -> None:
    happened = Event(kind="thing.happened", aggregate="thing:1", payload={}, at_us=at_us, id=new_id())
    Outbox({"thing.happened": ("one", "other")}).publish(connection, happened, machine_us=0)
    connection.exec_driver_sql("UPDATE event_delivery SET state = 'dead' WHERE subscriber IN ('one', 'other')")


def pages(client: httpx.Client, path: str, field: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    after: Any = None
    while True:
        query = {"limit": limit} if after is None else {"limit": limit, "after": after}
        answer = client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        yield answer.json()[field]
        after = answer.json()["next"]
        if after is None:
            return


@pytest.mark.parametrize("limit", [1, 2, 3, 500])
@pytest.mark.parametrize(
    ("path", "field", "make"),
    [("/api/deliveries", "deliveries", a_delivery), ("/api/events/dead", "events", a_dead_event)],
    ids=["deliveries", "dead events"],
)
def test_pages_together_are_the_list(
    platform: Platform,
    client: httpx.Client,
    path: str,
    field: str,
    make: Callable[[Connection, int], None],
    limit: int,
) -> None:
    with platform.database.transaction() as connection:
        for at_us in MOMENTS:
            make(connection, at_us)
    [whole] = pages(client, path, field, 500)
    assert len(whole) >= len(MOMENTS)

    cut = list(pages(client, path, field, limit))

    assert [one for page in cut for one in page] == whole
    assert all(len(page) == limit for page in cut[:-1])
    assert 0 < len(cut[-1]) <= limit


def test_what_comes_meanwhile_shifts_no_page(platform: Platform, client: httpx.Client) -> None:
    read = pages(client, "/api/deliveries", "deliveries", 2)
    [before] = pages(client, "/api/deliveries", "deliveries", 500)
    heard = next(read)
    for page in read:
        with platform.database.transaction() as connection:
            a_delivery(connection, 1_000)
        heard += page
    assert heard == before


def test_the_audit_log_is_read_from_its_beginning_to_its_end(client: httpx.Client) -> None:
    for number in range(5):
        client.post("/api/keys", json={"name": f"reader-{number}", "role": "viewer"})
    whole = client.get("/api/audit", params={"after": 0, "limit": 1000}).json()
    assert whole["next"] is None

    heard: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        answer = client.get("/api/audit", params={"after": after, "limit": 2}).json()
        heard += answer["entries"]
        after = answer["next"]

    assert [one["sequence"] for one in heard] == [one["sequence"] for one in whole["entries"]]


@pytest.mark.parametrize("after", ["x", "MQ", "OTk5OTk5OTk5OTk5OTk5OTk5OTl-YQ", "N34AYQ", "a" * 301, "ä", ""])
def test_a_place_that_no_answer_told_is_refused(client: httpx.Client, after: str) -> None:
    answer = client.get("/api/jobs", params={"after": after})
    assert is_problem(answer, 422)
    assert "after" in answer.text


def test_whoever_takes_a_place_tells_the_next(client: httpx.Client) -> None:
    """An operation that took ``after`` and told no ``next`` would be read from its beginning, for ever."""
    asked = {name: one for name, one in OPERATIONS.items() if "after" in one.request.model_fields}
    assert {"approvals.list", "incidents.list", "rollouts.list", "training.jobs", "versions.list"} <= set(asked)
    for name, one in asked.items():
        path = one.path.replace("{model}", "churn").replace("{endpoint}", "churn")
        answer = client.get(path)
        assert answer.status_code in {200, 404}, answer.text
        assert answer.status_code == 404 or "next" in answer.json(), name


def test_a_place_survives_its_journey() -> None:
    for place in (Place(0, ""), Place(-5, "a~b"), Place(2**63 - 1, "ü" * 36)):
        assert Place.of_token(place.token) == place
