"""Several processes behind one port."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.serving.alone import Alone
from tests.unit.serving.running import ROW, eventually, variant, write_spec

from trimtab.files import write_atomically
from trimtab.files.processes import is_alive
from trimtab.records.segments import read_segment
from trimtab.serving.options import ServerOptions
from trimtab.serving.place import ServerInfo, write_info
from trimtab.serving.shared_metrics import Family, sum_of
from trimtab.serving.spec import EndpointSpec, EndpointStatus
from trimtab.serving.spec_files import read_status
from trimtab.serving.workers import Pool, slowest


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Alone]:
    """Two workers and a shipper."""
    with Alone(tmp_path, "--workers", "2", "--intake", "intake") as pair:
        yield pair


def workers_of(pair: Alone) -> dict[int, psutil.Process]:
    """Return the living workers by process id."""
    children = psutil.Process(pair.process.pid).children()
    return {child.pid: child for child in children if "trimtab.serving.worker" in child.cmdline()}


def counted(pair: Alone) -> float:
    """Return the requests that were answered, as a scraper sees them."""
    families = text_string_to_metric_families(pair.http.get("/metrics").text)
    [family] = [one for one in families if one.name == "trimtab_requests"]
    return sum(sample.value for sample in family.samples if sample.labels["status"] == "2xx")


def refused_for(pair: Alone) -> dict[str, float]:
    """Return for which columns requests were refused, as a scraper sees them."""
    families = text_string_to_metric_families(pair.http.get("/metrics").text)
    [family] = [one for one in families if one.name == "trimtab_requests_refused_by_column"]
    return {sample.labels["column"]: sample.value for sample in family.samples}


def answering(pair: Alone) -> int:
    """Return the process that answers on a fresh connection."""
    with httpx.Client(base_url=pair.url, timeout=20, trust_env=False) as client:
        assert pair.predict(client).status_code == 200
        return int(client.get("/health").json()["endpoints"]["heart"]["pid"])


def test_workers_share_the_port_and_one_that_dies_is_replaced_without_loss(pair: Alone, tmp_path: Path) -> None:
    before = workers_of(pair)
    assert len(before) == 2
    held = [httpx.Client(base_url=pair.url, timeout=20, trust_env=False) for _ in range(16)]
    try:
        assert all(pair.predict(client).status_code == 200 for client in held)
        assert all(client.post("/predict", json={"row": ROW | {"age": "old"}}).status_code == 400 for client in held)
        told = {client.get("/health").json()["endpoints"]["heart"]["pid"] for client in held}
    finally:
        for client in held:
            client.close()
    assert told <= set(before)
    answered_ns = time.time_ns()
    eventually(lambda: counted(pair) == 16)
    # What a worker counted since it last told the others is lost with it.
    victim = told.pop()
    eventually(lambda: all(_told_metrics_ns(pair, number) > answered_ns for number in range(2)))
    before[victim].kill()
    answered = 16 + sum(answering(pair) != victim for _ in range(10))
    assert answered == 26
    after: dict[int, psutil.Process] = eventually(
        lambda: len(found := workers_of(pair)) == 2 and victim not in found and found, within_s=40
    )
    assert counted(pair) >= 16
    eventually(lambda: counted(pair) == 26)
    eventually(lambda: refused_for(pair) == {"age": 16})
    eventually(lambda: {answering(pair) for _ in range(8)} <= set(after))
    status = read_status(pair.state, "heart")
    assert status is not None
    assert status.pid == pair.process.pid
    assert pair.stop() == 0
    assert not any(is_alive(pid) for pid in after)
    assert not (pair.state / "workers").exists()
    rows = sum(read_segment(path).num_rows for path in (tmp_path / "intake").rglob("*.arrow"))
    assert rows >= 34
    assert [path.name for path in (pair.state / "journal").glob("*.journal")] == []


def _told_metrics_ns(pair: Alone, number: int) -> int:
    with contextlib.suppress(FileNotFoundError):
        return (pair.state / "workers" / str(number) / "metrics.msgpack").stat().st_mtime_ns
    return 0


def spread(pair: Alone) -> set[int]:
    """Return the processes that took some of 16 connections that were opened at once."""
    raws = [pair.connect() for _ in range(16)]
    try:
        for raw in raws:
            raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = [b"".join(iter(partial(raw.recv, 65_536), b"")) for raw in raws]
    finally:
        for raw in raws:
            raw.close()
    return {int(json.loads(answer.partition(b"\r\n\r\n")[2])["endpoints"]["heart"]["pid"]) for answer in answers}


def test_all_workers_follow_the_spec_and_die_with_their_supervisor(tmp_path: Path) -> None:
    with Alone(tmp_path, "--workers", "2") as pair:
        second = variant(tmp_path, "second", "100", version=2)
        write_spec(pair.state, EndpointSpec(endpoint="heart", generation=2, variants=(second,)))

        def generation() -> int:
            status = read_status(pair.state, "heart")
            return 0 if status is None else status.generation

        eventually(lambda: generation() == 2)
        with httpx.Client(base_url=pair.url, timeout=20, trust_env=False) as client:
            assert all(pair.predict(client).json()["model_version"] == 2 for _ in range(4))
        pids = list(workers_of(pair))
        eventually(lambda: spread(pair) == set(pids))
        os.kill(pair.process.pid, signal.SIGKILL)
        eventually(lambda: not any(is_alive(pid) for pid in pids))


def status(generation: int, error: str | None = None) -> EndpointStatus:
    return EndpointStatus(
        endpoint="heart", generation=generation, desired_generation=3, pid=generation, variants=(), error=error
    )


def test_a_worker_that_cannot_be_started_now_is_started_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as listener:
        pool = Pool(tmp_path, "127.0.0.1", listener, ServerOptions(), 1)
        monkeypatch.setattr(sys, "executable", "/bin/true")
        pool.start()
        [child] = pool._children

        def running() -> bool:
            return child.process is not None

        assert child.process is not None
        child.process.wait(20)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
        pool.look(0.0)
        monkeypatch.setattr(sys, "executable", "/bin/true")
        pool.look(0.2)
        assert not running(), "it waits before it tries again"
        pool.look(1.0)
        assert running()
        pool.stop()


def test_what_a_worker_says_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    with socket.socket() as listener:
        pool = Pool(tmp_path, "127.0.0.1", listener, ServerOptions(), 1)
        pool.start()
        path = tmp_path / "workers" / "0" / "status" / "bike.json"
        try:
            write_atomically(path, msgspec.json.encode(status(1)))
            before = path.stat()
            assert [one.generation for one in pool._statuses()] == [1]
            path.write_bytes(msgspec.json.encode(status(2)))
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            assert [one.generation for one in pool._statuses()] == [1], "as far as can be seen, nothing has changed"
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
            assert [one.generation for one in pool._statuses()] == [2]
            path.unlink()
            assert pool._statuses() == []
        finally:
            pool.stop()


def test_an_endpoint_is_not_served_before_every_worker_that_listens_tells_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What workers write is written here: theirs do nothing.
    monkeypatch.setattr(sys, "executable", "/bin/true")
    with socket.socket() as listener:
        pool = Pool(tmp_path, "127.0.0.1", listener, ServerOptions(), 2)
        pool.start()
        first, second = (tmp_path / "workers" / number for number in ("0", "1"))
        try:
            write_atomically(first / "status" / "bike.json", msgspec.json.encode(status(1)))
            assert [one.generation for one in pool._statuses()] == [1], "the other one takes no requests yet"
            write_info(second, ServerInfo(pid=1, host="127.0.0.1", port=1, started_us=0, start_ticks=0))
            assert pool._statuses() == [], "the other one would answer 404"
            write_atomically(second / "status" / "bike.json", msgspec.json.encode(status(1)))
            assert [one.generation for one in pool._statuses()] == [1]
        finally:
            pool.stop()


def test_an_endpoint_is_as_far_as_its_slowest_worker() -> None:
    assert slowest([status(3), status(2), status(3)], pid=7) == msgspec.structs.replace(status(2), pid=7)
    assert slowest([status(3), status(3, "damaged")], pid=7).error == "damaged"


def test_counts_are_added_up_and_states_are_not() -> None:
    def told(requests: float, load_s: float, in_flight: float) -> tuple[Family, ...]:
        return (
            Family("trimtab_requests", "", "counter", (("trimtab_requests_total", {"status": "2xx"}, requests),)),
            Family("trimtab_variant_load_seconds", "", "gauge", (("trimtab_variant_load_seconds", {}, load_s),)),
            Family("trimtab_requests_in_flight", "", "gauge", (("trimtab_requests_in_flight", {}, in_flight),)),
        )

    assert sum_of([told(3, 0.5, 1), told(4, 0.25, 2)]) == told(7, 0.5, 3)
