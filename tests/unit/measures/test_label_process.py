from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from trimtab.core.errors import ConfigError
from trimtab.measures.label_process import LabelProcess

WEIGHTS = (0.05, 0.05, 0.1, 0.1, 0.25, 0.25, 0.25, 0.5, 0.5, 0.9)


def _chance(ratio: float, probability: float) -> float:
    return ratio * probability / (ratio * probability + 1 - probability)


def _paths(null_ratio: float, true_ratio: float) -> list[tuple[float, list[float]]]:
    """Every sequence of labels with its exact chance, and the e-value after each event."""
    found = []
    for labels in itertools.product((0, 1), repeat=len(WEIGHTS)):
        chance, process, values = 1.0, LabelProcess.start(null_ratio), []
        for label, weight in zip(labels, WEIGHTS, strict=True):
            q = _chance(true_ratio, weight)
            chance *= q if label else 1 - q
            process = process.with_counts(weight, label, 1 - label)
            values.append(math.exp(float(process.log_e)))
        found.append((chance, values))
    return found


@pytest.mark.parametrize("null_ratio", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("share", [0.05, 0.7, 1.0])
def test_the_expected_e_value_is_at_most_one_under_every_ratio_of_the_null(null_ratio: float, share: float) -> None:
    paths = _paths(null_ratio, null_ratio * share)

    assert sum(chance for chance, _ in paths) == pytest.approx(1)
    for event in range(len(WEIGHTS)):
        expected = sum(chance * values[event] for chance, values in paths)
        assert expected <= 1 + 1e-9
        if share == 1.0:
            assert expected == pytest.approx(1)


def test_it_is_seldom_above_a_bound_at_any_look() -> None:
    paths = _paths(1.0, 1.0)
    for alpha in (0.5, 0.2, 0.05):
        assert sum(chance for chance, values in paths if max(values) >= 1 / alpha) <= alpha


def test_it_grows_without_end_when_the_candidate_has_more_than_its_share() -> None:
    process = LabelProcess.start(1.5)
    for _ in range(5):
        before, process = process, process.with_counts(0.1, candidate=20, stable=60)
        assert process.log_e > before.log_e
    assert process.log_e > math.log(1e5)


def test_the_safe_side_is_the_same_process_with_the_versions_exchanged() -> None:
    # Three of 1 000 events at a tenth of the traffic: the ratio is far below 1.5.
    safe = LabelProcess.start(1 / 1.5).with_counts(0.9, candidate=997, stable=3)
    harm = LabelProcess.start(1.5).with_counts(0.1, candidate=3, stable=997)

    assert safe.log_e > math.log(20)
    assert harm.log_e < 0


def test_at_probability_zero_and_one_an_event_says_nothing() -> None:
    process = LabelProcess.start(1.0).with_counts(0.5, 3, 1)
    for probability in (0.0, 1.0):
        assert process.with_counts(probability, 1000, 1000).log_e == process.log_e


def test_several_processes_side_by_side_are_what_each_is_alone() -> None:
    candidate, stable = np.array([0, 3, 50]), np.array([7, 2, 0])
    together = LabelProcess.start(1.0, shape=(3,)).with_counts(0.25, candidate, stable)
    alone = [LabelProcess.start(1.0).with_counts(0.25, int(c), int(s)) for c, s in zip(candidate, stable, strict=True)]

    assert together.log_e.tolist() == pytest.approx([float(process.log_e) for process in alone])


@pytest.mark.parametrize("probability", [-0.1, 1.1, math.nan])
def test_a_probability_that_is_none_is_refused(probability: float) -> None:
    with pytest.raises(ConfigError, match=r"not in 0\.\.1"):
        LabelProcess.start(1.0).with_counts(probability, 1, 1)


@pytest.mark.parametrize(("ratio", "ratio_max"), [(0.0, 50.0), (math.nan, 50.0), (math.inf, 50.0), (1.0, 1.0)])
def test_a_ratio_that_is_none_is_refused(ratio: float, ratio_max: float) -> None:
    with pytest.raises(ConfigError, match="expected a ratio above 0"):
        LabelProcess.start(ratio, ratio_max=ratio_max)
