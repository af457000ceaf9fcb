"""A process whose event loop hangs ends itself; one that turns, however busily, does not."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.running import ROW, Running, eventually, write_spec

from trimtab.serving.draws import DrawsReading
from trimtab.serving.lives import deaths_of
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.watchdog import HUNG, Watchdog
from trimtab.testing.faulty_bundles import SELDOM, hanging_bundle


def watched(work: Callable[[], None], ended: threading.Event, patience_s: float = 0.2) -> None:
    async def run() -> None:
        turning = asyncio.create_task(Watchdog(patience_s, ended.set).turn())
        await asyncio.sleep(0)
        work()
        await asyncio.sleep(2 * patience_s)
        turning.cancel()

    asyncio.run(run())


def test_a_loop_that_hangs_is_found_while_it_hangs() -> None:
    ended = threading.Event()
    watched(lambda: assert_set(ended), ended)


def assert_set(ended: threading.Event) -> None:
    assert ended.wait(30), "nobody noticed"


def test_a_loop_that_turns_is_left_alone() -> None:
    ended = threading.Event()
    watched(lambda: None, ended, patience_s=2.0)
    assert not ended.is_set()


def test_a_process_that_stood_still_is_not_taken_for_one_that_hangs() -> None:
    program = """
import asyncio, os, signal, subprocess, sys
from trimtab.serving.watchdog import Watchdog
async def main():
    asyncio.create_task(Watchdog(2.0).turn())
    await asyncio.sleep(0.1)
    subprocess.Popen([sys.executable, "-c", f"import os,time; time.sleep(3); os.kill({os.getpid()}, 18)"])
    os.kill(os.getpid(), signal.SIGSTOP)
    await asyncio.sleep(0.5)
asyncio.run(main())
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_server_whose_model_never_ends_says_so_and_dies_of_it(tmp_path: Path) -> None:
    manifest = hanging_bundle(tmp_path / "bundle")
    hanging = VariantSpec(
        name="v1",
        model="tiny",
        model_version=1,
        bundle_path=str(tmp_path / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=7, variants=(hanging,)))
    server = Running(tmp_path, "--watchdog", "1s")
    try:
        assert server.predict({"row": ROW}).status == 200
        with pytest.raises((OSError, http.client.HTTPException)):
            server.predict({"row": ROW | {"sex": SELDOM}})
        assert server.process.wait(60) == HUNG
        eventually(lambda: any(b"event_loop_hangs" in line for line in server.errors))
        assert deaths_of(tmp_path, "heart") == {7: 1}
    finally:
        server.stop()


def test_a_caller_that_hung_up_on_a_slow_model_got_no_answer(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    digest = hanging_bundle(folder, rounds=1_000_000).digest
    live = tuple(
        VariantSpec(
            name=f"v{number}",
            model="tiny",
            model_version=number,
            bundle_path=str(folder),
            bundle_digest=digest,
            weight_pct=Decimal(50),
        )
        for number in (1, 2)
    )
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=live))
    server = Running(tmp_path, "--watchdog", "0s")
    try:
        body = json.dumps({"row": ROW | {"sex": SELDOM}}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", server.info.port)) as impatient:
            impatient.sendall(head + body)
        assert server.predict({"row": ROW | {"sex": SELDOM}}).status == 200
        told = msgspec.json.decode(server.call("GET", "/v1/variants/heart/counts").body, type=DrawsReading).counts
        assert sum(one.requests for one in told) == 2
        assert sum(one.answered for one in told) == 1
    finally:
        server.stop()
