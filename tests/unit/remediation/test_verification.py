from __future__ import annotations

import pytest
from tests.unit.remediation.cases import BREACH, INCONCLUSIVE, OK, check, quality

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.impact import impact_of_retraining
from trimtab.remediation.verification import Verified, verify

PROMISE = PredictedImpact("mape", 0.9, 0.3, False, "holdout")
BEFORE = (quality(BREACH), check(BREACH))


def test_retraining_promises_what_the_version_once_reached() -> None:
    impact = impact_of_retraining([quality(BREACH, hour=-3, value=0.5), quality(BREACH)])
    assert impact is not None
    assert (impact.metric, impact.now, impact.expected, impact.higher_is_better) == ("mape", 0.9, 0.3, False)
    assert "120 labelled rows" in impact.basis


def test_retraining_promises_nothing_where_nothing_was_lost_or_is_known() -> None:
    impact = impact_of_retraining([quality(OK, value=0.2)])
    assert impact is not None
    assert (impact.expected, impact.now) == (0.2, 0.2)
    assert impact_of_retraining([quality(BREACH, baseline=None)]) is None
    assert impact_of_retraining([quality(INCONCLUSIVE, value=None)]) is None
    assert impact_of_retraining([quality(BREACH)], "rmse") is None


@pytest.mark.parametrize(
    ("after", "verdict", "told"),
    [
        (quality(OK, hour=5, value=0.35), OK, "improved"),
        (quality(BREACH, hour=5, value=0.58), OK, "improved"),
        (quality(BREACH, hour=5, value=0.8), INCONCLUSIVE, "less than half"),
        (quality(BREACH, hour=5, value=0.9), BREACH, "no improvement"),
        (quality(BREACH, hour=5, value=1.2), BREACH, "no improvement"),
        (quality(INCONCLUSIVE, hour=5, value=None), INCONCLUSIVE, "not been measured"),
    ],
)
def test_a_promise_is_held_against_what_was_measured_after(after: Check, verdict: Verdict, told: str) -> None:
    verified = verify(PROMISE, BEFORE, (after, check(OK, hour=5)))
    assert verified.verdict is verdict
    assert told in verified.explanation


def test_numbers_before_and_after_and_new_breaches_are_told() -> None:
    verified = verify(PROMISE, BEFORE, (quality(OK, hour=5, value=0.35), check(BREACH, column="age", hour=5)))
    assert verified.before["model_quality of mape"] == 0.9
    assert verified.after["model_quality of mape"] == 0.35
    assert "breaches before 2, after 1; breaches since then: data_drift of age" in verified.explanation
    assert Verified.from_json(verified.to_json()) == verified


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ((check(OK, hour=5),), OK),
        ((check(BREACH, hour=5),), BREACH),
        ((check(INCONCLUSIVE, hour=5),), INCONCLUSIVE),
        ((check(OK, column="age", hour=5),), INCONCLUSIVE),
        ((), INCONCLUSIVE),
    ],
)
def test_without_a_promise_what_breached_must_be_ok(after: tuple[Check, ...], verdict: Verdict) -> None:
    assert verify(None, (check(BREACH), check(OK, column="age")), after).verdict is verdict
