from __future__ import annotations

import asyncio
import tracemalloc
from typing import ClassVar

from trimtab.serving.asgi import BUDGET, Message, Response, Scope, read_body, send_response
from trimtab.serving.http_protocol import WHOLE

PARTS = 30_000


class Counted:
    """A budget that says how much was taken at most."""

    def __init__(self) -> None:
        self.taken = self.most = 0

    def take(self, size: int) -> None:
        self.taken += size
        self.most = max(self.most, self.taken)

    def give_back(self, size: int) -> None:
        self.taken -= size


def test_a_body_in_tiny_parts_takes_about_what_the_budget_counts() -> None:
    left = iter(range(PARTS - 1, -1, -1))

    async def receive() -> Message:
        more = next(left)
        return {"type": "http.request", "body": more.to_bytes(4, "little"), "more_body": more > 0}

    budget = Counted()
    scope: Scope = {"headers": [], BUDGET: budget}

    async def read() -> tuple[bytes, int]:
        tracemalloc.start()
        try:
            body = await read_body(scope, receive, 10 * PARTS)
            return body, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    body, peak = asyncio.run(read())
    assert body == b"".join(more.to_bytes(4, "little") for more in range(PARTS - 1, -1, -1))
    assert (budget.taken, budget.most) == (0, len(body))
    assert peak < 4 * len(body)


def test_an_answered_request_leaves_no_ring_of_references_behind() -> None:
    class Cycle:
        response_started = disconnected = more_body = False
        keep_alive = write_paused = True  # it takes no whole response now
        scope: ClassVar[dict[str, str]] = {"method": "POST"}

        @property
        def flow(self) -> Cycle:
            return self

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"method": "POST", WHOLE: (Cycle(), None)}
    asyncio.run(send_response(scope, send, Response(200, b"{}"), ()))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert WHOLE not in scope, "the cycle holds the scope: together they would wait for the collector"
