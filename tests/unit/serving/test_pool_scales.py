"""A server has as many workers as its load takes: one that goes answers first, one that is needed comes at once."""

from __future__ import annotations

import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from tests.unit.serving.running import ROW, eventually, variant, write_spec

from trimtab.serving.options import ServerOptions
from trimtab.serving.spec import AutoscalingSpec, EndpointSpec
from trimtab.serving.workers import Pool

DRAIN_S = 5.0
BODY = json.dumps({"row": ROW}).encode()
HEAD = b"POST /predict/heart HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BODY)


class Place:
    """A pool of two workers, whose clock the test moves on."""

    def __init__(self, state: Path, policy: AutoscalingSpec | None) -> None:
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(128)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        live = (variant(state, "stable", "100"),)
        write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=live, autoscaling=policy))
        self.pool = Pool(state, "127.0.0.1", self.listener, ServerOptions(drain_timeout_s=DRAIN_S), 2)
        self.ahead_s = 0.0
        self.raws: list[socket.socket] = []
        self.pool.start()
        eventually(lambda: self.pool.ready)

    def look(self) -> None:
        self.pool.look(time.monotonic() + self.ahead_s)

    def pass_by(self, seconds: int) -> None:
        """Let time pass, with a look in each second."""
        for _ in range(seconds):
            self.ahead_s += 1
            self.look()

    def await_workers(self, wanted: int, *, meanwhile: Callable[[], None] | None = None) -> None:
        """Look until so many run."""

        def running() -> bool:
            if meanwhile is not None:
                meanwhile()
            self.look()
            return sum(child.process is not None for child in self.pool._children) == wanted

        eventually(running)

    def begun(self) -> socket.socket:
        """Return a connection whose request lacks its last byte."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        raw.sendall(HEAD + BODY[:-1])
        self.raws.append(raw)
        return raw

    def stop(self) -> None:
        for raw in self.raws:
            raw.close()
        self.pool.stop()

    def pid(self) -> int:
        """Return who answers on a new connection."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False) as client:
            return int(client.get("/health").json()["endpoints"]["heart"]["pid"])

    def requests_counted(self) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=20, trust_env=False).text
        lines = [line for line in text.splitlines() if line.startswith("trimtab_requests_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'status="2xx"' in line)


def finished(raw: socket.socket) -> bytes:
    with raw:
        raw.sendall(BODY[-1:])
        return b"".join(iter(lambda: raw.recv(65_536), b""))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[AutoscalingSpec | None], Place]]:
    with ExitStack() as stack:

        def begin(policy: AutoscalingSpec | None) -> Place:
            place = Place(tmp_path, policy)
            stack.callback(place.stop)
            return place

        yield begin


def test_a_worker_that_is_not_needed_goes_without_losing_a_request_and_comes_back_with_the_load(
    start: Callable[[AutoscalingSpec | None], Place],
) -> None:
    place = start(AutoscalingSpec(max_workers=2, target_in_flight=8))
    # Both workers have some of these; they count as load until they are whole.
    waiting = [place.begun() for _ in range(6)]
    place.pass_by(40)
    assert [child.leaving_since for child in place.pool._children] == [None, None], "for a minute all stay"
    place.pass_by(22)
    leaving = place.pool._children[1]
    assert leaving.leaving_since is not None
    answers = [finished(raw) for raw in waiting]
    assert [answer.partition(b"\r\n")[0] for answer in answers] == [b"HTTP/1.1 200 OK"] * 6
    place.await_workers(1)
    assert not (place.pool.state / "workers" / "1").exists()
    assert len({place.pid() for _ in range(10)}) == 1
    eventually(lambda: place.requests_counted() == 6)

    busy = [place.begun() for _ in range(24)]
    place.await_workers(2, meanwhile=lambda: place.pass_by(1))
    eventually(lambda: place.pool.ready)
    assert all(finished(raw).startswith(b"HTTP/1.1 200") for raw in busy)


def test_a_worker_that_does_not_end_is_ended(start: Callable[[AutoscalingSpec | None], Place]) -> None:
    place = start(AutoscalingSpec(max_workers=1))
    stuck = place.pool._children[1].process
    assert stuck is not None
    stuck.send_signal(signal.SIGSTOP)
    place.pass_by(62)
    place.pass_by(int(DRAIN_S) + 7)
    place.await_workers(1)
    assert stuck.returncode == -signal.SIGKILL


def test_without_a_policy_all_workers_stay(start: Callable[[AutoscalingSpec | None], Place]) -> None:
    place = start(None)
    place.pass_by(200)
    assert [child.leaving_since for child in place.pool._children] == [None, None]
