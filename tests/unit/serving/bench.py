"""The server's parts, put together in the test's own process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

from tests.unit.serving.running import write_spec

from trimtab.core.ids import IdFactory
from trimtab.records.journal import JournalWriter
from trimtab.serving.app import ServingApp
from trimtab.serving.asgi import Message, Scope
from trimtab.serving.endpoints import EndpointLoader, EndpointTable
from trimtab.serving.follow import Follower, read_status
from trimtab.serving.handler import Handler
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.spec import EndpointSpec, EndpointStatus


class Bench:
    """The application in this process, with clocks that stand still."""

    def __init__(self, state: Path, *, journal_file_bytes: int = 4096) -> None:
        self.state = state
        self.journal = JournalWriter(state / "journal", sync_interval_s=1, file_bytes=journal_file_bytes)
        self.metrics = ServingMetrics()
        self.table = EndpointTable()
        ids = IdFactory(now_ms=lambda: 0)
        self.app = ServingApp(
            table=self.table,
            handler=Handler(self.journal, new_id=ids, monotonic_ns=lambda: 0),
            journal=self.journal,
            metrics=self.metrics,
            new_id=ids,
            now_us=lambda: 5,
            monotonic_ns=lambda: 0,
        )
        self.follower = Follower(
            state, table=self.table, loader=EndpointLoader(self.metrics, Random(1)), journal=self.journal, pid=1
        )

    def deploy(self, spec: EndpointSpec) -> EndpointStatus:
        """Write the spec, let it be followed, and return what is said of it."""
        write_spec(self.state, spec)
        return self.step(spec.endpoint)

    def step(self, endpoint: str) -> EndpointStatus:
        """Follow what changed."""
        asyncio.run(self.follower.step())
        status = read_status(self.state, endpoint)
        assert status is not None
        assert status == self.table.statuses[endpoint]
        return status

    def post(self, path: str, body: object) -> tuple[int, Any]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])
