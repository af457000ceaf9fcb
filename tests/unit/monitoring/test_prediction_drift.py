"""Answers that have moved are told, features that have not are no part of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.unit.monitoring.windows import CONTRACTS, START_US, reference_of, window_of

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.base import Judged
from trimtab.monitoring.check import Window
from trimtab.monitoring.prediction_drift import PredictionDriftMonitor, PredictionDriftSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.periods import PREDICTION, PROBABILITY, PeriodProfile
from trimtab.profiles.profile import Profile
from trimtab.profiles.reference import Reference, build_reference

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
KINDS = {"chol": ColumnKind.NUMBER, PREDICTION: ColumnKind.CATEGORY, PROBABILITY: ColumnKind.NUMBER}


def answered(rows: int, seed: int, *, sick: float) -> pa.Table:
    rng = np.random.default_rng(seed)
    chance = rng.beta(8 * sick, 8 * (1 - sick), rows)
    answers = np.where(chance > 0.5, "yes", "no")
    return pa.table({"chol": rng.normal(245, 50, rows), PREDICTION: answers, PROBABILITY: chance})


def reference() -> Reference:
    """A year of 200 rows a day."""
    rows = 365 * 200
    times = START_US - 400 * DAY_US + np.arange(rows) * (DAY_US // 200)
    return build_reference(answered(rows, 0, sick=0.3), KINDS, time_us=times)


REFERENCE = reference()


def day(number: int, *, sick: float) -> WindowData:
    start_us = START_US // DAY_US * DAY_US + number * DAY_US
    profile = Profile.of_table(answered(200, 100 + number, sick=sick), KINDS)
    period = PeriodProfile("heart", "stable", 1, start_us, 86_400, profile)
    window = Window(start_us, start_us + DAY_US)
    contracts = {"chol": CONTRACTS["chol"]}
    return replace(window_of({}), reference=REFERENCE, window=window, periods=(period,), columns=contracts)


def days(count: int, *, sick: float) -> list[Judged]:
    monitor, found, state = PredictionDriftMonitor(PredictionDriftSettings()), [], None
    for number in range(count):
        found.append(monitor.check(replace(day(number, sick=sick), state=state)))
        state = found[-1].state or state
    return found


def test_answers_that_moved_are_an_alarm_that_names_them() -> None:
    found = days(4, sick=0.6)
    overall = found[-1].checks[-1]
    assert overall.verdict is Verdict.BREACH
    assert "the answers have drifted" in overall.explanation
    assert [check.column for check in found[-1].checks] == [PREDICTION, PROBABILITY, None]
    assert found[-1].checks[1].verdict is Verdict.BREACH
    assert {check.kind for check in found[-1].checks} == {"prediction_drift"}


def test_answers_as_usual_are_none() -> None:
    assert {judged.checks[-1].verdict for judged in days(10, sick=0.3)} == {Verdict.OK}


def test_a_bundle_without_answers_in_its_reference_is_inconclusive() -> None:
    data = replace(day(0, sick=0.3), reference=reference_of({"chol": np.arange(50.0)}))
    (check,) = PredictionDriftMonitor(PredictionDriftSettings()).check(data).checks
    assert (check.verdict, "retrain once" in check.explanation) == (Verdict.INCONCLUSIVE, True)


def test_columns_are_not_for_anybody_to_name() -> None:
    with pytest.raises(ValidationError, match="columns"):
        PredictionDriftSettings.model_validate({"columns": ["chol"]})
