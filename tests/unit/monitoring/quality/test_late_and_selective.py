"""Labels as they come in the world: late, of some classes more than of others; and quality by part of the rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.monitoring.windows import START_US, labels, window_of

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task, Verdict
from trimtab.measures.class_metrics import calibration_error
from trimtab.monitoring.answered import LabelledRows, PastLabels, PastRows
from trimtab.monitoring.base import Judged
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.quality.model_quality import ModelQualityMonitor, ModelQualitySettings
from trimtab.monitoring.quality.past import PastMemory, PastQuestion
from trimtab.monitoring.run import run_monitor
from trimtab.monitoring.window import WindowData

DAY_US = 86_400_000_000


def judged(data: WindowData, **settings: object) -> Judged:
    return ModelQualityMonitor(ModelQualitySettings.model_validate({"limits": {"accuracy": 0.8}, **settings})).check(
        data
    )


def of(rows: LabelledRows, **settings: object) -> tuple[Check, ...]:
    return judged(window_of({}, labelled=rows), **settings).checks


def part(right: int, wrong: int, answer: str) -> tuple[list[str], list[str]]:
    other = "no" if answer == "yes" else "yes"
    return [answer] * right + [other] * wrong, [answer] * (right + wrong)


def test_labels_of_one_class_only_are_weighed_by_their_coverage() -> None:
    # 'yes' is right in 90 %, 'no' in 60 %; three quarters of the 'yes' have labels, and a fourth of the 'no'.
    truth, said = (a + b for a, b in zip(part(270, 30, "yes"), part(60, 40, "no"), strict=True))
    order = np.random.default_rng(0).permutation(len(truth))
    rows = labels(np.array(truth)[order].tolist(), np.array(said)[order].tolist(), answered=800)
    (check,) = of(replace(rows, answered_as={"yes": 400, "no": 400}))
    assert check.value == pytest.approx(0.75)
    assert check.detail["plain"] == pytest.approx(330 / 400)
    assert check.detail["coverage_by_answer"] == {"no": [100, 400], "yes": [300, 400]}
    assert "labels are selective" in check.explanation


def test_labels_that_leave_out_a_class_conclude_nothing() -> None:
    truth, said = part(190, 10, "yes")
    (check,) = of(replace(labels(truth, said, answered=400), answered_as={"yes": 200, "no": 200}))
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "too selective" in check.explanation


@pytest.mark.parametrize("rare", [20, 400])
def test_a_rare_class_without_any_label_concludes_nothing(rare: int) -> None:
    # What is blocked as fraud never gets an outcome: no other answer can stand for it.
    others = 9600
    (check,) = of(replace(labels(["no"] * others, ["no"] * others), answered_as={"no": others, "yes": rare}))
    assert check.verdict is Verdict.INCONCLUSIVE
    assert f"0 of {rare} answers 'yes'" in check.explanation


def test_a_rare_class_with_a_label_in_a_hundred_concludes_nothing() -> None:
    truth, said = ["no"] * 9600 + ["yes"] * 4, ["no"] * 9600 + ["yes"] * 4
    (check,) = of(replace(labels(truth, said, answered=10_000), answered_as={"no": 9600, "yes": 400}))
    assert check.verdict is Verdict.INCONCLUSIVE
    assert check.detail["too_selective"]


def test_a_class_that_chance_left_without_a_label_is_no_reason_for_doubt() -> None:
    (check,) = of(replace(labels(["no"] * 300, ["no"] * 300), answered_as={"no": 990, "yes": 10}))
    assert (check.verdict, "plain" in check.detail) == (Verdict.OK, False)


def test_segments_are_weighed_as_the_whole_and_conclude_nothing_where_it_does_not() -> None:
    # In zone 'a' 'yes' is right and 'no' is not; one in four 'no' has a label, and three in four 'yes'.
    truth, said = (a + b for a, b in zip(part(300, 0, "yes"), part(0, 100, "no"), strict=True))
    zone = np.array(["a"] * 400)
    rows = replace(labels(truth, said, answered=800), columns={"zone": zone}, answered_as={"yes": 400, "no": 400})
    whole, segments = of(rows, segments=["zone"])
    assert whole.value == pytest.approx(0.5)
    assert segments.value == pytest.approx(0.5)
    none = replace(rows, answered_as={"yes": 300, "no": 5000})
    assert {check.verdict for check in of(none, segments=["zone"])} == {Verdict.INCONCLUSIVE}


def test_calibrated_probabilities_of_weighed_rows_are_no_breach() -> None:
    breaches = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chance = np.concatenate([rng.uniform(0.5, 0.9, 900), rng.uniform(0.1, 0.5, 100)])
        truth = np.where(rng.random(1000) < chance, "yes", "no").tolist()
        said = ["yes"] * 900 + ["no"] * 100
        rows = replace(labels(truth, said, answered=1300), probability=chance, answered_as={"yes": 900, "no": 400})
        (check,) = of(rows, limits={"ece": 0.01})
        assert "labels are selective" in check.explanation
        breaches += check.verdict is Verdict.BREACH
    assert breaches <= 2


def test_labels_of_a_random_part_are_left_as_they_are() -> None:
    rng = np.random.default_rng(1)
    said = np.where(rng.random(1000) < 0.5, "yes", "no")
    rows = labels(said[:400].tolist(), said[:400].tolist(), answered=1000)
    (check,) = of(replace(rows, answered_as=Counter(said.tolist())))
    assert (check.value, "plain" in check.detail) == (1.0, False)


def test_a_bad_segment_is_found_though_the_whole_is_well() -> None:
    rng = np.random.default_rng(2)
    zone = rng.choice(["a", "b", "c", "tiny"], 1000, p=[0.5, 0.4, 0.097, 0.003])
    right = rng.random(1000) < np.where(zone == "c", 0.5, 0.95)
    rows = replace(labels(["yes"] * 1000, np.where(right, "yes", "no").tolist()), columns={"zone": zone})
    whole, segments = of(rows, segments=["zone"], min_labels=30)
    assert whole.verdict is Verdict.OK
    assert (segments.verdict, segments.column, segments.detail["segment"]) == (Verdict.BREACH, "zone", "c")
    assert "metric" not in segments.detail
    small = next(one for one in segments.detail["segments"] if one["segment"] == "tiny")
    assert small["value"] is None
    assert small["labelled"] < 30
    assert segments.explanation.endswith("; too few labelled rows of tiny")


def test_many_segments_without_trouble_raise_none() -> None:
    breaches = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        right = np.where(rng.random(2000) < 0.82, "yes", "no")
        rows = replace(labels(["yes"] * 2000, right.tolist()), columns={"zone": rng.integers(0, 20, 2000)})
        breaches += of(rows, segments=["zone"])[1].verdict is Verdict.BREACH
    assert breaches <= 2


@pytest.mark.parametrize(
    "column",
    [
        np.full(200, np.nan),
        np.array([None] * 200, dtype=object),
        np.arange(200.0),
        np.array([f"name {place}" for place in range(200)], dtype=object),
        np.array([True, False] * 100),
        np.full(200, np.inf),
    ],
)
def test_any_column_makes_segments(column: NDArray[np.generic]) -> None:
    rows = replace(labels(["yes"] * 200, ["yes"] * 200), columns={"odd": column})
    _, segments = of(rows, segments=["odd"], min_labels=10)
    assert segments.explanation
    assert sum(one["labelled"] for one in segments.detail["segments"]) == 200


def test_a_column_that_the_records_lack_is_inconclusive() -> None:
    _, segments = of(labels(["yes"] * 60, ["yes"] * 60), segments=["absent"])
    assert segments.verdict is Verdict.INCONCLUSIVE


def test_calibrated_probabilities_are_no_breach_of_calibration_however_few_the_rows() -> None:
    verdicts = {"honest": set(), "sure": set()}  # type: dict[str, set[Verdict]]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chance = rng.uniform(0.2, 0.8, 150)
        truth = np.where(rng.random(150) < chance, "yes", "no")
        for name, told in (("honest", chance), ("sure", (chance > 0.5) * 0.96 + 0.02)):
            rows = replace(labels(truth.tolist(), ["yes"] * 150), probability=told)
            assert calibration_error(truth == "yes", told) > 0.02
            verdicts[name] |= {check.verdict for check in of(rows, limits={"ece": 0.02})}
    assert verdicts == {"honest": {Verdict.INCONCLUSIVE}, "sure": {Verdict.BREACH}}


def test_the_confusion_and_the_reliability_are_there_to_look_at() -> None:
    rows = replace(labels(["yes", "no"] * 50, ["yes"] * 100), probability=np.full(100, 0.6))
    (check,) = of(rows)
    assert check.detail["confusion"] == {"classes": ["no", "yes"], "counts": [[0, 50], [0, 50]]}
    assert check.detail["reliability"] == {"probability": [0.6], "share": [0.5], "rows": [100]}


def test_a_changed_past_window_is_judged_once_for_each_change() -> None:
    good, bad = labels(["yes"] * 60, ["yes"] * 60), labels(["no"] * 60, ["yes"] * 60)
    window = Window(0, DAY_US)

    def look(rows: LabelledRows, state: JsonObject | None) -> Judged:
        past = PastLabels(PastMemory(5).to_json(), (PastRows(window, rows),))
        return judged(replace(window_of({}, labelled=good), look_back=lambda: past, state=state))

    first = look(bad, None)
    assert [(one.window, one.verdict) for one in first.checks if one.detail.get("late")] == [(window, Verdict.BREACH)]
    again = look(bad, first.state)
    assert not [one for one in again.checks if one.detail.get("late")]
    corrected = look(good, again.state)
    assert [one.verdict for one in corrected.checks if one.detail.get("late")] == [Verdict.OK]


def test_an_old_window_that_is_read_twice_is_judged_once_however_many_newer_ones_there_are() -> None:
    """More windows than fingerprints are kept of: the last judged are kept, not the latest."""
    rows = labels(["yes"] * 60, ["yes"] * 60)
    state: JsonObject | None = None

    def look(*days: int) -> list[int]:
        nonlocal state
        windows = tuple(PastRows(Window(day * DAY_US, (day + 1) * DAY_US), rows) for day in days)
        past = PastLabels(PastMemory(5).to_json(), windows)
        found = judged(replace(window_of({}, labelled=rows), look_back=lambda: past, state=state))
        state = found.state
        return [one.window.start_us // DAY_US for one in found.checks if one.detail.get("late")]

    assert len(look(*range(500, 920))) == 420
    assert look(3) == [3]
    assert look(3) == []


def test_what_waits_and_what_is_left_out_is_told() -> None:
    rows = labels(["yes"] * 60, ["yes"] * 60)
    past = PastLabels(PastMemory(5).to_json(), (), waiting=7, left_out=2)
    check = judged(replace(window_of({}, labelled=rows), look_back=lambda: past)).checks[0]
    assert (check.detail["past_waiting"], check.detail["past_left_out"]) == (7, 2)
    assert "7 past windows with news of outcomes waiting, 2 that are older left out" in check.explanation


def test_past_windows_are_those_of_the_touched_rows_before_the_one_judged_now() -> None:
    monitor = ModelQualityMonitor(ModelQualitySettings(limits={"accuracy": 0.5}))
    now = Window(20 * DAY_US, 21 * DAY_US)
    touched = np.array([3 * DAY_US + 5, 3 * DAY_US + 9, 19 * DAY_US, 20 * DAY_US + 1], dtype=np.int64)
    found = monitor.past_windows(PastQuestion(None, touched, now, DAY_US, 0))
    assert [window.start_us // DAY_US for window in found] == [19, 3]


def test_numbers_have_neither_confusion_nor_selective_classes() -> None:
    truth = np.arange(100.0)
    rows = LabelledRows(
        truth, truth + 1, None, START_US + np.arange(100), 100, START_US + np.arange(100) + 3_600_000_000
    )
    data = replace(window_of({}, labelled=rows, metrics=("mae",)), task=Task.REGRESSION, positive_class=None)
    (check,) = judged(data, limits={"mae": 2.0}).checks
    assert check.verdict is Verdict.OK
    assert check.detail["label_lag_p95_s"] == pytest.approx(3600)
    assert "95 % of them within 1h" in check.explanation
    assert "confusion" not in check.detail


def test_segments_and_windows_that_are_judged_again_can_be_stored_with_each_other() -> None:
    settings = ModelQualitySettings(limits={"accuracy": 0.8}, segments=("zone",))
    rows = replace(labels(["yes"] * 90, ["yes"] * 60 + ["no"] * 30), columns={"zone": np.array(["a", "b", "c"] * 30)})
    over = tuple(PastRows(Window(day * DAY_US, (day + 1) * DAY_US), rows) for day in (1, 2))
    past = PastLabels(PastMemory(5).to_json(), over)
    found = run_monitor(settings, replace(window_of({}, labelled=rows), look_back=lambda: past))
    assert Counter((check.is_late, check.column) for check in found.checks) == {
        (False, None): 1,
        (False, "zone"): 1,
        (True, None): 2,
    }
