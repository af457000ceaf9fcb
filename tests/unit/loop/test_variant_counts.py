"""Counts as they come from a real server, and what is said where they do not."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.core.errors import BackendError
from trimtab.loop.variant_counts import HttpDrawsReader
from trimtab.rollout.draws_reader import CountCursor, block_between
from trimtab.serving.spec import EndpointSpec


def test_a_servers_counts_become_blocks_and_a_restart_takes_nothing_back(tmp_path: Path) -> None:
    versions = variant(tmp_path, "v1", "50"), variant(tmp_path, "v2", "50", version=2)
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=4, variants=versions))
    cursor, drawn = CountCursor(after_generation=3), {"v1": 0, "v2": 0}
    counted = {"v1": 0, "v2": 0}
    reader = HttpDrawsReader(lambda: None)
    assert reader.read("heart") is None, "there is no server"
    for _life in range(2):
        server = Running(tmp_path)
        url = f"http://127.0.0.1:{server.info.port}"
        try:
            reader = HttpDrawsReader(lambda url=url: url, lambda: "any key")  # type: ignore[misc]
            for _ in range(30):
                drawn[server.predict({"row": ROW}).headers["x-trimtab-variant"]] += 1
            asked = {"x-trimtab-variant": "v2"}
            assert server.call("POST", "/predict", {"row": ROW}, asked).status == 200
            for _look in range(2):
                reading = reader.read("heart")
                assert reading is not None
                cursor, blocks = block_between(cursor, reading, candidate="v2", stable="v1")
                counted["v1"] += sum(block.stable.drawn for block in blocks)
                counted["v2"] += sum(block.candidate.drawn for block in blocks)
            assert counted == drawn
            with pytest.raises(BackendError, match="answered 404"):
                reader.read("nobody")
        finally:
            server.stop()
        assert reader.read("heart") is None, "nobody answers there any more"


def test_what_does_not_answer_or_talks_nonsense_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(BackendError, match="when asked what its variants did, expected counts within 2 s"):
            HttpDrawsReader(lambda: url).read("heart")


def test_a_server_that_answers_drop_by_drop_delays_nobody_for_long() -> None:
    done = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(4_096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not done.wait(0.2):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        dripping = threading.Thread(target=drip, args=(listener,))
        dripping.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            with pytest.raises(BackendError, match="timed out"):
                HttpDrawsReader(lambda: url).read("heart")
        finally:
            done.set()
            dripping.join()
