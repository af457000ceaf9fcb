"""Rows that versions answer once more: numbers that measure nothing are left out, and only so many are held at once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.unit.loop.projects import MODEL, make_world
from tests.unit.loop.shipping import Shipping

from trimtab.core.enums import ColumnKind, Task, VariantRole
from trimtab.loop.answering_again import PeriodRows, read_period
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, segment_id, truth_table, write_segment

OUTCOMES = ["10", "20.5", "1e160", "-1e308", "30", "1e49"]


@pytest.fixture
def shipping(tmp_path: Path) -> Shipping:
    """Six answers that are numbers, and their outcomes."""
    shipping = Shipping(make_world(tmp_path / "project"))
    at_us, intake = shipping.start_us, shipping.world.platform.project.intake
    schema = SchemaFrame(
        schema_id=1,
        endpoint=MODEL,
        model=MODEL,
        model_version=1,
        variant="v1",
        bundle_digest="b" * 64,
        task=Task.REGRESSION,
        features=(("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY)),
        role=VariantRole.LIVE,
    )
    first = PredictionFrame(
        schema_id=1,
        prediction_id="p0",
        request_id="r0",
        event_us=at_us,
        received_us=at_us,
        generation=1,
        assignment_probability=1.0,
        record_key=None,
        source=None,
        sticky_hash=None,
        values=(50.0, 200.0, "male"),
        prediction=12.0,
        probability=None,
        latency_ms=1.0,
        shadow_of=None,
    )
    frames = [
        msgspec.structs.replace(first, prediction_id=f"p{place}", request_id=f"r{place}", event_us=at_us + place)
        for place in range(len(OUTCOMES))
    ]
    truths = [TruthFrame(MODEL, f"p{place}", None, None, truth, at_us, at_us) for place, truth in enumerate(OUTCOMES)]
    write_segment(intake, predictions_table(schema, frames, segment_id("journal", 0, 1, "1")))
    write_segment(intake, truth_table(truths, segment_id("journal", 0, 1, "2")))
    shipping.process()
    return shipping


def read(shipping: Shipping, *, classes: int) -> PeriodRows:
    start_us = shipping.start_us
    lake = shipping.world.platform.lake
    span = {"start_us": start_us, "end_us": start_us + 100, "known_until_us": start_us}
    return read_period(lake, MODEL, **span, intervals={}, classes=classes)


def test_an_outcome_that_measures_nothing_is_left_out(shipping: Shipping) -> None:
    found = read(shipping, classes=1)
    assert found.truth.to_pylist() == [10.0, 20.5, 30.0, 1e49]
    assert (found.event_us - shipping.start_us).tolist() == [0, 1, 4, 5]
    assert found.weight == 1.0
    assert found.table.column_names == ["age", "chol", "sex"]


def test_with_very_many_classes_few_rows_stand_for_all(shipping: Shipping) -> None:
    found = read(shipping, classes=1_000_000)
    assert found.weight == 2.0
    assert len(found.event_us) <= 2
