"""Ctrl-C, pressed in a terminal while a command is busy: a sentence, exit code 130, nothing half-written."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.integration.processes import TRIMTAB, environment, eventually, trimtab
from tests.integration.small_project import MODEL, make_project, write_rows

BUSY_ROWS = 100_000
"""Enough that judging them takes seconds on the fastest machine."""

WITHIN_S = 120.0


@dataclass
class Shown:
    """A command in a terminal: what it has shown so far, and how it ended."""

    child: subprocess.Popen[bytes]
    terminal: int
    told: bytearray = field(default_factory=bytearray)

    def read(self) -> None:
        """Take in what is shown until nobody can write any more."""
        with contextlib.suppress(OSError):  # what Linux says at the end
            while part := os.read(self.terminal, 4096):
                self.told += part

    def shows(self, words: str) -> bool:
        """Return whether ``words`` are shown, or the command is gone and will not show them."""
        return words.encode() in self.told or self.child.poll() is not None


@contextlib.contextmanager
def in_terminal(*command: str | Path, **settings: str) -> Iterator[Shown]:
    """Run a command in a terminal; at the end it is gone, whatever a test does."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [*TRIMTAB, *map(str, command)],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        env=environment(TERM="xterm", COLUMNS="200", **settings),
    )
    os.close(theirs)
    shown = Shown(child, ours)
    reader = threading.Thread(target=shown.read, daemon=True)
    reader.start()
    try:
        yield shown
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        reader.join(30)
        os.close(ours)


def press_ctrl_c(shown: Shown, *, at: Callable[[], bool]) -> str:
    """Press Ctrl-C once ``at()``; return all that was shown when the command has ended, as it should."""
    eventually(lambda: at() or shown.child.poll() is not None, within_s=WITHIN_S, wanted="a command that is busy")
    assert shown.child.poll() is None, bytes(shown.told).decode()
    shown.child.send_signal(signal.SIGINT)
    code = shown.child.wait(WITHIN_S)
    with contextlib.suppress(AssertionError):  # what was shown instead says more
        eventually(lambda: b"stopped" in shown.told, within_s=30, wanted="its last word")
    told = bytes(shown.told).decode()
    # Python ends itself by the signal where the interrupt came within code that a library ran: 130 in a shell, too.
    assert code in {130, -signal.SIGINT}, told
    assert "stopped" in told
    assert "Traceback" not in told
    return " ".join(told.split())


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rows(tmp_path_factory.mktemp("many") / "many.csv", count=BUSY_ROWS)


# --- work of the command itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("busy_with", ["reading", "the rows of many.csv"])
def test_an_init_leaves_nothing(tmp_path: Path, many_rows: Path, busy_with: str) -> None:
    project = tmp_path / "a" / "project"
    with in_terminal("init", project, "--from", many_rows, "--target", "churned", "--key", "customer") as shown:
        told = press_ctrl_c(shown, at=lambda: shown.shows(busy_with))
    assert f"{project}: nothing was written; the same command begins anew" in told
    assert list(tmp_path.iterdir()) == []


