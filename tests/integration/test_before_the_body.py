"""Who asks is known before what they send is received; and what is received has to come in time."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.integration.office import AS_JSON, is_problem, platform_at, served
from tests.integration.processes import eventually

from trimtab.api.door import Limits
from trimtab.core.enums import Role
from trimtab.loop.keys import replace_key
from trimtab.loop.operation import OPERATIONS
from trimtab.loop.platform import Platform

BROKEN = b'{"name":'
NOT_MUCH = Limits(body_s=1.0, bodies_at_once=2)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


@pytest.fixture(scope="module")
def client(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform, NOT_MUCH) as opened:
        yield opened


def key_of(platform: Platform, role: Role) -> str:
    with platform.database.transaction() as connection:
        return replace_key(connection, f"a-{role}", role, at_us=0)


@contextlib.contextmanager
def half_sent(client: httpx.Client, path: str, authorization: str) -> Iterator[socket.socket]:
    """Begin a request whose body does not come."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as line:
        line.sendall(head.encode() + b" " * 1_000)
        yield line


def status_on(line: socket.socket) -> int:
    return int(line.recv(4096).split()[1])


@pytest.mark.parametrize(
    "name", sorted(asked.name for asked in OPERATIONS.values() if asked.method == "POST" and "{" not in asked.path)
)
def test_nobodys_body_is_not_waited_for(client: httpx.Client, name: str) -> None:
    with half_sent(client, OPERATIONS[name].path, "Bearer tt_made-up") as line:
        began_s = time.monotonic()
        assert status_on(line) == 401
    assert time.monotonic() - began_s < NOT_MUCH.body_s


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.SERVICE])
def test_a_role_that_does_not_reach_is_told_before_what_is_wrong_with_the_body(
    platform: Platform, client: httpx.Client, role: Role
) -> None:
    key = f"Bearer {key_of(platform, role)}"
    for content in (BROKEN, b"\xff", b" " * 1_000_001, b'{"name": 7}'):
        answer = client.post("/api/keys", content=content, headers={**AS_JSON, "Authorization": key})
        assert is_problem(answer, 403)
    with half_sent(client, "/api/keys", key) as line:
        assert status_on(line) == 403


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(client: httpx.Client) -> None:
    for path in ("/api/keys", "/api/session"):
        with half_sent(client, path, client.headers["Authorization"]) as line:
            told = line.recv(4096).decode()
            assert told.startswith("HTTP/1.1 408 ")
            assert "connection: close" in told.lower()
            assert "x-content-type-options: nosniff" in told.lower()
            while line.recv(4096):
                pass


def test_one_address_has_so_many_bodies_under_way_and_room_again_when_they_end(client: httpx.Client) -> None:
    def asked() -> httpx.Response:
        return client.post("/api/events/retry", json={"reason": "why"})

    def is_refused() -> bool:
        return asked().status_code == 503

    key = client.headers["Authorization"]
    with half_sent(client, "/api/keys", key), half_sent(client, "/api/keys", key):
        eventually(is_refused, within_s=NOT_MUCH.body_s, wanted="a bound of bodies")
        assert client.get("/api/status").status_code == 200
    eventually(lambda: asked().status_code == 200, within_s=10, wanted="room for a body")
    assert all(asked().status_code == 200 for _ in range(2 * NOT_MUCH.bodies_at_once))


KEY = "tt_" + "k" * 43
odd = st.recursive(
    st.just(KEY) | st.just(f"{KEY * 6}") | st.none() | st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["key", "x", KEY]), inner, max_size=2),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=odd)
@example(body={"key": "x", KEY: 1})
@example(body={"key": {"x": KEY}})
@example(body=KEY)
def test_no_answer_tells_what_was_sent_in_the_place_of_a_key(client: httpx.Client, body: Any) -> None:
    for path in ("/api/session", "/api/keys", "/api/events/retry"):
        answer = client.post(path, json=body)
        assert KEY[:20] not in answer.text
