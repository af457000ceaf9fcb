"""Callers note every answer, tell each outcome once, and survive a server that goes and comes."""

import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.processes import eventually

from trimtab.cli.scenarios.callers import Asked, Callers, Heard


class Server(ThreadingHTTPServer):
    """Answers predictions by number; refuses rows that ask for it; keeps the outcomes that it is told."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock = threading.Lock()
        self.answered: dict[str, int] = {}
        self.truths: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self._answer(*self._said(body))

    def _said(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if self.path == "/v1/ground-truth":
            self.server.truths += [(one["prediction_id"], one["truth"]) for one in body["records"]]
            return 202, {}
        if body["row"]["number"] % 5 == 0:
            return 500, {"error": "it fails"}
        given = f"p{len(self.server.answered)}"
        self.server.answered[given] = body["row"]["number"]
        return 200, {"predictions": [{"prediction_id": given, "prediction": "yes"}]}

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        sent = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.send_header("X-Trimtab-Variant", "v1")
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def draw(rng: random.Random) -> Asked:
    number = rng.randrange(1_000)
    return Asked({"number": number}, f"truth of {number}")


def test_every_request_is_heard_of_and_each_outcome_told_once() -> None:
    heard: list[Heard] = []
    with served() as server:
        with Callers(lambda: server.url, "one", draw, heard.append, clients=2, per_s=2_000):
            eventually(lambda: len(heard) > 60, within_s=30, wanted="answers")
        answers = {one.prediction_id: one for one in heard if one.is_answered}
        assert {given: one.asked.row["number"] for given, one in answers.items()} == server.answered
        assert sorted(server.truths) == sorted((given, f"truth of {row}") for given, row in server.answered.items())
    failed = [one for one in heard if not one.is_answered]
    assert failed
    assert all(one.status == 500 and one.asked.row["number"] % 5 == 0 for one in failed)
    assert {one.variant for one in heard} == {"v1"}


def test_whoever_is_not_answered_asks_again_where_the_server_is_then() -> None:
    heard: list[Heard] = []
    place: list[str | None] = [None]
    with served() as server, Callers(lambda: place[0], "one", draw, heard.append, clients=1, per_s=500):
        place[0] = "http://127.0.0.1:9"
        eventually(lambda: heard, within_s=30, wanted="a request that nobody answers")
        assert (heard[0].status, heard[0].variant, heard[0].is_answered) == (0, None, False)
        place[0] = server.url
        eventually(lambda: any(one.is_answered for one in heard), within_s=30, wanted="an answer")
