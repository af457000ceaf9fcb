from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.monitoring.windows import labels, patients, window_of

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.monitoring.quality.model_quality import ModelQualityMonitor, ModelQualitySettings
from trimtab.monitoring.window import LabelledRows


def quality(
    labelled: LabelledRows | None, *, baseline: dict[str, float] | None = None, **settings: object
) -> tuple[Check, ...]:
    data = window_of(patients(60, seed=1), labelled=labelled, baseline=baseline)
    return ModelQualityMonitor(ModelQualitySettings.model_validate(settings)).check(data).checks


def right(share: float, rows: int = 200, answered: int | None = None) -> LabelledRows:
    hit = np.random.default_rng(0).permutation(np.arange(rows) < share * rows)
    return labels(["yes"] * rows, ["yes" if good else "no" for good in hit], answered)


def test_an_absolute_limit_is_judged_by_what_was_observed() -> None:
    (good,) = quality(right(0.9), limits={"accuracy": 0.8})
    (bad,) = quality(right(0.79), limits={"accuracy": 0.8})
    assert (good.verdict, bad.verdict) == (Verdict.OK, Verdict.BREACH)
    assert (bad.value, bad.threshold, bad.detail["metric"]) == (0.79, 0.8, "accuracy")


def test_truth_and_answer_are_correlated_in_the_window_and_in_its_quarters() -> None:
    truth = ["yes", "no"] * 40
    said = truth[:60] + [{"yes": "no", "no": "yes"}[one] for one in truth[60:]]
    (check,) = quality(labels(truth, said), limits={"accuracy": 0.8})
    assert check.detail["correlation"] == pytest.approx(0.5)
    parts = check.detail["correlation_parts"]
    assert [(round(one["correlation"]), one["rows"]) for one in parts] == [(1, 20), (1, 20), (1, 20), (-1, 20)]
    assert parts[3]["since_us"] == labels(truth, said).event_us[60]
    (alike,) = quality(labels(["yes"] * 80, said), limits={"accuracy": 0.8})
    assert "correlation" not in alike.detail, "one class alone says nothing"


def test_a_loss_has_an_upper_limit() -> None:
    (check,) = quality(right(0.9), limits={"log_loss": 0.1}, baseline={})
    assert check.verdict is Verdict.INCONCLUSIVE  # no probabilities
    assert "undefined" in check.explanation


def test_degradation_is_relative_to_the_holdout() -> None:
    (sound,) = quality(right(0.85), max_degradation=0.2, baseline={"accuracy": 0.9})
    (worse,) = quality(right(0.5), max_degradation=0.2, baseline={"accuracy": 0.9})
    assert (sound.verdict, worse.verdict) == (Verdict.OK, Verdict.BREACH)
    assert worse.threshold == pytest.approx(0.72)
    assert worse.effect == pytest.approx(0.4 / 0.9)


def test_degradation_that_chance_may_explain_is_inconclusive() -> None:
    (check,) = quality(right(0.7, rows=60), max_degradation=0.2, baseline={"accuracy": 0.9})
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "perhaps by chance" in check.explanation


def test_without_enough_labels_quality_is_inconclusive_with_coverage() -> None:
    (none,) = quality(None, limits={"accuracy": 0.8})
    (few,) = quality(right(1.0, rows=20, answered=80), limits={"accuracy": 0.8}, min_labels=50)
    assert (none.verdict, few.verdict) == (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE)
    assert few.detail == {"labelled": 20, "answered": 80, "coverage": 0.25}


@pytest.mark.parametrize(
    ("broke", "share", "verdict"),
    [
        (10, 0.9, Verdict.OK),
        (11, 0.9, Verdict.INCONCLUSIVE),
        (300, 0.9, Verdict.INCONCLUSIVE),
        (300, 0.5, Verdict.BREACH),
    ],
)
def test_quality_is_not_ok_where_many_answers_are_left_out(broke: int, share: float, verdict: Verdict) -> None:
    (check,) = quality(replace(right(share), broke=broke), limits={"accuracy": 0.8})
    assert check.verdict is verdict
    assert check.value == share
    assert f"left out are the answers of {broke} whose rows broke the contract" in check.explanation
    assert ("is not known" in check.explanation) is (verdict is Verdict.INCONCLUSIVE)
    assert check.detail["left_out_share"] == broke / (200 + broke)


def test_what_a_quarantined_feed_was_answered_is_told_and_left_out_on_purpose() -> None:
    (check,) = quality(replace(right(0.9), of_feeds=300), limits={"accuracy": 0.8})
    assert check.verdict is Verdict.OK
    assert "left out are the answers of 300 of quarantined feeds" in check.explanation
    (none,) = quality(replace(right(0.9).take(np.array([], dtype=int)), broke=40), limits={"accuracy": 0.8})
    assert none.verdict is Verdict.INCONCLUSIVE
    assert "40 whose rows broke the contract" in none.explanation


def test_coverage_is_stated() -> None:
    (check,) = quality(right(0.9, rows=100, answered=400), limits={"accuracy": 0.8})
    assert check.detail["coverage"] == 0.25
    assert "100 of 400 answers have labels" in check.explanation


def test_fewer_labels_than_should_come_are_a_breach_even_where_quality_cannot_be_judged() -> None:
    def coverage(rows: int, answered: int) -> Verdict:
        given = right(0.9, rows=rows, answered=answered)
        *_, last = quality(given, limits={"accuracy": 0.8}, min_labels=50, min_coverage=0.5)
        assert last.detail["metric"] == "label_coverage"
        return last.verdict

    assert coverage(20, 400) is Verdict.BREACH
    assert coverage(190, 400) is Verdict.INCONCLUSIVE, "perhaps by chance"
    assert coverage(210, 400) is Verdict.OK
    assert coverage(3, 20) is Verdict.INCONCLUSIVE
    assert len(quality(right(0.9), limits={"accuracy": 0.8})) == 1, "not judged unless it is given"


def test_a_metric_without_limit_or_holdout_cannot_be_judged() -> None:
    (check,) = quality(right(0.9), max_degradation=0.2, baseline={})
    assert check.verdict is Verdict.INCONCLUSIVE
