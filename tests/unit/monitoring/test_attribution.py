"""Contributions of features, now and then: the same, in another order, moved, too few."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.monitoring.windows import window_of

from trimtab.core.enums import Verdict
from trimtab.core.errors import DataContractError
from trimtab.monitoring.attribution import AttributionDriftMonitor, AttributionDriftSettings
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.explained import Explained

FEATURES = ("age", "chol", "pain", "smokes")
THEN = np.array([0.5, 0.3, 0.15, 0.05])


def contributed(sizes: NDArray[np.float64], rows: int, seed: int, noise: float = 1.0) -> NDArray[np.float64]:
    """Rows whose features contribute as much in the mean, to one side or the other."""
    return sizes * np.random.default_rng(seed).normal(0, noise, size=(rows, len(sizes)))


def checks(
    now: NDArray[np.float64],
    then: NDArray[np.float64] | None = None,
    settings: AttributionDriftSettings | None = None,
) -> tuple[Check, ...]:
    baseline = contributed(THEN, 200, seed=0) if then is None else then
    features = FEATURES[: now.shape[1]]
    data = replace(window_of({}), explain=lambda window: Explained(features, baseline, now))
    return AttributionDriftMonitor(settings or AttributionDriftSettings()).check(data).checks


def test_rows_of_the_version_itself_agree_fully() -> None:
    agreement, moved = checks(contributed(THEN, 200, seed=0))
    assert (agreement.verdict, agreement.value) == (Verdict.OK, 1.0)
    assert (moved.verdict, moved.value) == (Verdict.OK, 0.0)


def test_windows_in_which_nothing_changed_are_hardly_ever_in_breach() -> None:
    wrong = sum(
        check.verdict is Verdict.BREACH for seed in range(60) for check in checks(contributed(THEN, 60, seed=seed + 1))
    )
    assert wrong <= 1


def test_another_order_is_a_breach_and_names_what_moved() -> None:
    agreement, moved = checks(contributed(THEN[::-1], 200, seed=1))
    assert (agreement.verdict, moved.verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert agreement.detail["features"][0]["feature"] in ("age", "smokes")
    assert "moved most" in agreement.explanation


def test_what_keeps_the_order_is_seen_by_the_shares_that_moved() -> None:
    agreement, moved = checks(contributed(np.array([0.9, 0.06, 0.03, 0.01]), 200, seed=1))
    assert (agreement.verdict, moved.verdict) == (Verdict.OK, Verdict.BREACH)
    assert moved.value == pytest.approx(0.4, abs=0.05)


def test_what_so_few_rows_cannot_tell_apart_moves_the_limit() -> None:
    # Heavy tails, and no feature ahead: a few rows decide.
    then = np.random.default_rng(0).standard_t(2.5, (200, 4))
    strict = AttributionDriftSettings(min_agreement=0.99, max_moved=0.02)
    agreement, moved = checks(np.random.default_rng(1).standard_t(2.5, (30, 4)), then, strict)
    assert agreement.threshold is not None
    assert moved.threshold is not None
    assert agreement.threshold < 0.99
    assert moved.threshold > 0.1
    assert Verdict.BREACH not in (agreement.verdict, moved.verdict)


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (contributed(THEN, 2, seed=0), None, "2 rows explained"),
        (contributed(THEN, 90, seed=0), contributed(THEN, 5, seed=0), "5 of when the version was made"),
        (contributed(THEN[:1], 90, seed=0), contributed(THEN[:1], 90, seed=0), "a single feature"),
        (contributed(THEN, 90, seed=0), np.zeros((90, 4)), "nothing to rank"),
    ],
)
def test_what_cannot_be_judged_is_inconclusive(
    now: NDArray[np.float64], then: NDArray[np.float64] | None, said: str
) -> None:
    (check,) = checks(now, then)
    assert (check.verdict, check.value) == (Verdict.INCONCLUSIVE, None)
    assert said in check.explanation


def test_a_version_that_cannot_be_asked_is_inconclusive() -> None:
    def refuse(window: Window) -> Explained:
        raise DataContractError("version 3: made 2029-01-01, without rows: retrain once")

    monitor = AttributionDriftMonitor(AttributionDriftSettings())
    (check,) = monitor.check(replace(window_of({}), explain=refuse)).checks
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "retrain once" in check.explanation
