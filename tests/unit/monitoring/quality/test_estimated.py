"""Quality without labels: what an estimate may say, and what labels that come later make of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.unit.monitoring.windows import START_US, window_of

from trimtab.core.canonical import JsonObject, canonical_json
from trimtab.core.enums import Task, Verdict
from trimtab.monitoring.answered import AnsweredRows, ExpectedLosses, LabelledRows, PastLabels, PastRows
from trimtab.monitoring.base import Judged
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.quality.estimated import EstimatedQualityMonitor, EstimatedQualitySettings
from trimtab.monitoring.quality.past import PastMemory, PastQuestion
from trimtab.monitoring.window import WindowData

DAY_US = 86_400_000_000
ROWS = 1500


def monitor(**settings: object) -> EstimatedQualityMonitor:
    return EstimatedQualityMonitor(EstimatedQualitySettings.model_validate({"max_degradation": 0.1, **settings}))


@dataclass
class Days:
    """A model that is watched day by day; outcomes come a day later. ``blur`` makes rows harder, as it says itself."""

    watcher: EstimatedQualityMonitor = field(default_factory=monitor)
    state: JsonObject | None = None
    past: dict[int, LabelledRows] = field(default_factory=dict)
    day: int = 0

    def look(self, *, blur: float = 0.0, flip: float = 0.0, labels: bool = True) -> Check:
        rng = np.random.default_rng(self.day)
        chance = rng.beta(0.3, 0.3, ROWS) * (1 - blur) + 0.5 * blur
        said = np.where(chance >= 0.5, "yes", "no")
        happened = (rng.random(ROWS) < chance) != (rng.random(ROWS) < flip)
        start_us = START_US + self.day * DAY_US
        event_us = start_us + np.arange(ROWS)
        window = Window(start_us, start_us + DAY_US)
        question = PastQuestion(self.state, np.array([], dtype=np.int64), window, DAY_US, DAY_US)
        asked = self.watcher.past_windows(question)
        past = PastLabels(
            PastMemory(window.end_us).to_json(), tuple(PastRows(one, self.past[one.start_us]) for one in asked)
        )
        data = replace(
            window_of({}, baseline={"accuracy": 0.87}),
            window=window,
            answers_in=lambda _window: AnsweredRows(event_us, said, chance),
            look_back=lambda: past,
            state=self.state,
        )
        judged = self.watcher.check(data)
        assert judged == self.watcher.check(data)
        assert canonical_json(judged.state)
        self.state = judged.state
        if labels:
            truth = np.where(happened, "yes", "no")
            self.past[start_us] = LabelledRows(truth, said, chance, event_us, ROWS)
        else:
            self.past[start_us] = LabelledRows(
                truth=said[:0], prediction=said[:0], probability=chance[:0], event_us=event_us[:0], answered=ROWS
            )
        self.day += 1
        (check,) = judged.checks
        return check


def test_an_estimate_is_never_ok_and_proves_itself_first() -> None:
    days = Days()
    for _ in range(5):
        check = days.look()
        assert check.verdict is Verdict.INCONCLUSIVE
        assert "not proved itself" in check.explanation
    for _ in range(12):
        check = days.look()
        assert check.verdict is Verdict.INCONCLUSIVE
    assert "bear such estimates out" in check.explanation
    assert check.detail["reconciled"] == 16
    assert abs(check.detail["off_by"]) < 0.02


def test_rows_that_the_model_finds_hard_are_a_breach_before_any_label() -> None:
    days = Days()
    for _ in range(12):
        days.look()
    check = days.look(blur=0.7)
    assert check.verdict is Verdict.BREACH
    assert check.value is not None
    assert check.value < 0.7
    assert check.threshold == pytest.approx(0.783)


def test_a_flip_of_labels_is_not_seen_and_ends_the_trust_within_five_windows() -> None:
    days = Days()
    for _ in range(12):
        before = days.look()
    seen = [days.look(flip=0.3) for _ in range(6)]
    assert seen[0].value == pytest.approx(before.value, abs=0.03), "an estimate is blind to concept drift"
    assert "not proved itself: it was off by" in seen[4].explanation
    assert days.look(blur=0.7).verdict is Verdict.INCONCLUSIVE


def test_without_labels_it_never_proves_itself() -> None:
    days = Days()
    for _ in range(10):
        check = days.look(labels=False)
    assert check.detail["reconciled"] == 0
    assert "0 of 5 windows" in check.explanation


def test_labels_that_come_in_numbers_far_below_the_usual_prove_nothing() -> None:
    days = Days()
    for _ in range(6):
        seen = days.look()
    full = days.past[START_US + 5 * DAY_US]
    days.past[START_US + 5 * DAY_US] = replace(full.take(np.arange(200)), answered=ROWS)
    assert days.look().detail["reconciled"] == seen.detail["reconciled"] == 5
    question = PastQuestion(
        days.state, np.array([START_US + 5 * DAY_US + 7]), Window(START_US, START_US + 9 * DAY_US), DAY_US, 9 * DAY_US
    )
    assert [one.start_us for one in days.watcher.past_windows(question)] == [START_US + 5 * DAY_US], "asked again later"


def regression(rows: AnsweredRows) -> WindowData:
    data = window_of({}, baseline={"mae": 1.0}, metrics=("mae",))
    return replace(data, task=Task.REGRESSION, positive_class=None, answers_in=lambda _window: rows)


def checked(data: WindowData) -> Check:
    judged: Judged = monitor().check(data)
    return judged.checks[0]


def test_numbers_are_estimated_from_the_expected_losses() -> None:
    times, said = START_US + np.arange(100), np.full(100, 10.0)
    losses = ExpectedLosses(times, np.full(100, 2.0), np.full(100, 5.0), said)
    check = checked(regression(AnsweredRows(times, said, None, losses=losses)))
    assert (check.value, check.verdict) == (2.0, Verdict.INCONCLUSIVE)


def test_a_bundle_without_a_loss_model_says_so() -> None:
    times, said = START_US + np.arange(100), np.full(100, 10.0)
    check = checked(regression(AnsweredRows(times, said, None, no_losses="made before; retrain once")))
    assert (check.verdict, check.explanation) == (Verdict.INCONCLUSIVE, "made before; retrain once")


@pytest.mark.parametrize("rows", [0, 3, 100])
def test_few_rows_and_no_probabilities_are_inconclusive(rows: int) -> None:
    answers = AnsweredRows(START_US + np.arange(rows), np.full(rows, "yes"), np.full(rows, np.nan))
    check = checked(replace(window_of({}, baseline={"accuracy": 0.9}), answers_in=lambda _window: answers))
    assert check.verdict is Verdict.INCONCLUSIVE


def test_of_many_classes_only_accuracy_is_estimated() -> None:
    answers = AnsweredRows(START_US + np.arange(100), np.full(100, "ant"), np.full(100, 0.6))
    data = window_of({}, baseline={"accuracy": 0.9, "f1": 0.9}, metrics=("accuracy", "f1"))
    judged = monitor().check(
        replace(data, task=Task.MULTICLASS, positive_class=None, answers_in=lambda _window: answers)
    )
    (check,) = judged.checks
    assert check.detail["metric"] == "accuracy"
    assert check.value == pytest.approx(0.6)
