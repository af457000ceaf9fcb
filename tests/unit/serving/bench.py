"""The server's parts, put together in the test's own process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.unit.serving.running import Reply, write_spec

from trimtab.core.ids import IdFactory
from trimtab.records.journal import JournalWriter
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame
from trimtab.serving.app import ServingApp
from trimtab.serving.asgi import Message, Scope
from trimtab.serving.endpoints import EndpointTable
from trimtab.serving.follow import Follower
from trimtab.serving.handler import Handler
from trimtab.serving.hosting import Hosting
from trimtab.serving.limits import Bounds
from trimtab.serving.loading import EndpointLoader
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.options import ServerOptions
from trimtab.serving.residence import Residence
from trimtab.serving.residence_metrics import ResidenceMetrics
from trimtab.serving.shadow import Shadows
from trimtab.serving.spec import EndpointSpec, EndpointStatus
from trimtab.serving.spec_files import read_status
from trimtab.serving.waking import Waking


class Bench:
    """The application in this process, with clocks that stand still."""

    def __init__(
        self,
        state: Path,
        *,
        journal_file_bytes: int = 4096,
        journal_limit_bytes: int | None = None,
        memory_budget_bytes: int | None = None,
        models_root: Path | None = None,
        shadow_journal: Callable[[], JournalWriter] | None = None,
        shadow_rows: int = 20_000,
        max_tensor_bytes: int = 1 << 30,
    ) -> None:
        self.state = state
        bounds = Bounds(ServerOptions(max_tensor_bytes=max_tensor_bytes))
        self.journal = JournalWriter(
            state / "journal", sync_interval_s=1, file_bytes=journal_file_bytes, limit_bytes=journal_limit_bytes
        )
        self.metrics = ServingMetrics()
        self.table = EndpointTable()
        self.residence = Residence(
            table=self.table,
            loader=EndpointLoader(self.metrics, Random(1)),
            journal=self.journal,
            metrics=ResidenceMetrics(self.metrics.registry),
            budget_bytes=memory_budget_bytes,
        )
        ids = IdFactory(now_ms=lambda: 0)
        self.shadows = Shadows(shadow_journal or self.new_journal, new_id=ids, rng=Random(1), max_rows=shadow_rows)
        self.app = ServingApp(
            table=self.table,
            waking=Waking(self.table, self.residence),
            handler=Handler(self.journal, new_id=ids, monotonic_ns=lambda: 0, tensors=bounds.tensors),
            bounds=bounds,
            journal=self.journal,
            metrics=self.metrics,
            hosting=None if models_root is None else Hosting(self.table, self.residence, models_root),
            new_id=ids,
            now_us=lambda: 5,
            monotonic_ns=lambda: 0,
            shadows=self.shadows,
        )
        self.follower = Follower(state, table=self.table, residence=self.residence, pid=1)

    def new_journal(self) -> JournalWriter:
        """Return a further journal in the server's folder."""
        return JournalWriter(self.state / "journal", sync_interval_s=1, file_bytes=4096)

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

    def ask(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send a request to the application: POST where there is a body."""
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {
            "type": "http",
            "method": "GET" if body is None else "POST",
            "path": path,
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
        }
        asyncio.run(self.app(scope, receive, send))
        return Reply(
            sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, sent[1]["body"]
        )

    def recorded(self) -> list[PredictionFrame]:
        """Return the rows in the journal's present file."""
        frames = [frame for _, frame in read_frames(self.journal.path)]
        return [frame for frame in frames if isinstance(frame, PredictionFrame)]

    def post(self, path: str, body: object) -> tuple[int, Any]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {"type": "http", "method": "POST", "path": path, "headers": []}
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])
