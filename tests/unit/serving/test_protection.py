"""A server that is asked too much, too slowly, or by the wrong ones."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.unit.serving.alone import ROW, Alone
from tests.unit.serving.running import eventually

from trimtab.testing.bundles import tiny_bundle

WHOLE = json.dumps({"row": ROW}).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """A server of little patience."""
    limits = {
        "max_in_flight": 3,
        "max_connections": 260,
        "max_reading_bytes": 300_000,
        "header_timeout_s": 1,
        "body_timeout_s": 3,
        "write_timeout_s": 1,
    }
    with Alone(tmp_path_factory.mktemp("alone"), options=limits) as server:
        yield server


def all_of(raw: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    parts = []
    try:
        while part := raw.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_two_hundred_callers_who_never_finish_their_headers_cost_the_others_nothing(server: Alone) -> None:
    slow = [server.connect() for _ in range(200)]
    try:
        for number, raw in enumerate(slow):
            # Some say nothing at all, some stop midway.
            raw.sendall(b"" if number % 4 == 0 else b"POST /predict/heart HTTP/1.1\r\nHost: local")
        assert server.predict().status_code == 200
        for raw in slow:
            answer = all_of(raw)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'{"error":"headers: not whole after 1 s; send them at once"}' in answer
    finally:
        for raw in slow:
            raw.close()
    assert server.predict().status_code == 200


def test_dripping_headers_buy_no_time(server: Alone) -> None:
    with server.connect() as raw:
        raw.settimeout(0.2)
        raw.sendall(b"GET /health HTTP/1.1\r\n")

        def closed() -> bool:
            try:
                raw.sendall(b"X-More: 1\r\n")
                return raw.recv(65_536).startswith(b"HTTP/1.1 408 ")
            except TimeoutError:
                return False

        eventually(closed)


def test_the_second_request_of_a_connection_has_no_more_time_than_the_first(server: Alone) -> None:
    with server.connect() as raw:
        raw.sendall(b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert raw.recv(65_536).startswith(b"HTTP/1.1 200 ")
        raw.sendall(b"GET /ping HT")
        assert b"HTTP/1.1 408 " in all_of(raw)


@pytest.mark.parametrize("first", [b"", b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"], ids=["first", "second"])
@pytest.mark.parametrize("endless", [b"X-More: more\r\n", b"more"], ids=["many", "long"])
def test_endless_headers_end(server: Alone, first: bytes, endless: bytes) -> None:
    with server.connect() as raw:
        raw.sendall(first)
        if first:
            assert raw.recv(65_536).startswith(b"HTTP/1.1 200 ")
        raw.sendall(b"GET /health HTTP/1.1\r\nX-First: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                raw.sendall(endless * 1000)
        # Whatever of the answer arrives: the server still has unread bytes when it closes.
        answer = all_of(raw)
    assert b" 200 " not in answer
    assert b" 408 " not in answer
    assert server.predict().status_code == 200


_CHUNKED = b"POST /predict/heart HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "endless"),
    [
        (b"5;", b"a" * 4096),
        (b"1\r\n{\r\n0\r\n", b"more: of the same\r\n" * 100),
        # What is allowed for a body in small chunks is not allowed behind it.
        (b"%x\r\n%s\r\n0\r\n" % (len(WHOLE), WHOLE), b"more: of the same\r\n" * 100),
        (b"", b"1;%s\r\n \r\n" % (b"x" * 1000)),
    ],
)
def test_what_stands_between_and_behind_chunks_is_bounded(server: Alone, first: bytes, endless: bytes) -> None:
    with contextlib.closing(server.connect()) as raw:
        raw.sendall(_CHUNKED + first)
        answer, sent = b"", 0
        while not answer and sent < 40_000_000:
            # Who sends on and on is hung up on in the end; what was said before can still be read.
            with contextlib.suppress(ConnectionError):
                raw.sendall(endless)
            sent += len(endless)
            if select.select([raw], [], [], 0)[0]:
                answer = raw.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        assert b"chunk extensions or trailers" in answer
        with contextlib.suppress(ConnectionError):
            # The rest is thrown away for a while, so that the answer is not lost; nothing more is said.
            raw.sendall(endless)
        assert all_of(raw) == b""
    assert server.predict().status_code == 200


@pytest.mark.parametrize("at_once", [False, True])
def test_a_body_in_chunks_of_one_byte_is_whole_and_its_trailers_are_no_headers(server: Alone, at_once: bool) -> None:
    trailers = b"X-Request-Id: forged\r\nX-Trimtab-Variant: none\r\nHost: elsewhere\r\n\r\n"
    whole = WHOLE if at_once else WHOLE + b" " * 80_000
    body = b"".join(b"1\r\n%c\r\n" % one for one in whole) + b"0\r\n" + trailers
    with contextlib.closing(server.connect()) as raw:
        if at_once:
            raw.sendall(_CHUNKED + body)
        else:
            raw.sendall(_CHUNKED)
            raw.sendall(body)
        answer = raw.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b"forged" not in answer


def test_a_refused_body_is_not_swallowed_for_ever(server: Alone) -> None:
    with server.connect() as raw:
        raw.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000000\r\n\r\n")
        with pytest.raises(ConnectionError):
            raw.sendall(b" " * 100_000_000)


def test_a_body_that_does_not_come_is_not_waited_for(server: Alone) -> None:
    with server.begun(len(WHOLE), WHOLE[:5]) as raw:
        answer = all_of(raw)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body: not whole after 3 s" in answer


def _one_too_many(server: Alone) -> tuple[list[socket.socket], httpx.Response] | None:
    """Return three requests that lack an end, and the refused fourth; None where the three were given up before it."""
    waiting = [server.begun(len(WHOLE), WHOLE[:5]) for _ in range(3)]
    for _ in range(20):
        refused = server.predict()
        if refused.status_code == 429:
            return waiting, refused
        time.sleep(0.05)
    for raw in waiting:
        raw.close()
    return None


def test_one_request_too_many_is_told_to_try_later_and_probes_are_answered_still(server: Alone) -> None:
    waiting, refused = eventually(lambda: _one_too_many(server))
    try:
        assert refused.headers["retry-after"] == "1"
        assert "3 are being answered, which is the limit" in refused.json()["error"]
        assert server.http.get("/ping").status_code == 200
        for raw in waiting:
            raw.sendall(WHOLE[5:])
            assert raw.recv(65_536).startswith(b"HTTP/1.1 200 ")
    finally:
        for raw in waiting:
            raw.close()
    assert server.predict().status_code == 200


def test_half_read_bodies_are_bounded_over_all_callers(server: Alone) -> None:
    with server.begun(600_000, b" " * 400_000) as raw:
        answer = b""
        while not answer.endswith(b"}"):
            answer += raw.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"300000 bytes of other requests are being read" in answer
    # What it took was given back.
    padded = WHOLE + b" " * 250_000
    assert server.http.post("/predict/heart", content=padded).status_code == 200


def test_an_answer_that_nobody_takes_is_not_kept(server: Alone) -> None:
    body = json.dumps({"rows": [ROW] * 5_000}).encode()
    request = b"POST /predict/heart HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with server.connect(receive_buffer=4096) as raw:
        poll = select.poll()
        poll.register(raw, 0)
        raw.settimeout(0.5)
        # The system takes some megabytes of answers on its own: more than that is asked for.
        with contextlib.suppress(OSError):
            for _ in range(40):
                raw.sendall(request)
        eventually(lambda: any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(100)))


def test_one_connection_too_many_is_refused(server: Alone) -> None:
    held = [server.connect() for _ in range(261)]
    try:
        answers = [raw for raw in held if select.select([raw], [], [], 0)[0] and b" 503 " in raw.recv(65_536)]
        assert answers or eventually(lambda: select.select(held, [], [], 0)[0])
    finally:
        for raw in held:
            raw.close()
    eventually(lambda: server.predict().status_code == 200)


def test_a_page_of_another_site_is_refused(server: Alone) -> None:
    assert server.predict(Host="evil.example").status_code == 403
    assert server.predict(Origin="https://evil.example").status_code == 403


def test_limits_of_the_command_line_hold(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "heart", model="heart")
    for option, size, why in (
        ("--log-limit", "1kB", "at least 65536 bytes"),
        ("--memory-budget", "2 loaves", "no size"),
    ):
        command = [sys.executable, "-m", "trimtab.cli", "serve", "--bundle", "heart", "--state", "state"]
        refused = subprocess.run(
            [*command, option, size], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert refused.returncode == 2
        assert option in refused.stderr
        assert why in " ".join(refused.stderr.split())
    with Alone(tmp_path, "--memory-budget", "10B", "--log-limit", "1GB") as server:
        assert server.predict().status_code >= 400
        assert "budget" in server.told["endpoints"][0]["error"]


def test_a_key_that_is_asked_for_is_made_once_and_shown_once(tmp_path: Path) -> None:
    with Alone(tmp_path, "--require-key") as server:
        key = server.told["key"]
        assert server.predict().status_code == 401
        assert server.predict(Authorization=f"Bearer {key}").status_code == 200
        assert server.http.get("/metrics").status_code == 401
        assert server.http.get("/ping").status_code == 200
        assert key not in server.log
        second = second_server(tmp_path)
        assert second.returncode == 5
        assert json.loads(second.stdout)["error"].endswith(
            f"a server runs on it already at {server.url}; use it, stop it, or name another --state"
        )
        # It goes on with what is being sent, and closes what is idle.
        waiting = server.connect()
        waiting.sendall(
            b"POST /predict/heart HTTP/1.1\r\nHost: localhost\r\nX-API-Key: %s\r\nContent-Length: %d\r\n\r\n"
            % (key.encode(), len(WHOLE))
        )
        eventually(lambda: b"in_flight 2.0" in server.http.get("/metrics", headers={"X-API-Key": key}).content)
        server.process.terminate()
        eventually(lambda: "stopped" in server.log or _refuses(server.port))
        waiting.sendall(WHOLE)
        answer = all_of(waiting)
        waiting.close()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer
        assert server.process.wait(30) == 0
    # The last spec and the key's hash are on disk: nothing else is needed to start again.
    with Alone(tmp_path, "--state", "state", "--require-key") as again:
        assert "key" not in again.told
        assert again.predict(Authorization=f"Bearer {key}").json()["model_version"] == 1


def second_server(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start another server on the same state folder, and return how it ended."""
    command = [sys.executable, "-m", "trimtab.cli", "serve", "--state", "state", "--port", "0", "--json"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=folder, check=False)


def _refuses(port: int) -> bool:
    with socket.socket() as raw:
        return raw.connect_ex(("127.0.0.1", port)) != 0
