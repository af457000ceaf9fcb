"""Large requests beside small ones: the same answers and records, one at a time, and nobody kept waiting."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, eventually, variant, write_spec

from trimtab.core.enums import VariantRole
from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import TruthFrame
from trimtab.serving.asgi import RefusedError
from trimtab.serving.large import LARGE_BYTES, Lane
from trimtab.serving.spec import BatchingSpec, EndpointSpec

ROWS = [{**ROW, "age": 20 + at % 60} for at in range(6_000)]


def _plain(reply: Any) -> list[dict[str, Any]]:
    return [{**one, "prediction_id": ""} for one in reply.json["predictions"]]


@pytest.mark.parametrize("batching", [None, BatchingSpec()])
def test_a_large_request_is_answered_and_recorded_as_small_ones_are(
    tmp_path: Path, batching: BatchingSpec | None
) -> None:
    live = variant(tmp_path, "stable", "100")
    shadow = msgspec.structs.replace(variant(tmp_path, "next", "100", version=2), role=VariantRole.SHADOW)
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=(live, shadow), batching=batching))
    server = Running(tmp_path)
    try:
        body = {"rows": ROWS, "record_keys": [f"k{at}" for at in range(len(ROWS))]}
        assert len(json.dumps(body)) > LARGE_BYTES
        large = server.predict(body)
        assert large.status == 200, large.body
        small = server.predict({"rows": ROWS[:60]})
        assert _plain(large) == _plain(small) * 100
        tensors = [
            {"name": name, "shape": [6000], "datatype": kind, "data": [row[name] for row in ROWS]}
            for name, kind in (("age", "INT32"), ("chol", "FP64"), ("sex", "BYTES"))
        ]
        padded = {"inputs": tensors, "note": "x" * LARGE_BYTES}
        reply = server.call("POST", "/v2/models/heart/infer", padded)
        assert reply.status == 200, reply.body
        assert reply.json["outputs"][0]["data"] == [one["prediction"] for one in large.json["predictions"]]
        recorded = eventually(lambda: len(rows := server.shipped()) >= 12_060 and rows)
        keys = Counter(str(row["record_key"]) for row in recorded if row["variant"] == "stable")
        assert keys == {**{f"k{at}": 1 for at in range(6_000)}, "None": 6_060}
        assert b'trimtab_rows_total{endpoint="heart",variant="stable",version="1"} 12060.0' in (
            server.call("GET", "/metrics").body
        )
    finally:
        server.stop()


def test_what_is_wrong_with_a_large_request_is_told_as_of_a_small_one(server: Running) -> None:
    for rows, status, told in (
        ([*ROWS, {**ROW, "age": "old"}], 400, "row 6000: field 'age'"),
        ([ROW] * 10_001, 400, "rows: 10001, expected 1 to 10000 a request"),
    ):
        reply = server.predict({"rows": rows})
        assert (reply.status, told in reply.json["error"]) == (status, True), reply.body
    assert server.predict(b'{"rows": [' + b" " * LARGE_BYTES).status == 400
    assert server.shipped() == []


def test_large_requests_at_the_same_time_are_all_answered_and_small_ones_between_them(server: Running) -> None:
    done = threading.Event()

    def large(_: int) -> int:
        try:
            return server.predict({"rows": ROWS}).status
        finally:
            server.hang_up()

    def small() -> list[int]:
        found = []
        while not done.is_set():
            found.append(server.predict({"row": ROW}).status)
        server.hang_up()
        return found

    with ThreadPoolExecutor(5) as pool:
        between = pool.submit(small)
        try:
            assert list(pool.map(large, range(8))) == [200] * 8
        finally:
            done.set()
        answered = between.result()
    assert set(answered) == {200}
    assert len(server.shipped()) == 8 * 6_000 + len(answered)


def test_a_large_request_that_has_no_room_in_the_log_is_refused_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path, journal_file_bytes=2_000_000, journal_limit_bytes=4_000_000)
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "stable", "100"),)))
    answered = 0
    while (reply := bench.ask("/predict", {"rows": ROWS})).status == 200:
        answered += 1
        assert answered < 20
    assert (reply.status, "the limit is 4000000" in reply.json["error"]) == (503, True)
    health = bench.ask("/health").json["log"]
    assert (health["recording"], health["rows_refused"]) == (False, 6_000)
    bench.journal.close()


def test_outcomes_in_bulk_are_recorded_whole(server: Running) -> None:
    records = [{"endpoint": "heart", "record_key": f"k{at}", "truth": "yes", "event_time": 5} for at in range(12_000)]
    assert len(json.dumps({"records": records})) > LARGE_BYTES
    reply = server.call("POST", "/v1/ground-truth", {"records": records})
    assert (reply.status, reply.json["accepted"]) == (202, 12_000)
    assert sorted(int(row["record_key"][1:]) for row in server.shipped("truth")) == list(range(12_000))
    records[11_000] = {"truth": "yes"}
    wrong = server.call("POST", "/v1/ground-truth", {"records": records})
    assert (wrong.status, "11000" in wrong.json["error"]) == (400, True), wrong.body
    assert len(server.shipped("truth")) == 12_000


def test_so_many_wait_for_their_turn_and_no_more() -> None:
    async def ask() -> None:
        lane, order, may = Lane(most_waiting=2), [], asyncio.Event()

        async def one(name: str) -> None:
            async with lane.turn():
                order.append(name)
                await may.wait()

        tasks = [asyncio.create_task(one(name)) for name in "abc"]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(RefusedError, match="send fewer at a time") as refused:
            await one("d")
        assert refused.value.status == 429
        assert order == ["a"]
        # Who gives up waiting makes room.
        tasks[2].cancel()
        await asyncio.gather(tasks[2], return_exceptions=True)
        tasks.append(asyncio.create_task(one("e")))
        may.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == ["a", "b", "e"]

    asyncio.run(ask())


def test_a_frame_that_no_journal_file_holds_is_refused(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path, sync_interval_s=60, file_bytes=4096)
    framed = journal.framed([TruthFrame("heart", "p", None, None, "x" * size, 1, 1) for size in (9, 5_000)])
    with pytest.raises(ConfigError, match="a journal file has room for"):
        journal.append_framed(framed)
    journal.close()
