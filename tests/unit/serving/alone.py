"""``trimtab serve`` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec

from trimtab.testing.bundles import tiny_bundle

ROW = {"age": 60, "chol": 250.0, "sex": "male"}


class Alone:
    """One server, and what it said when it was ready."""

    def __init__(self, folder: Path, *arguments: str, options: Mapping[str, Any] | None = None) -> None:
        if not (folder / "heart").exists():
            tiny_bundle(folder / "heart", model="heart")
        (folder / "options.json").write_bytes(msgspec.json.encode(options or {}))
        self.state = folder / "state"
        named = () if "--state" in arguments else ("--bundle", "heart", "--state", "state")
        command = [sys.executable, "-m", "trimtab.cli", "serve", *named, "--options", "options.json", *arguments]
        self._log = (folder / "log").open("a+b")
        self.process = subprocess.Popen(
            [*command, "--port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("TRIMTAB_")},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.log
        self.told = json.loads(line)
        self.url = self.told["url"]
        self.port = int(self.url.rpartition(":")[2])
        self.http = httpx.Client(base_url=self.url, timeout=20, trust_env=False)

    @property
    def log(self) -> str:
        return Path(self._log.name).read_text()

    def predict(self, client: httpx.Client | None = None, **headers: str) -> httpx.Response:
        return (client or self.http).post("/predict/heart", json={"row": ROW}, headers=headers)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        """Return a connection without a client."""
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(30)
        raw.connect(("127.0.0.1", self.port))
        return raw

    def begun(self, length: int, body: bytes = b"") -> socket.socket:
        """Return a connection with a request whose headers, and ``body`` of its ``length`` bytes, were sent."""
        raw = self.connect()
        raw.sendall(b"POST /predict/heart HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (length, body))
        return raw

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self._log.close()
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code

    def __enter__(self) -> Alone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
