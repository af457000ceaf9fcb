"""A real server in a process of its own, and what tests do with it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from trimtab.bundle.writer import read_manifest
from trimtab.core.enums import Task
from trimtab.files import write_atomically
from trimtab.records.segments import read_segment
from trimtab.records.shipper import Shipper
from trimtab.serving.place import ServerInfo, journal_folder, read_server_info
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec
from trimtab.serving.spec_files import read_status, spec_path
from trimtab.testing.bundles import tiny_bundle

ROW = {"age": 60, "chol": 250.0, "sex": "male"}


def eventually(what: Callable[[], Any], *, within_s: float = 20) -> Any:
    """Return the first truthy value of ``what``."""
    deadline = time.monotonic() + within_s
    while not (value := what()):
        assert time.monotonic() < deadline, "did not come about in time"
        time.sleep(0.01)
    return value


def variant(folder: Path, name: str, weight: str, *, version: int = 1, task: Task = Task.BINARY) -> VariantSpec:
    """Return a variant of a bundle, which is written on first use; another one for each version."""
    bundle = folder / f"bundle-{task}-{version}"
    if bundle.exists():
        manifest = read_manifest(bundle)
    else:
        manifest = tiny_bundle(bundle, task=task, weights=(float(version), 0.5, -0.25))
    return VariantSpec(
        name=name,
        model="tiny",
        model_version=version,
        bundle_path=str(bundle),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(weight),
    )


def write_spec(state: Path, spec: EndpointSpec) -> None:
    write_atomically(spec_path(state, spec.endpoint), msgspec.json.encode(spec))


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """One server process on ``state``."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        (state / "server.json").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "trimtab.serving.server", "--state", str(state), "--port", "0", *arguments],
            stderr=subprocess.PIPE,
        )
        assert self.process.stderr is not None
        self.errors: list[bytes] = []
        self._reader = threading.Thread(target=self.errors.extend, args=(self.process.stderr,), daemon=True)
        self._reader.start()
        self.info: ServerInfo = eventually(lambda: read_server_info(state))
        self._local = threading.local()

    def call(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one request over this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = http.client.HTTPConnection("127.0.0.1", self.info.port, timeout=20)
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, dict(headers or {}))
            response = connection.getresponse()
            reply = Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        except BaseException:
            self.hang_up()
            raise
        return reply

    def hang_up(self) -> None:
        """Close this thread's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None

    def predict(self, body: object, path: str = "/predict") -> Reply:
        return self.call("POST", path, body)

    def deploy(self, spec: EndpointSpec) -> EndpointStatus:
        """Write the spec and wait for the server to say what it made of it."""
        write_spec(self.state, spec)

        def answered() -> EndpointStatus | None:
            status = read_status(self.state, spec.endpoint)
            fresh = status is not None and status.pid == self.info.pid and status.desired_generation == spec.generation
            return status if fresh else None

        status: EndpointStatus = eventually(answered)
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop the process and return its exit code."""
        self.hang_up()
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        code = self.process.wait(20)
        if self.process.stderr is not None:
            self._reader.join()
            self.process.stderr.close()
        return code

    def shipped(self, kind: str = "predictions") -> list[dict[str, Any]]:
        """Ship what is recorded and return all rows of that kind."""
        intake = self.state / "intake"
        Shipper(journal_folder(self.state), intake).ship_once()
        tables = [read_segment(path) for path in intake.glob("*.arrow")]
        return [
            {**row, "kind": kind, "model_version": (table.schema.metadata or {}).get(b"model_version")}
            for table in tables
            if (table.schema.metadata or {})[b"kind"] == kind.encode()
            for row in table.to_pylist()
        ]
