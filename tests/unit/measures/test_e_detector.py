from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.measures.e_detector import EDetector, log_evidence


def test_the_evidence_of_a_uniform_p_value_is_one_on_average() -> None:
    # The mixture is heavy-tailed near 0: its integral is taken over ln p, not by drawing.
    logs = np.linspace(math.log(1e-12), 0, 20_001)
    values = np.array([math.exp(log_evidence(math.exp(log)) + log) for log in logs])
    assert np.trapezoid(values, logs) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("p", [1.0, 1 - 1e-12, 1 - 1e-4, 1 - 2e-3])
def test_the_series_near_one_meets_the_closed_form(p: float) -> None:
    assert math.exp(log_evidence(p)) == pytest.approx(0.5 - math.log(p) / 6, abs=1e-5)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.1, math.nan])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < p ≤ 1"):
        log_evidence(p)


def test_false_alarms_take_at_least_the_stated_mean_time() -> None:
    rng = np.random.default_rng(0)
    times = []
    for _run in range(200):
        detector = EDetector()
        while not detector.alarms(30) and detector.steps < 2000:
            detector = detector.stepped(float(1 - rng.random()), start_us=0)
        times.append(detector.steps)
    # The mean of 200 such times has a standard error of about 7 %.
    assert np.mean(times) >= 30


def test_small_p_values_add_up_and_the_climb_is_dated() -> None:
    detector = EDetector()
    for week, p in enumerate([0.9, 0.8, 0.01, 0.02, 0.01]):
        detector = detector.stepped(p, start_us=week)
    assert detector.alarms(100)
    assert detector.since_us == 2


def test_a_huge_value_stays_a_number() -> None:
    detector = EDetector()
    for _step in range(100):
        detector = detector.stepped(1e-9, start_us=0)
    assert math.isfinite(math.exp(detector.log_value))
