"""The simulation's server with faults: answers that take long or fail, and the counts that a real one tells."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from bench.faults.plan import Plan

from trimtab.bundle.values import UnfitRowError
from trimtab.core.errors import ConfigError
from trimtab.loop.simulation.inline_jobs import InlineJobs
from trimtab.loop.simulation.serving import InProcessServing, Kept
from trimtab.records.schema import SchemaFrame
from trimtab.serving.exchange import Answer, RowContext
from trimtab.training.request import RESULT_NAME

__all__ = ["Counts", "FaultyServing", "PlantedJobs"]

_SPREAD = 0.25
_BY_STATUS = "trimtab_requests_total"
_BY_COLUMN = "trimtab_requests_refused_by_column_total"


class FaultyServing(InProcessServing):
    """Answers as the simulation's server does, in the times and with the failures of a plan, and counts requests."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """See `InProcessServing`."""
        super().__init__(folder)
        self._plan = plan
        self.counted: Counter[tuple[str, str, int, str]] = Counter()
        """Requests by endpoint, variant, version and status."""
        self.refused_for: Counter[tuple[str, str, int, str]] = Counter()
        """Refused requests by endpoint, variant, version and column."""

    def answer(
        self, endpoint: str, rows: Sequence[dict[str, Any]], context: RowContext, records: Kept, *, at_us: int
    ) -> tuple[Answer, SchemaFrame]:
        """Answer rows that came at ``at_us``, unless the plan lets them fail.

        Raises:
            ConfigError: a row does not fit the model, or the plan lets the request fail; none was answered.
        """
        variant = next(one for one in self._specs[endpoint].variants if one.weight_pct)
        served, drawn = (endpoint, variant.name, variant.model_version), Random(at_us)
        if drawn.random() < self._plan.failing_share(at_us, variant.model_version):
            self.counted[*served, "5xx"] += 1
            raise ConfigError(f"request at {at_us}: fails, as planted; there is nothing to correct")
        first = len(records.frames)
        try:
            answered = super().answer(endpoint, rows, context, records, at_us=at_us)
        except ConfigError as error:
            self.counted[*served, "4xx"] += 1
            if isinstance(error, UnfitRowError) and error.column:
                self.refused_for[*served, error.column] += 1
            raise
        self.counted[*served, "2xx"] += 1
        latency_ms = self._plan.latency_ms(at_us, variant.model_version) * drawn.lognormvariate(0, _SPREAD)
        records.frames[first:] = [
            msgspec.structs.replace(frame, latency_ms=latency_ms) for frame in records.frames[first:]
        ]
        return answered


class PlantedJobs(InlineJobs):
    """Trainings in a process that many worlds share.

    While ``die`` is set, each ends without a result; where ``instead`` is, it leaves its result in the folder.
    """

    def __init__(self, shared: InlineJobs, log: Path) -> None:
        """``shared``: what trains."""
        super().__init__(log)
        self._shared = shared
        self.die = False
        self.instead: Callable[[Path], None] | None = None

    def start(self, out_dir: Path, request: bytes) -> None:
        """Train, or let the process be gone; see the port."""
        if (out_dir / RESULT_NAME).exists():
            return
        if self.die or self.instead is not None:
            out_dir.mkdir(parents=True, exist_ok=True)
        if self.die:
            return
        if self.instead is not None:
            self.instead(out_dir)
            return
        self._shared.start(out_dir, request)


class Counts:
    """A real HTTP server on the loopback that tells ``/metrics`` of a `FaultyServing`."""

    def __init__(self, serving: FaultyServing) -> None:
        """Listen on a port of its own."""

        class _Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = _lines(_BY_STATUS, "status", serving.counted) + _lines(_BY_COLUMN, "column", serving.refused_for)
                body = told.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_words: object) -> None:
                """Say nothing: its requests are no news."""

        self._server = HTTPServer(("127.0.0.1", 0), _Answers)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _lines(name: str, by: str, counted: Counter[tuple[str, str, int, str]]) -> str:
    lines = [f"# TYPE {name} counter"]
    for (endpoint, variant, version, value), count in sorted(counted.items()):
        labels = f'endpoint="{endpoint}",variant="{variant}",version="{version}",{by}="{value}"'
        lines.append(f"{name}{{{labels}}} {count}")
    return "\n".join(lines) + "\n"