def test_an_init_into_a_folder_that_was_there_leaves_it_empty(tmp_path: Path, many_rows: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    with in_terminal("init", project, "--from", many_rows, "--target", "churned") as shown:
        press_ctrl_c(shown, at=lambda: shown.shows("the rows of many.csv"))
    assert list(project.iterdir()) == []


def test_an_ingest_is_taken_up_again_and_brings_each_row_once(tmp_path: Path, many_rows: Path) -> None:
    project = make_project(tmp_path / "project")
    with in_terminal("ingest", MODEL, many_rows, "--project", project) as shown:
        told = press_ctrl_c(shown, at=lambda: shown.shows("the rows of many.csv"))
    assert "was accepted: its rows are judged once 'trimtab up' or 'ingest' runs" in told
    again = trimtab("ingest", MODEL, many_rows, "--json", project=project, timeout_s=250)
    assert again.code == 0, again.err
    assert (again.json["rows_passed"], again.json["rows_quarantined"]) == (BUSY_ROWS, 0)
    assert again.json["delivery_id"] in told
    assert again.err == "", "in a pipe nothing moves"


# --- work of a server -------------------------------------------------------------------------------------------------


class SlowServer(ThreadingHTTPServer):
    """A control plane and inference server in one that answers some requests, and takes its time for another."""

    daemon_threads = True

    def __init__(self, answers: dict[tuple[str, str], Any], slow: tuple[str, str], quick: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Slow)
        self.answers = answers
        self.slow = slow
        self.quick = quick
        self.asked = threading.Event()
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Slow(BaseHTTPRequestHandler):
    server: SlowServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer()

    def _answer(self) -> None:
        asked = (self.command, self.path.partition("?")[0])
        if asked == self.server.slow:
            if self.server.quick == 0:
                self.server.asked.set()
                self.server.released.wait(300)
                return
            self.server.quick -= 1
        content = json.dumps(self.server.answers[asked]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def slow_server(
    slow: tuple[str, str],
    operations: dict[str, tuple[str, str]],
    answers: dict[tuple[str, str], Any],
    *,
    quick: int = 0,
) -> Iterator[SlowServer]:
    """Run a server with these operations; it lets who asks for ``slow`` wait, the first ``quick`` times excepted."""
    paths: dict[str, dict[str, Any]] = {}
    for name, (method, path) in operations.items():
        paths.setdefault(path, {})[method.lower()] = {"operationId": name.replace(".", "_")}
    server = SlowServer({("GET", "/openapi.json"): {"paths": paths}, **answers}, slow, quick)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        server.server_close()
        thread.join(30)


@pytest.mark.parametrize(
    ("command", "operation", "route", "sentence"),
    [
        (
            ["monitor", MODEL],
            "monitoring.run",
            ("POST", f"/api/models/{MODEL}/monitor"),
            f"checks of '{MODEL}': the control plane finishes them; see 'trimtab checks {MODEL}'",
        ),
        (
            ["retrain", "request", MODEL, "--reason", "it is old"],
            "retraining.trigger",
            ("POST", "/api/retraining/trigger"),
            f"retraining of '{MODEL}': may have been asked for; see 'trimtab approvals list'",
        ),
    ],
    ids=["monitor", "retrain"],
)
def test_what_a_control_plane_goes_on_with_is_said(
    command: list[str], operation: str, route: tuple[str, str], sentence: str
) -> None:
    with (
        slow_server(route, {operation: route}, {}) as server,
        in_terminal(*command, TRIMTAB_API_URL=server.url, TRIMTAB_API_KEY="key") as shown,
    ):
        told = press_ctrl_c(shown, at=server.asked.is_set)
    assert sentence in told


def test_a_replay_says_how_many_rows_were_answered_and_where_to_go_on(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("at,age,churned\n" + "".join(f"2024-01-01T{hour:02d}:00,{hour + 20},no\n" for hour in range(20)))
    predict, records = ("POST", f"/predict/{MODEL}"), ("GET", f"/api/endpoints/{MODEL}/records")
    answered = {"predictions": [{"prediction_id": "p1"}] * 5, "model_version": 1}
    answers: dict[tuple[str, str], Any] = {
        ("GET", f"/v2/models/{MODEL}"): {"inputs": [{"name": "age", "datatype": "FP64"}]},
        predict: answered,
        records: {"records": 0, "truths": 0},
    }
    options = ("--time", "at", "--truth", "churned", "--batch", "5")
    with (
        slow_server(predict, {"data.records": records}, answers, quick=2) as server,
        in_terminal(
            *("replay", MODEL, rows, *options),
            TRIMTAB_API_URL=server.url,
            TRIMTAB_API_KEY="key",
            TRIMTAB_SERVING_URL=server.url,
        ) as shown,
    ):
        told = press_ctrl_c(shown, at=server.asked.is_set)
    assert f"sending to {MODEL}" in told
    assert (
        f"endpoint '{MODEL}': 10 of 20 rows were answered, and stay recorded; their outcomes were not all sent" in told
    )
    assert "send the others with --from 2024-01-01T10:00:00+00:00" in told
