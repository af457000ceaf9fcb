from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.remediation.cases import BREACH, HOUR_US, INCONCLUSIVE, NOW_US, OK, check, quality

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.remediation.actions import PredictedImpact
from trimtab.remediation.impact import impact_of_going_back, impact_of_retraining
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


ENDED_US = NOW_US + 5 * HOUR_US
"""The end of an action after whose fifth hour checks are made."""


def _window(found: Check, start_h: float, end_h: float, **detail: object) -> Check:
    window = Window(NOW_US + int(start_h * HOUR_US), NOW_US + int(end_h * HOUR_US))
    return replace(found, window=window, detail=found.detail | detail)


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (_window(check(OK), 0, 5), INCONCLUSIVE),
        (_window(check(OK), 0, 9), INCONCLUSIVE),
        (_window(check(OK), 1, 9), OK),
        (_window(check(OK), 6, 7), OK),
        (_window(check(BREACH), 4, 9), INCONCLUSIVE),
        (_window(check(BREACH), 5, 6), BREACH),
    ],
)
def test_a_window_of_before_the_actions_end_says_nothing_of_it(after: Check, verdict: Verdict) -> None:
    assert verify(None, (check(BREACH),), (after,), since_us=ENDED_US).verdict is verdict


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        (_window(quality(OK, value=0.35), 1, 9), OK),
        (_window(quality(OK, value=0.35), 1, 8), INCONCLUSIVE),
        (_window(quality(OK, value=0.35), 1, 9, label_lag_p50_s=2 * 3600.0), INCONCLUSIVE),
        (_window(quality(OK, value=0.35), 1, 11, label_lag_p50_s=2 * 3600.0), OK),
        (_window(quality(OK, value=0.35), 1, 9, label_lag_p50_s=float("nan")), OK),
        (_window(quality(OK, value=0.35), 1, 9, label_lag_p50_s=2 * 3600.0, late=True), OK),
        (_window(quality(BREACH, value=0.58), 1, 8), INCONCLUSIVE),
        (_window(quality(BREACH, value=0.95), 4, 9), INCONCLUSIVE),
        (_window(quality(BREACH, value=0.95), 5, 9), BREACH),
        (_window(quality(BREACH, value=float("nan")), 5, 9), INCONCLUSIVE),
    ],
)
def test_a_metric_is_held_against_rows_of_after_the_action_where_the_version_served_before(
    after: Check, verdict: Verdict
) -> None:
    found = verify(PROMISE, BEFORE, (after,), since_us=ENDED_US)
    assert found.verdict is verdict
    assert all(map(math.isfinite, found.after.values()))


def test_what_was_wrong_before_a_changed_setting_is_not_blamed_on_it() -> None:
    mended = _window(check(OK), 5, 6)
    other = check(BREACH, column="age")
    before = verify(None, (check(BREACH),), (mended, _window(other, 0, 6)), since_us=ENDED_US, strict=True)
    since = verify(None, (check(BREACH),), (mended, _window(other, 5, 6)), since_us=ENDED_US, strict=True)
    assert (before.verdict, since.verdict) == (OK, BREACH)


_VERDICTS = st.sampled_from([OK, BREACH, INCONCLUSIVE])
_VALUES = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True))


@given(
    st.lists(st.tuples(_VERDICTS, st.booleans(), st.integers(-9, 5), st.integers(1, 9), _VALUES), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_windows_that_ended_before_the_action_never_settle_it(
    drawn: list[tuple[Verdict, bool, int, int, float | None]], promised: bool, strict: bool
) -> None:
    after = [
        _window(quality(verdict, value=value) if of_quality else check(verdict, value=value), end - length, end)
        for verdict, of_quality, end, length, value in drawn
    ]
    found = verify(PROMISE if promised else None, BEFORE, after, since_us=ENDED_US, strict=strict)
    assert found.verdict is INCONCLUSIVE
    assert all(map(math.isfinite, found.after.values()))


def test_a_promise_is_held_against_all_rows_and_not_against_the_worst_segment() -> None:
    whole = quality(OK, hour=5, value=0.35)
    segment = replace(quality(BREACH, hour=5, value=0.95), column="sex")
    assert verify(PROMISE, BEFORE, (whole, segment)).verdict is OK
    assert verify(PROMISE, BEFORE, (segment,)).verdict is INCONCLUSIVE


def test_how_many_outcomes_came_promises_nothing_about_quality() -> None:
    coverage = replace(quality(BREACH, value=0.2), detail={"metric": "label_coverage"})
    assert impact_of_retraining([coverage, quality(BREACH)]) == impact_of_retraining([quality(BREACH)])
    assert impact_of_going_back([coverage], [coverage]) is None
