"""What a command does while its control plane does not answer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from trimtab.cli import http_client
from trimtab.cli.http_client import HttpClient
from trimtab.core.errors import BackendError, NotFoundError

ROUTES = {"paths": {"/api/status": {"get": {"operationId": "status_show"}}}}


class Restarting(ThreadingHTTPServer):
    """A control plane that hangs up on its first callers, and answers then."""

    daemon_threads = True

    def __init__(self, hang_ups: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.hang_ups = hang_ups

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Restarting

    def do_GET(self) -> None:
        if self.path == "/api/status" and self.server.hang_ups > 0:
            self.server.hang_ups -= 1
            self.close_connection = True
            return
        body = json.dumps(ROUTES if self.path == "/openapi.json" else {"state": "done"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def plane() -> Iterator[Restarting]:
    server = Restarting(hang_ups=0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def client(plane: Restarting) -> Iterator[HttpClient]:
    client = HttpClient(plane.url, "key")
    yield client
    client.close()


def test_a_wait_outlasts_a_control_plane_that_starts_again(plane: Restarting, client: HttpClient) -> None:
    plane.hang_ups = 5
    assert client.wait(lambda: client.ask("status.show")["state"] == "done", timeout_s=60)
    assert plane.hang_ups == 0


def test_a_few_questions_without_an_answer_end_no_wait_however_long_each_took(
    plane: Restarting, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_PATIENCE_S", 0.0)
    plane.hang_ups = 3
    assert client.wait(lambda: bool(client.ask("status.show")), timeout_s=60)


def test_a_wait_ends_with_the_reason_when_the_patience_is_over(
    plane: Restarting, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "_PATIENCE_S", 0.0)
    plane.hang_ups = 1_000
    with pytest.raises(BackendError, match="is it up"):
        client.wait(lambda: bool(client.ask("status.show")), timeout_s=60)


def test_what_the_control_plane_refuses_ends_a_wait_at_once(client: HttpClient) -> None:
    asked = []

    def done() -> bool:
        asked.append(client.ask("nothing.such"))
        return True

    with pytest.raises(NotFoundError, match=r"knows no 'nothing\.such'"):
        client.wait(done, timeout_s=60)
    assert asked == []


def test_a_wait_that_takes_too_long_says_so(client: HttpClient) -> None:
    assert not client.wait(lambda: False, timeout_s=0)
