from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, variant

from trimtab.core.enums import VariantRole
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame
from trimtab.serving.spec import EndpointSpec


def test_nothing_is_answered_that_cannot_be_recorded(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))

    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    replies = [bench.post("/predict", {"row": ROW}) for _ in range(40)]
    answered = [body["predictions"][0]["prediction_id"] for status, body in replies if status == 200]
    assert {status for status, _ in replies} == {200, 503}
    assert "free disk space" in replies[-1][1]["error"]
    frames = [frame for _, frame in read_frames(bench.journal.path)]
    assert [frame.prediction_id for frame in frames if isinstance(frame, PredictionFrame)] == answered
    assert 'status="5xx",variant="v"' in bench.metrics.exposition().decode()


def test_a_fault_of_ours_is_one_sentence(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),)))
    monkeypatch.setattr(bench.table, "find", lambda name: 1 / 0)
    status, body = bench.post("/predict/heart", {"row": ROW})
    assert status == 500
    assert "division" not in body["error"]
    assert "\n" not in body["error"]


def test_an_endpoint_may_go_unrecorded(bench: Bench, tmp_path: Path) -> None:
    before = bench.journal.position
    live = variant(tmp_path, "v", "100")
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(live,), record=False))
    assert bench.post("/predict", {"row": ROW})[0] == 200
    frames = [frame for end, frame in read_frames(bench.journal.path) if end > before]
    assert not [frame for frame in frames if isinstance(frame, PredictionFrame)]


def test_a_shadow_variant_never_answers(bench: Bench, tmp_path: Path) -> None:
    live = variant(tmp_path, "v", "100")
    canary = variant(tmp_path, "s", "50", version=2)
    shadow = msgspec.structs.replace(canary, role=VariantRole.SHADOW)
    bench.deploy(EndpointSpec(endpoint="heart", generation=1, variants=(live, shadow)))
    assert {bench.post("/predict", {"row": ROW})[1]["variant"] for _ in range(30)} == {"v"}
    assert [one.name for one in bench.table.statuses["heart"].variants] == ["v", "s"]


def test_the_same_generation_that_failed_is_tried_again_when_it_is_written_again(bench: Bench, tmp_path: Path) -> None:
    wanted = EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v", "100"),))
    bundle = Path(wanted.variants[0].bundle_path)
    bundle.rename(tmp_path / "elsewhere")
    assert bench.deploy(wanted).error is not None
    assert bench.post("/predict", {"row": ROW})[0] == 400
    (tmp_path / "elsewhere").rename(bundle)
    assert bench.deploy(wanted).error is None
    assert bench.post("/predict", {"row": ROW})[0] == 200
