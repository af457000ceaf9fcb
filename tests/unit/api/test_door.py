import asyncio
from typing import Any

import pytest
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.api.bodies import Bodies
from trimtab.api.door import Door, names_of


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await receive()
    seen = structlog.contextvars.get_contextvars().get("request_id", "")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{seen}:{len(body.get('body', b''))}".encode()})


def ask(headers: dict[str, str], body: bytes = b"", app: ASGIApp = echo) -> tuple[int, dict[str, str], str]:
    bodies = Bodies(most_bytes=10, within_s=1.0, at_once=1, address_of=lambda _scope: "192.0.2.1")
    door = Door(app, hosts=names_of("127.0.0.1"), bodies=bodies, unlimited=("/files",))
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "headers": [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()],
    }
    asyncio.run(door(scope, receive, send))
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]).decode()


def test_the_callers_request_id_is_kept_in_answer_and_logs() -> None:
    status, headers, body = ask({"x-request-id": "abc-1"})

    assert (status, headers["x-request-id"], body) == (200, "abc-1", "abc-1:0")


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "new\tline"])
def test_an_unusable_request_id_is_replaced(given: str) -> None:
    _status, headers, body = ask({"x-request-id": given})

    assert headers["x-request-id"] != given
    assert body == f"{headers['x-request-id']}:0"


def test_what_nobody_foresaw_is_told_without_its_insides_and_with_all_headers() -> None:
    async def crash(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("the secret is 42")

    status, headers, body = ask({}, app=crash)

    assert status == 500
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert "42" not in body


def test_a_page_of_ours_keeps_its_own_policy_and_all_else_may_do_nothing() -> None:
    async def page(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-security-policy", b"default-src 'none'; style-src 'self'")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    assert ask({}, app=page)[1]["content-security-policy"] == "default-src 'none'; style-src 'self'"
    assert ask({})[1]["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_page_from_elsewhere_cannot_drive_the_service() -> None:
    status, headers, _body = ask({"host": "evil.example:8765"})

    assert status == 421
    assert headers["x-frame-options"] == "DENY"
