import asyncio
from typing import Any

import pytest
import structlog
from starlette.types import Message, Receive, Scope, Send

from trimtab.api.door import Door, names_of


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = await receive()
    seen = structlog.contextvars.get_contextvars().get("request_id", "")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{seen}:{len(body.get('body', b''))}".encode()})


def ask(headers: dict[str, str], body: bytes = b"") -> tuple[int, dict[str, str], str]:
    door = Door(echo, hosts=names_of("127.0.0.1"), body_bytes=10, unlimited=("/files",))
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


def test_a_page_from_elsewhere_cannot_drive_the_service() -> None:
    status, headers, _body = ask({"host": "evil.example:8765"})

    assert status == 421
    assert headers["x-frame-options"] == "DENY"
