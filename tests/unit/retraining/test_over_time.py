"""The rule over weeks of hours with memory: calm ones ask for nothing, a break is answered within three periods."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.retraining.ledgers import standing_of

from trimtab.core.enums import Task
from trimtab.retraining.gain import Advice, Cause, Costs, weigh
from trimtab.retraining.judged_rows import Judge, JudgedRows
from trimtab.retraining.ledger import PeriodLoss, VersionLosses
from trimtab.retraining.twins import Rows

Floats = NDArray[np.float64]
HOURS, BROKEN_AT, MOST = 168, 30, 60
HOUR_US = 3_600_000_000


def memory(rng: np.random.Generator, count: int) -> Floats:
    """Return AR(1) noise with φ = 0.9 and variance 1."""
    noise, shocks = np.zeros(count), rng.normal(size=count) * np.sqrt(1 - 0.9**2)
    for row in range(1, count):
        noise[row] = 0.9 * noise[row - 1] + shocks[row]
    return noise


def rows_of(seed: int, periods: int, change: str) -> list[JudgedRows]:
    """Return weeks whose version answers what was true before the break: 20 + a wave + 3x."""
    rng = np.random.default_rng(seed)
    count = HOURS * periods
    effect, late = rng.normal(size=count), np.arange(count) >= HOURS * BROKEN_AT
    answers = 20 + 5 * np.sin(np.arange(count) / 24 * 2 * np.pi) + 3 * effect
    truth = answers + 1.5 * memory(rng, count) * np.where(late & (change == "noise"), 3.0, 1.0)
    if change == "level":
        truth = truth + np.where(late, 8.0, 0.0)
    elif change == "flip":
        truth = truth - np.where(late, 6 * effect, 0.0)
    found = []
    for start in range(0, count, HOURS):
        part = slice(start, start + HOURS)
        at_us = np.arange(start, start + HOURS, dtype=np.int64) * HOUR_US
        rows = Rows(answers[part], truth[part], {"effect": effect[part]})
        found.append(JudgedRows(rows, at_us, start * HOUR_US, (start + HOURS) * HOUR_US))
    return found


def asked_at(seed: int, periods: int, change: str = "") -> list[tuple[int, Cause | None]]:
    """Return in which periods a training is advised, though none ever comes."""
    judge, rows = Judge(Task.REGRESSION, "mae"), rows_of(seed, periods, change)
    answers: dict[int, PeriodLoss] = {}
    twins: dict[str, dict[int, PeriodLoss]] = {}
    asked = []
    for place, period in enumerate(rows):
        answers[period.start_us] = judge.period(period, period.rows.answers)
        if place:
            before = [one.rows for one in rows[max(0, place - 2) : place]]
            past = Rows(
                np.concatenate([one.answers for one in before]),
                np.concatenate([one.truth for one in before]),
                {"effect": np.concatenate([one.features["effect"] for one in before])},
            )
            for name, loss in judge.twins(past, period).items():
                twins.setdefault(name, {})[period.start_us] = loss
        latest = sorted(answers)[-MOST:]
        ledger = VersionLosses(
            1,
            {start: answers[start] for start in latest},
            {name: {start: losses[start] for start in latest if start in losses} for name, losses in twins.items()},
        )
        reading = weigh(standing_of(ledger), Costs())
        if reading.advice is Advice.RETRAIN:
            asked.append((place, reading.cause))
    return asked


@pytest.mark.parametrize("seed", range(4))
def test_weeks_that_only_have_memory_ask_for_nothing(seed: int) -> None:
    assert asked_at(seed, 150) == []


@pytest.mark.parametrize("change", ["level", "flip"])
@pytest.mark.parametrize("seed", range(2))
def test_a_break_asks_for_a_training_within_three_labelled_periods(seed: int, change: str) -> None:
    place, cause = asked_at(seed, BROKEN_AT + 4, change)[0]
    assert BROKEN_AT < place <= BROKEN_AT + 2
    assert cause is Cause.STALE


def test_rows_that_have_become_harder_are_probed_and_not_taken_for_staleness() -> None:
    causes = {cause for _, cause in asked_at(0, BROKEN_AT + 10, "noise")}
    assert causes <= {Cause.PROBE}
