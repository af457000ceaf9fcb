"""The server's HTTP, byte by byte: what is answered at once, together, in parts, or not at all."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import time
from collections.abc import Iterator

import pytest
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.serving.http_protocol import write_whole
from trimtab.serving.listening import new_event_loop
from trimtab.serving.spec import EndpointSpec

_BODY = json.dumps({"row": ROW}).encode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("http")
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(variant(state, "stable", "100"),)))
    server = Running(state)
    yield server
    server.stop()


def _request(number: int = 0, *, method: bytes = b"POST", path: bytes = b"/predict", more: bytes = b"") -> bytes:
    body = _BODY if method == b"POST" else b""
    head = b"%s %s HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r%d\r\nContent-Length: %d\r\n%s\r\n"
    return head % (method, path, number, len(body), more) + body


def _connected(running: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", running.info.port), timeout=20)


def _answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """Read ``count`` responses, by their lengths."""
    content = b""
    found: list[tuple[int, dict[str, str], bytes]] = []
    while len(found) < count:
        head, separator, rest = content.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        length = int(headers.get("content-length", "0"))
        if separator and len(rest) >= length:
            found.append((int(lines[0].split()[1]), headers, rest[:length]))
            content = rest[length:]
            continue
        more = connection.recv(65536)
        assert more, (content, found)
        content += more
    assert content == b""
    return found


def test_requests_that_come_together_are_answered_in_their_order(running: Running) -> None:
    with _connected(running) as connection:
        paths = [b"/predict", b"/v1/jobs/01979e2b-5c00-7000-8000-000000000000", b"/predict/heart", b"/nowhere"]
        sent = [
            _request(number, path=path, method=b"GET" if b"jobs" in path else b"POST")
            for number, path in enumerate(paths * 5)
        ]
        connection.sendall(b"".join(sent))
        answers = _answers(connection, len(sent))
    # The second of each four waits for a thread, so that those behind it wait for it.
    assert [headers["x-request-id"] for _, headers, _ in answers] == [f"r{number}" for number in range(20)]
    assert [status for status, _, _ in answers] == [200, 404, 200, 404] * 5


def test_thousands_at_once_are_answered_without_a_deep_stack(running: Running) -> None:
    count = 3_000
    first = _request(0, path=b"/v1/jobs/01979e2b-5c00-7000-8000-000000000000", method=b"GET")
    with _connected(running) as connection:
        connection.sendall(first + b"".join(_request(number) for number in range(1, count)))
        answers = _answers(connection, count)
    assert [headers["x-request-id"] for _, headers, _ in answers] == [f"r{number}" for number in range(count)]
    assert {status for status, _, _ in answers[1:]} == {200}


@pytest.mark.parametrize("at", [1, 30, 110, -30, -1])
def test_a_request_in_two_parts_is_answered(running: Running, at: int) -> None:
    request = _request(7)
    with _connected(running) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:at])
        time.sleep(0.05)
        connection.sendall(request[at:])
        [(status, headers, body)] = _answers(connection, 1)
        assert (status, headers["x-request-id"], json.loads(body)["endpoint"]) == (200, "r7", "heart")
        connection.sendall(request)
        assert _answers(connection, 1)[0][0] == 200, "the connection is kept"


def test_a_body_is_asked_for_where_the_caller_waits_to_be_asked(running: Running) -> None:
    request = _request(more=b"Expect: 100-continue\r\n")
    with _connected(running) as connection:
        connection.sendall(request[: -len(_BODY)])
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(_BODY)
        assert _answers(connection, 1)[0][0] == 200


def test_head_has_the_headers_and_no_body(running: Running) -> None:
    with _connected(running) as connection:
        connection.sendall(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        content = b""
        while part := connection.recv(65536):
            content += part
    assert content.startswith(b"HTTP/1.1 200 OK\r\n")
    assert content.endswith(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", content)
    assert length is not None
    assert int(length[1]) > 0


@pytest.mark.parametrize("said", [b"POST /predict HTTP/1.0\r\n", b"POST /predict HTTP/1.1\r\nConnection: close\r\n"])
def test_a_caller_who_wants_to_be_hung_up_on_is(running: Running, said: bytes) -> None:
    with _connected(running) as connection:
        connection.sendall(said + b"Host: localhost\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY)
        content = b""
        while part := connection.recv(65536):
            content += part
    assert content.count(b"HTTP/1.1 200") == 1
    assert b"connection: close\r\n" in content


def test_a_reader_who_takes_nothing_for_a_while_gets_all_of_it(running: Running) -> None:
    count = 60
    big = json.dumps({"rows": [ROW] * 300}).encode()
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(big)
    last = head + b"Connection: close\r\n\r\n" + big
    parts: list[bytes] = []
    with _connected(running) as connection:
        connection.settimeout(0.2)
        waiting = memoryview((head + b"\r\n" + big) * (count - 1) + last)
        while waiting:
            try:
                waiting = waiting[connection.send(waiting[:65536]) :]
            except TimeoutError:
                parts.append(connection.recv(1 << 20))  # it reads no more before something is taken
        connection.settimeout(20)
        while part := connection.recv(1 << 20):
            parts.append(part)
    content = b"".join(parts)
    assert content.count(b"HTTP/1.1 200 OK\r\n") == count
    assert content.count(b'"prediction_id"') == count * 300


_GARBAGE = [b"\x00\x01\x02\r\n\r\n", b"POST /predict HTTP/9.9\r\n\r\n", b"G\r\nET / HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("garbage", _GARBAGE)
def test_what_is_no_http_is_told_and_hung_up_on(running: Running, garbage: bytes) -> None:
    with _connected(running) as connection:
        connection.sendall(garbage)
        content = b""
        while part := connection.recv(65536):
            content += part
    assert content.startswith(b"HTTP/1.1 400")
    assert "not HTTP that can be read" in json.loads(content.partition(b"\r\n\r\n")[2])["error"]


@pytest.mark.parametrize("upgrade", [b"Upgrade: h2c", b"upgrade:websocket", b"UPGRADE: HTTP/2.0"])
def test_a_wish_for_another_protocol_is_not_heard_and_the_request_is_answered(running: Running, upgrade: bytes) -> None:
    more = b"Connection: Upgrade, HTTP2-Settings\r\n" + upgrade + b"\r\nHTTP2-Settings: AAEAAEAA\r\n"
    with _connected(running) as connection:
        connection.sendall(_request(1, more=more) + _request(2))
        answers = _answers(connection, 2)
    assert [(status, headers["x-request-id"]) for status, headers, _ in answers] == [(200, "r1"), (200, "r2")]


def test_a_wish_for_another_protocol_in_pieces_is_hung_up_on(running: Running) -> None:
    request = _request(1, more=b"Connection: Upgrade\r\nUpgrade: h2c\r\n")
    at = request.index(b"rade: h2c")
    with _connected(running) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[:at])
        time.sleep(0.05)
        connection.sendall(request[at:])
        content = b""
        while part := connection.recv(65536):
            content += part
    assert b" 200 " not in content


@pytest.mark.parametrize(("path", "status"), [("/predict/heart", 413), ("/predict/lung", 404)])
def test_who_is_refused_while_still_sending_is_told_why(running: Running, path: str, status: int) -> None:
    reply = running.call("POST", path, b"x" * 20_000_000)
    assert reply.status == status
    assert "error" in reply.json
    assert running.predict({"row": ROW}).status == 200


def test_a_compressed_body_is_refused_by_its_header(running: Running) -> None:
    reply = running.call("POST", "/predict", gzip.compress(_BODY), {"Content-Encoding": "gzip"})
    assert (reply.status, "content-encoding 'gzip'" in reply.json["error"]) == (415, True)


@pytest.mark.parametrize(("head", "status"), [(b"", 400), (b"Host: evil@localhost\r\n", 403)])
def test_a_host_that_is_missing_or_dressed_up_is_refused(running: Running, head: bytes, status: int) -> None:
    with _connected(running) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n" + head + b"\r\n")
        [(answered, _, body)] = _answers(connection, 1)
    assert answered == status
    assert b"Host" in body


def test_a_caller_who_is_gone_leaves_nothing_behind(running: Running) -> None:
    for _ in range(50):
        with _connected(running) as connection:
            connection.sendall(_request()[:-5])
        with _connected(running) as connection:
            connection.sendall(_request() * 3)
    with _connected(running) as connection:
        connection.sendall(_request(1))
        assert _answers(connection, 1)[0][0] == 200
    told = running.call("GET", "/metrics").body.decode()
    in_flight = [line for line in told.splitlines() if re.match(r'trimtab_.*in_flight.*"heart"', line)]
    assert in_flight
    assert all(float(line.rsplit(" ", 1)[1]) == 0 for line in in_flight), in_flight


class _Cycle:
    """As much of uvicorn's cycle as a whole answer takes."""

    response_started = response_complete = disconnected = False
    waiting_for_100_continue = False
    keep_alive = True
    more_body = False

    def __init__(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.flow = self
        self.write_paused = False
        self.scope = {"method": "POST"}
        self.default_headers: list[tuple[bytes, bytes]] = []
        self.message_event = asyncio.Event()

    def on_response(self) -> None:
        """Turn to no next request."""


def test_a_caller_who_hung_up_keeps_nobody_elses_answer() -> None:
    made: list[asyncio.BaseTransport] = []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)

    async def answered() -> bytes:
        server = await asyncio.get_running_loop().create_server(Accepted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        pairs = [await asyncio.open_connection(*address) for _ in range(2)]
        while len(made) < len(pairs):
            await asyncio.sleep(0.01)
        made[0].close()
        await asyncio.sleep(0.05)
        for transport in made:
            write_whole((_Cycle(transport), None), 200, (), b"{}")  # type: ignore[arg-type]
        heard = await asyncio.wait_for(asyncio.gather(*(reader.read(15) for reader, _ in pairs)), 10)
        for _, writer in pairs:
            writer.close()
        server.close()
        return b"|".join(heard)

    with asyncio.Runner(loop_factory=new_event_loop()) as runner:
        assert runner.run(answered()) == b"|HTTP/1.1 200 OK"
