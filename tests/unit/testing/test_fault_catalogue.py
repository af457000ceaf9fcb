"""What the fault suite plants: only what it says, only while it lasts, and the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from bench.faults.base import Base
from bench.faults.catalogue import CATALOGUE, Fault
from bench.faults.columns import Unfit
from bench.faults.draw import Setting
from bench.faults.grounds import DAY_US, Ground, ground_of
from bench.faults.plan import Plan
from bench.faults.rows import KNOWN, LABEL_DELAY_US, SHAPE, Span, at_us, stream_of, timeline
from docs.generators.fault_tables import fault_tables, with_part

from trimtab.bundle.manifest import Lineage, Manifest, Parity
from trimtab.core.enums import Task
from trimtab.remediation.kinds import DiagnosisKind

SOUND, WINDOWS = 2, 6
CHURN = ground_of("churn", None)
BIKES = ground_of("bikes", None)
WITHOUT_CATEGORIES = {"new-category", "one-segment", "one-group"}
"""Faults that need a category, or groups that are watched: bikes have neither."""


def planned(fault: Fault, ground: Ground, seed: int) -> tuple[Setting, Plan]:
    manifest = Manifest(
        model="m",
        task=Task.BINARY,
        target=ground.target,
        algorithm="linear",
        created_at="",
        features=(),
        importance={name: float(name not in {"distance", "precipitation"}) for name in ground.features},
        parity=Parity(rows=0, max_abs_difference=0.0, tolerance=0.0),
        lineage=Lineage(snapshot_id="", dataset_hash="", config_hash=""),
        files={},
    )
    base = Base(ground, Path(), ground.begin_us + SOUND * ground.window_us, Path(), manifest)
    ends_us = base.at_us + 3 * ground.window_us
    span = Span(base.at_us + ground.window_us // 2, ends_us if fault.ends else 2**62)
    setting = Setting(base, span, ends_us, np.random.default_rng(seed))
    return setting, fault.plan(setting)


def sound_rows(ground: Ground) -> pa.Table:
    return timeline(ground, 1, sound=SOUND, windows=WINDOWS)


@pytest.mark.parametrize("ground", [CHURN, BIKES], ids=lambda ground: ground.name)
@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=lambda fault: fault.name)
def test_a_fault_changes_nothing_before_it_begins_and_is_drawn_by_its_seed(fault: Fault, ground: Ground) -> None:
    if ground is BIKES and fault.name in WITHOUT_CATEGORIES:
        with pytest.raises(Unfit):
            planned(fault, ground, 5)
        return
    setting, plan = planned(fault, ground, 5)
    sound, planted = sound_rows(ground), plan.rows(sound_rows(ground))
    assert planted.schema.names == sound.schema.names
    before = at_us(sound) < setting.span.since_us
    assert planted.filter(pa.array(at_us(planted) < setting.span.since_us)).equals(sound.filter(pa.array(before)))
    assert plan.columns <= set(ground.features)
    again = planned(fault, ground, 5)[1]
    assert (again.drawn, again.columns) == (plan.drawn, plan.columns)
    assert again.rows(sound_rows(ground)).equals(planted)


@pytest.mark.parametrize("fault", [one for one in CATALOGUE.values() if one.ends], ids=lambda fault: fault.name)
def test_what_ends_leaves_the_rows_behind_it_as_they_were(fault: Fault) -> None:
    setting, plan = planned(fault, CHURN, 5)
    sound, planted = sound_rows(CHURN), plan.rows(sound_rows(CHURN))
    # A row that comes twice comes the second time a moment later.
    until_us = setting.span.until_us + 10_000
    after = planted.filter(pa.array(at_us(planted) >= until_us))
    assert after.equals(sound.filter(pa.array(at_us(sound) >= until_us)))


def test_there_are_faults_of_every_class_and_enough_of_them() -> None:
    planted = [fault for fault in CATALOGUE.values() if fault.expected.classes]
    assert len(planted) >= 25
    assert {kind for fault in planted for kind in fault.expected.classes} == set(DiagnosisKind)


def test_rows_of_a_window_come_once_and_no_version_has_learnt_them() -> None:
    window, history = CHURN.window(0, 1), CHURN.history()
    columns = list(CHURN.features)
    drawn = {tuple(row.values()) for row in window.select(columns).to_pylist()}
    assert len(drawn) == window.num_rows
    assert not drawn & {tuple(row.values()) for row in history.select(columns).to_pylist()}


def test_requests_are_misshapen_as_planted_and_labels_known_after_their_delay() -> None:
    rows = sound_rows(CHURN).slice(0, 3)
    shapes = ["absent:age", "renamed:age:AGE", "text:spend:EUR"]
    rows = rows.set_column(rows.column_names.index(SHAPE), SHAPE, pa.array(shapes))
    stream = stream_of(CHURN, rows)
    first = len(stream) - 3
    absent, renamed, text = (stream.row(first + place) for place in range(3))
    assert "age" not in absent
    assert ("age" not in renamed, renamed["AGE"]) == (True, rows["age"][1].as_py())
    assert text["spend"] == f"{rows['spend'][2].as_py()} EUR"
    assert (stream.known_us[first:] - stream.event_us[first:]).tolist() == [LABEL_DELAY_US] * 3
    assert KNOWN in rows.column_names
    assert LABEL_DELAY_US < DAY_US


VERDICT = {
    "fault": "unit-one-column",
    "ground": "german",
    "seed": 1,
    "detected": True,
    "diagnosed": False,
    "columns": None,
    "acted": False,
    "recovered": True,
    "named_after": None,
    "called": ["concept_drift"],
    "wrong": ["concept_drift"],
    "asked_in_vain": [],
    "risky": [],
}


def test_the_published_table_counts_what_applies_and_lists_wrong_names() -> None:
    told = fault_tables(
        {"began": "2026-01-01", "held_out": ["german"], "sound_windows": 25, "verdicts": [VERDICT], "sound": []}
    )
    assert "| german * | 1 | 1 of 1 | 0 of 1 | – | 0 of 1 | 1 of 1 | 1 | – |" in told
    assert "| `unit-one-column` | concept drift | 1 |" in told


def test_a_page_without_marks_is_refused() -> None:
    assert with_part("a\n<!-- bench.faults: begin -->\nold\n<!-- bench.faults: end -->\nb", "new") == (
        "a\n<!-- bench.faults: begin -->\n\nnew\n\n<!-- bench.faults: end -->\nb"
    )
    with pytest.raises(ValueError, match="has no lines"):
        with_part("a page", "new")
