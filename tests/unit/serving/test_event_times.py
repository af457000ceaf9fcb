"""A model that learnt from the time of day: the graph and the record are told the same moment."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from tests.unit.serving.bench import Bench

from trimtab.bundle.encoder import Encoder
from trimtab.bundle.manifest import Feature
from trimtab.bundle.writer import write_bundle
from trimtab.core.enums import ColumnKind, Task
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import fit
from trimtab.training.export import export
from trimtab.training.golden import golden_table
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

HOUR_US = 3_600_000_000
FEATURES = (Feature(name="at", kind=ColumnKind.DATETIME, is_event_time=True),)
PROBLEM = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none")
SHELL = shell_manifest(PROBLEM, FEATURES, "hours", "count")


@pytest.fixture
def clock(bench: Bench, tmp_path: Path) -> Bench:
    """A server of a model that answers the hour of the day."""
    hours = np.arange(24 * 21)
    table = pa.table({"at": pa.array(hours * HOUR_US, pa.timestamp("us", tz="UTC"))})
    inputs = Encoder(SHELL).encode_table(table)
    params = {"n_estimators": 30, "learning_rate": 0.5, "num_leaves": 31, "min_child_samples": 2}
    target = (hours % 24).astype(np.float64)
    fitted = fit(Algorithm.LIGHTGBM, params, PROBLEM, FEATURES, inputs, target, seed=0)
    golden = np.arange(5)
    parity = msgspec.structs.replace(SHELL.parity, tolerance=1e-3)
    manifest = write_bundle(
        tmp_path / "bundle",
        msgspec.structs.replace(SHELL, parity=parity, time="at"),
        model_onnx=export(fitted),
        golden=golden_table(table, FEATURES, golden, fitted.answer(inputs.take(golden))),
        reference=lambda _: None,
    )
    only = VariantSpec(
        name="v1",
        model="hours",
        model_version=1,
        bundle_path=str(tmp_path / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    status = bench.deploy(EndpointSpec(endpoint="hours", generation=1, variants=(only,)))
    assert status.error is None
    return bench


def recorded(bench: Bench) -> list[tuple[int, Any]]:
    """Return event time and the field ``at`` of each answer that was recorded."""
    frames = [frame for _, frame in read_frames(bench.journal.path)]
    return [(frame.event_us, frame.values[0]) for frame in frames if isinstance(frame, PredictionFrame)]


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [{"at": "1970-01-05T17:00:00Z"}]},
        {"rows": [{}], "event_times": ["1970-01-05T17:00:00Z"]},
        {"rows": [{"at": None}], "event_times": [113 * HOUR_US]},
        {"row": {"at": "1970-01-05T17:00:00"}, "event_time": "1970-01-05T18:00:00+01:00"},
    ],
)
def test_moment_may_come_by_either_way_and_reaches_graph_and_record(clock: Bench, body: dict[str, Any]) -> None:
    status, answer = clock.post("/predict/hours", body)
    assert status == 200
    assert answer["predictions"][0]["prediction"] == pytest.approx(17, abs=0.1)
    assert recorded(clock) == [(113 * HOUR_US, 113 * 3600.0)]


def test_without_a_moment_it_is_that_of_the_request(clock: Bench) -> None:
    status, answer = clock.post("/predict/hours", {"rows": [{}]})
    assert status == 200
    assert answer["predictions"][0]["prediction"] == pytest.approx(0, abs=0.1)
    assert recorded(clock) == [(5, 0.0)]


def test_two_moments_of_one_row_are_refused(clock: Bench) -> None:
    status, answer = clock.post("/predict/hours", {"row": {"at": "1970-01-05T17:00:00"}, "event_time": 0})
    assert status == 400
    assert "row 0: field 'at' says 1970-01-05T17:00:00Z, its event_time 1970-01-01T00:00:00Z" in str(answer)
    assert recorded(clock) == []


def test_example_row_asks_about_now() -> None:
    told = Feature(name="x", kind=ColumnKind.NUMBER, example=1.5)
    at = msgspec.structs.replace(FEATURES[0], example=datetime(2020, 1, 1, tzinfo=UTC).isoformat())
    assert msgspec.structs.replace(SHELL, features=(told, at)).example == {"x": 1.5}
