from __future__ import annotations

import asyncio
import json
import os
import resource
from pathlib import Path

from tests.full_disk import no_file_above
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, eventually, variant

from trimtab.records.hindrance import JournalHealth, healths_of
from trimtab.records.segments import read_segment
from trimtab.records.shipper import Shipper
from trimtab.serving.spec import EndpointSpec, LogSpec, OnFull

LIMIT_BYTES = 3 * 65_536


def full(bench: Bench, path: str = "/predict/heart") -> list[str]:
    """Ask until an answer is not recorded, and return the ids of those that were."""
    ids: list[str] = []
    for _ in range(500):
        reply = bench.ask(path, {"rows": [ROW] * 20})
        if reply.status != 200 or "x-trimtab-recorded" in reply.headers:
            return ids
        ids += [one["prediction_id"] for one in reply.json["predictions"]]
    raise AssertionError("there was room for all")


def served(tmp_path: Path, on_full: OnFull, *, limit_bytes: int | None = LIMIT_BYTES) -> Bench:
    bench = Bench(tmp_path, journal_file_bytes=65_536, journal_limit_bytes=limit_bytes)
    log = LogSpec(on_full=on_full)
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "stable", "100"),), log=log))
    return bench


def shipped(state: Path) -> list[str]:
    Shipper(state / "journal", state / "intake").ship_once()
    tables = [read_segment(path) for path in (state / "intake").glob("*.arrow")]
    records = [table for table in tables if (table.schema.metadata or {})[b"kind"] == b"predictions"]
    return [one for table in records for one in table["prediction_id"].to_pylist()]


def test_a_log_at_its_limit_refuses_until_the_shipper_has_made_room(tmp_path: Path) -> None:
    bench = served(tmp_path, OnFull.REFUSE)
    ids = full(bench)
    refused = bench.ask("/predict/heart", {"rows": [ROW] * 20})
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert f"the limit is {LIMIT_BYTES}" in refused.json["error"]
    health = bench.ask("/health").json
    assert (health["status"], health["log"]["recording"], health["log"]["rows_shed"]) == ("degraded", False, 0)
    assert health["log"]["since_us"] == 5
    told = health["log"]["rows_refused"]
    assert 20 < told <= 40
    metrics = bench.ask("/metrics").body.decode()
    assert f'trimtab_unrecorded_rows_total{{endpoint="heart",outcome="refused"}} {told}.0' in metrics
    assert "trimtab_recording_hindered 1.0" in metrics

    def taken() -> bool:
        shipped(tmp_path)
        return bench.ask("/predict/heart", {"rows": [ROW] * 20}).status == 200

    eventually(taken)
    health = bench.ask("/health").json
    bench.app.recording.step()
    assert (health["status"], health["log"]["reason"]) == ("ok", None)
    bench.journal.close()
    assert set(ids) <= set(shipped(tmp_path)), "what was answered is there"


def test_an_endpoint_that_sheds_goes_on_answering_and_says_what_is_not_on_record(tmp_path: Path) -> None:
    bench = served(tmp_path, OnFull.SHED)
    ids = full(bench)
    reply = bench.ask("/predict/heart", {"rows": [ROW] * 20})
    assert (reply.status, reply.headers["x-trimtab-recorded"]) == (200, "false")
    health = bench.ask("/health").json
    assert (health["status"], health["log"]["rows_refused"]) == ("degraded", 0)
    outcome = bench.ask("/v1/ground-truth", {"records": [{"prediction_id": ids[0], "truth": "yes"}] * 500})
    assert outcome.status == 503, "an outcome that nobody keeps is not taken"
    answered = len(ids) + 2 * 20
    bench.journal.close()
    records = shipped(tmp_path)
    assert set(ids) <= set(records)
    assert len(records) + health["log"]["rows_shed"] == answered, "every row is on record, or counted"


def test_a_disk_without_room_is_told_beside_the_journals_and_taken_back(tmp_path: Path) -> None:
    bench = served(tmp_path, OnFull.REFUSE, limit_bytes=None)

    folder = tmp_path / "journal"

    async def told(hindered: bool) -> JournalHealth:
        for _ in range(2000):
            await asyncio.sleep(0.01)
            for health in healths_of(folder):
                if (health.hindered is not None) is hindered:
                    return health
        raise AssertionError("not told in time")

    async def scene() -> None:
        watching = asyncio.create_task(bench.app.recording.watch(folder, 0.01))
        assert "no room for a journal file" in str((await told(True)).hindered)
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        assert (await told(False)).rows_refused > 0, "room is found without anybody asking for a prediction"
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    with no_file_above(60_000):
        full(bench)
        asyncio.run(scene())
    assert healths_of(folder) == []
    bench.journal.close()


def test_a_disk_that_is_full_from_the_start_is_watched_all_the_same(tmp_path: Path) -> None:
    bench = served(tmp_path, OnFull.REFUSE, limit_bytes=None)
    folder = tmp_path / "journal"

    async def scene() -> None:
        with no_file_above(4_000):
            files = len(os.listdir("/proc/self/fd"))
            watching = asyncio.create_task(bench.app.recording.watch(folder, 0))
            for _ in range(20):
                await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) == files, "no try leaves a file open"
            assert healths_of(folder) == []
        for _ in range(2000):
            if healths_of(folder):
                break
            await asyncio.sleep(0.01)
        assert [health.hindered for health in healths_of(folder)] == [None]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(scene())
    assert healths_of(folder) == []
    bench.journal.close()


def test_what_a_killed_server_said_is_not_taken_for_a_living_ones_word(tmp_path: Path) -> None:
    gone = {"pid": os.getpid(), "start_ticks": 1, "hindered": "no room", "rows_shed": 3}
    (tmp_path / "1.writer.json").write_text(json.dumps(gone))
    (tmp_path / "2.writer.json").write_text("{")
    assert healths_of(tmp_path) == []


def test_a_full_log_keeps_no_endpoint_from_being_loaded(tmp_path: Path) -> None:
    bench = served(tmp_path, OnFull.REFUSE)
    full(bench)
    while bench.ask("/predict/heart", {"row": ROW}).status == 200:
        pass
    live = variant(tmp_path, "stable", "100")
    kinds = {
        "unrecorded": EndpointSpec(endpoint="unrecorded", generation=1, variants=(live,), record=False),
        "sheds": EndpointSpec(endpoint="sheds", generation=1, variants=(live,), log=LogSpec(on_full=OnFull.SHED)),
        "refuses": EndpointSpec(endpoint="refuses", generation=1, variants=(live,)),
    }
    assert [bench.deploy(spec).error for spec in kinds.values()] == [None, None, None]
    replies = {name: bench.ask(f"/predict/{name}", {"row": ROW}) for name in kinds}
    assert {name: reply.status for name, reply in replies.items()} == {"unrecorded": 200, "sheds": 200, "refuses": 503}
    assert replies["sheds"].headers["x-trimtab-recorded"] == "false"
    shipped(bench.state)
    bench.app.recording.step()
    ids = [bench.ask(f"/predict/{name}", {"row": ROW}).json["predictions"][0]["prediction_id"] for name in kinds]
    bench.journal.close()
    assert set(shipped(bench.state)) & set(ids) == set(ids[1:])
