"""A feature source of a user's own, as a process: it behaves as the key of the entity that is asked for says."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECRET = "not-to-be-told-7391"
_HOUR_US = 3_600_000_000


def values_of(patient: str) -> dict[str, Any]:
    """Return what the store has of a patient."""
    now_us = time.time_ns() // 1000
    fresh = {"age": {"value": 61, "event_us": now_us}, "chol": {"value": 310.5, "event_us": now_us}}
    return {
        "7": fresh,
        "8": {"age": {"value": 44.0, "event_us": now_us}, "chol": {"value": 200, "event_us": now_us}},
        "no-chol": {"age": fresh["age"]},
        "null-chol": {**fresh, "chol": {"value": None}},
        "old-chol": {**fresh, "chol": {"value": 310.5, "event_us": now_us - _HOUR_US}},
        "timeless-chol": {**fresh, "chol": {"value": 310.5}},
        "old-age": {**fresh, "age": {"value": 61, "event_us": now_us - _HOUR_US}},
        "text-age": {**fresh, "age": {"value": "sixty", "event_us": now_us}},
        "endless-chol": {**fresh, "chol": {"value": 1e300, "event_us": now_us}},
        "true-chol": {**fresh, "chol": {"value": True, "event_us": now_us}},
        "slow": fresh,
        "closing": fresh,
    }.get(patient, {})


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    calls = 0

    def do_GET(self) -> None:
        """Say how many calls there were."""
        self._answer(200, json.dumps(Answering.calls).encode())

    def do_POST(self) -> None:
        Answering.calls += 1
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/guarded":
            shown = {self.headers.get("authorization"), self.headers.get("x-store-key")}
            if not shown & {f"Bearer {SECRET}", SECRET}:
                self._answer(401, b"{}")
                return
        else:
            assert self.path == "/online?table=patients"
        patients = [entity["patient"] for entity in asked["entities"]]
        names = asked["names"]
        rows = [{name: one for name, one in values_of(patient).items() if name in names} for patient in patients]
        if "slow" in patients:
            time.sleep(1.5)
        wrong = {
            "error": (500, json.dumps({"rows": rows}).encode()),
            "page": (200, b"<html>"),
            "short": (200, b'{"rows": []}'),
            "list": (200, b"[1, 2]"),
            "shape": (200, b'{"rows": [{"age": 61}]}'),
        }
        status, body = next(
            (wrong[one] for one in patients if one in wrong), (200, json.dumps({"rows": rows}).encode())
        )
        self._answer(status, body)
        if "closing" in patients:
            # Without having said so.
            self.close_connection = True

    def _answer(self, status: int, body: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Store:
    """The process."""

    def __init__(self, port: int = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(port)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/online?table=patients"

    @property
    def calls(self) -> int:
        """How often it was asked."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", "/")
            return int(connection.getresponse().read())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(20)
        if self._process.stdout is not None:
            self._process.stdout.close()


if __name__ == "__main__":
    listener = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering)
    sys.stdout.write(f"{listener.server_address[1]}\n")
    sys.stdout.flush()
    listener.serve_forever()
