"""Shadow variants: what they answer is recorded and compared, and nobody waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Running, eventually, variant, write_spec

from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import Task, VariantRole
from trimtab.core.errors import BackendError
from trimtab.records.journal import JournalWriter
from trimtab.records.layout import journal_files
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame, SchemaFrame
from trimtab.serving.draws import DrawsReading
from trimtab.serving.spec import EndpointSpec, VariantSpec


def _shadow(folder: Path, share: str = "100", *, version: int = 2, task: Task = Task.BINARY) -> VariantSpec:
    found = variant(folder, "dark", share, version=version, task=task)
    return msgspec.structs.replace(found, role=VariantRole.SHADOW)


def _spec(folder: Path, shadow: VariantSpec, generation: int = 1, *, record: bool = True) -> EndpointSpec:
    live = variant(folder, "v", "100")
    return EndpointSpec(endpoint="heart", generation=generation, variants=(live, shadow), record=record)


def _outcomes(bench: Bench, version: int = 2) -> dict[str, float]:
    return bench.metrics.variant("heart", "dark", version).shadow.outcomes()


def _settled(bench: Bench, rows: int, version: int = 2) -> dict[str, float]:
    """Wait until ``rows`` have come to something, and return to what."""
    eventually(lambda: sum(_outcomes(bench, version).values()) >= rows)
    return _outcomes(bench, version)


def _told(bench: Bench) -> list[tuple[int, int, int, int]]:
    """Return what the server tells of copies: generation, and requests that were answered, failed and dropped."""
    reading = msgspec.json.decode(bench.ask("/v1/variants/heart/counts").body, type=DrawsReading)
    return [(one.generation, one.answered, one.failed, one.dropped) for one in reading.copies]


def _recorded(bench: Bench) -> tuple[list[PredictionFrame], list[PredictionFrame]]:
    """Return all rows in all journals: live ones, and those of shadows."""
    live: list[PredictionFrame] = []
    dark: list[PredictionFrame] = []
    for path in journal_files(bench.state / "journal"):
        roles = {}
        for _, frame in read_frames(path):
            if isinstance(frame, SchemaFrame):
                roles[frame.schema_id] = frame.role
            elif isinstance(frame, PredictionFrame):
                (dark if roles[frame.schema_id] is VariantRole.SHADOW else live).append(frame)
    return live, dark


def test_a_shadow_answers_a_copy_which_is_linked_to_what_the_caller_got(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(_spec(tmp_path, _shadow(tmp_path)))
    rows = [ROW | {"age": 44 + 2 * place, "chol": 150.0} for place in range(10)]
    keys = [f"key-{place}" for place in range(10)]
    reply = bench.ask("/predict", {"rows": rows, "record_keys": keys, "source": "web"})
    assert reply.headers["x-trimtab-variant"] == "v"
    _settled(bench, 10)
    bench.shadows.close()
    live, dark = _recorded(bench)
    expected = Predictor.load(tmp_path / "bundle-binary-2", expected_digest=None).predict_rows(rows)
    assert expected.probability is not None
    assert [frame.probability for frame in dark] == pytest.approx(expected.probability.tolist())
    assert [frame.prediction for frame in dark] == expected.labels.tolist()
    assert [frame.shadow_of for frame in dark] == [said["prediction_id"] for said in reply.json["predictions"]]
    assert [frame.shadow_of for frame in live] == [None] * 10
    for name in ("request_id", "event_us", "received_us", "generation", "record_key", "source", "values"):
        assert [getattr(frame, name) for frame in dark] == [getattr(frame, name) for frame in live], name
    assert len({frame.prediction_id for frame in live + dark}) == 20
    same = sum(one.prediction == other.prediction for one, other in zip(live, dark, strict=True))
    assert _outcomes(bench) == {"same": same, "different": 10 - same, "failed": 0, "dropped": 0}
    assert 0 < same < 10, "or the test would not tell the two apart"
    distance = bench.metrics.variant("heart", "dark", 2).shadow.difference.value
    probabilities = [(one.probability or 0, other.probability or 0) for one, other in zip(live, dark, strict=True)]
    assert distance == pytest.approx(sum(abs(one - other) for one, other in probabilities))
    text = bench.metrics.exposition().decode()
    assert f'trimtab_shadow_rows_total{{endpoint="heart",outcome="same",variant="dark",version="2"}} {same}.0' in text
    assert bench.ask("/v1/stats").json["heart"]["variants"][1]["shadow_rows"]["same"] == same


def test_numbers_are_the_same_to_six_digits(bench: Bench, tmp_path: Path) -> None:
    live = variant(tmp_path, "v", "100", task=Task.REGRESSION)
    twin = msgspec.structs.replace(live, name="dark", model_version=2, role=VariantRole.SHADOW)
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(live, twin)))
    assert bench.post("/predict", {"rows": [ROW] * 4})[0] == 200
    assert _settled(bench, 4) == {"same": 4, "different": 0, "failed": 0, "dropped": 0}


def test_it_gets_as_many_percent_as_its_weight_says(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(_spec(tmp_path, _shadow(tmp_path, "25"), record=False))
    for _ in range(400):
        assert bench.post("/predict", {"row": ROW})[0] == 200
    bench.shadows.close()
    assert 60 < sum(_outcomes(bench).values()) < 140
    assert _recorded(bench) == ([], []), "what the endpoint does not record, its shadows do not either"


def test_a_shadow_that_fails_is_counted_and_nobody_is_told(bench: Bench, tmp_path: Path) -> None:
    bench.deploy(_spec(tmp_path, _shadow(tmp_path, task=Task.REGRESSION)))
    replies = [bench.ask("/predict", {"row": ROW}) for _ in range(5)]
    assert {reply.status for reply in replies} == {200}
    assert _settled(bench, 5) == {"same": 0, "different": 0, "failed": 5, "dropped": 0}
    assert _told(bench) == [(1, 0, 5, 0)]
    bench.deploy(_spec(tmp_path, _shadow(tmp_path, version=3), generation=2))
    assert bench.post("/predict", {"row": ROW})[0] == 200
    assert _settled(bench, 1, 3)["failed"] == 0, "the next one is none the worse for it"
    live, dark = _recorded(bench)
    assert (len(live), len(dark)) == (6, 1)
    assert _told(bench) == [(1, 0, 5, 0), (2, 1, 0, 0)]


def test_a_journal_without_room_fails_the_shadow_alone(tmp_path: Path) -> None:
    def full() -> JournalWriter:
        raise BackendError("journal: no room")

    bench = Bench(tmp_path, shadow_journal=full)
    try:
        bench.deploy(_spec(tmp_path, _shadow(tmp_path)))
        assert bench.post("/predict", {"rows": [ROW] * 3})[0] == 200
        assert _settled(bench, 3)["failed"] == 3
        assert _told(bench) == [(1, 0, 0, 1)], "that is no fault of the model's"
    finally:
        bench.shadows.close()
        bench.journal.close()


def test_copies_beyond_the_queue_are_dropped_first_and_live_answers_go_on(tmp_path: Path) -> None:
    gate = threading.Event()

    def slow() -> JournalWriter:
        assert gate.wait(60)
        return bench.new_journal()

    bench = Bench(tmp_path, shadow_journal=slow, shadow_rows=30)
    try:
        bench.deploy(_spec(tmp_path, _shadow(tmp_path)))
        statuses = [bench.post("/predict", {"rows": [ROW] * 10})[0] for _ in range(8)]
        assert statuses == [200] * 8
        assert (_outcomes(bench)["dropped"], bench.shadows.waiting_rows) == (50, 30)
        gate.set()
        assert _settled(bench, 80)["dropped"] == 50
        eventually(lambda: bench.shadows.waiting_rows == 0)
        assert bench.post("/predict", {"rows": [ROW] * 10})[0] == 200
        assert _settled(bench, 90)["dropped"] == 50, "there is room again"
    finally:
        gate.set()
        bench.shadows.close()
        bench.journal.close()


def test_generations_come_and_go_and_the_journal_does_not_grow_with_them(bench: Bench, tmp_path: Path) -> None:
    shadow = _shadow(tmp_path)
    for generation in range(1, 31):
        bench.deploy(_spec(tmp_path, shadow, generation))
        assert bench.post("/predict", {"row": ROW})[0] == 200
        assert _settled(bench, generation)["failed"] == 0
    assert len(_recorded(bench)[1]) == 30


def test_no_file_repeats_the_schema_of_a_shadow_that_is_served_no_longer(tmp_path: Path) -> None:
    dark = tmp_path / "dark"
    bench = Bench(tmp_path, shadow_journal=lambda: JournalWriter(dark, sync_interval_s=60, file_bytes=4096))
    for name in ("heart", "lung"):
        bench.deploy(msgspec.structs.replace(_spec(tmp_path, _shadow(tmp_path)), endpoint=name))
        assert bench.post(f"/predict/{name}", {"row": ROW})[0] == 200
    lung = bench.metrics.variant("lung", "dark", 2).shadow
    eventually(lambda: _settled(bench, 1) and sum(lung.outcomes().values()) == 1)
    live = variant(tmp_path, "v", "100")
    bench.deploy(EndpointSpec(endpoint="heart", generation=2, variants=(live,)))
    assert bench.post("/predict/lung", {"rows": [ROW] * 40})[0] == 200
    eventually(lambda: sum(lung.outcomes().values()) == 41)
    bench.shadows.close()
    bench.journal.close()
    told = [[frame for _, frame in read_frames(path)] for path in journal_files(dark)]
    schemas = [[frame.endpoint for frame in frames if isinstance(frame, SchemaFrame)] for frames in told]
    assert len(schemas) > 2
    assert (schemas[0], schemas[-1]) == (["heart", "lung"], ["lung"])


def test_a_server_records_what_its_shadow_says_and_stops_in_time(tmp_path: Path) -> None:
    write_spec(tmp_path, _spec(tmp_path, _shadow(tmp_path)))
    server = Running(tmp_path)
    try:
        said = [server.predict({"row": ROW, "record_key": str(key)}).json["predictions"][0] for key in range(20)]
    finally:
        assert server.stop() == 0
    rows = server.shipped()
    dark = [row for row in rows if row["variant"] == "dark"]
    assert sorted(row["shadow_of"] for row in dark) == sorted(one["prediction_id"] for one in said)
    assert len([row for row in rows if row["variant"] == "v"]) == 20
