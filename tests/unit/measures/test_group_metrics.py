from __future__ import annotations

import numpy as np
import pytest

from trimtab.measures.group_metrics import (
    FAIRNESS_METRICS,
    GroupShare,
    Rate,
    disparity,
    groups_of,
    rate_shares,
)

Cells = dict[tuple[str, int, int], int]

# Rows of the Adult data by group, truth (more than 50K) and the answer of a rule that anyone can repeat: 13 years of
# education or more, or more than 50 hours a week.
BY_SEX: Cells = {
    **{("Female", 0, 0): 7570, ("Female", 0, 1): 2022, ("Female", 1, 0): 537, ("Female", 1, 1): 642},
    **{("Male", 0, 0): 11345, ("Male", 0, 1): 3783, ("Male", 1, 0): 2724, ("Male", 1, 1): 3938},
}
BY_RACE: Cells = {
    **{("Amer-Indian-Eskimo", 0, 0): 236, ("Amer-Indian-Eskimo", 0, 1): 39},
    **{("Amer-Indian-Eskimo", 1, 0): 18, ("Amer-Indian-Eskimo", 1, 1): 18},
    **{("Asian-Pac-Islander", 0, 0): 462, ("Asian-Pac-Islander", 0, 1): 301},
    **{("Asian-Pac-Islander", 1, 0): 74, ("Asian-Pac-Islander", 1, 1): 202},
    **{("Black", 0, 0): 2351, ("Black", 0, 1): 386, ("Black", 1, 0): 198, ("Black", 1, 1): 189},
    **{("Other", 0, 0): 198, ("Other", 0, 1): 48, ("Other", 1, 0): 12, ("Other", 1, 1): 13},
    **{("White", 0, 0): 15668, ("White", 0, 1): 5031, ("White", 1, 0): 2959, ("White", 1, 1): 4158},
}

# What Fairlearn 0.15.0 says of these rows.
FAIRLEARN = {
    "sex": {
        "demographic_parity_difference": 0.10700605611186598,
        "demographic_parity_ratio": 0.6980103661860433,
        "equalized_odds_difference": 0.04658451755923809,
        "equalized_odds_ratio": 0.8429797763004988,
        "equal_opportunity_difference": 0.04658451755923809,
        "equal_opportunity_ratio": 0.9211919614068959,
    },
    "race": {
        "demographic_parity_difference": 0.3008396027592695,
        "demographic_parity_ratio": 0.3785838026503359,
        "equalized_odds_difference": 0.25346508767048903,
        "equalized_odds_ratio": 0.3574954754399232,
        "equal_opportunity_difference": 0.24351196494775873,
        "equal_opportunity_ratio": 0.6672806815565276,
    },
}


def shares_of(cells: Cells) -> dict[Rate, dict[str, GroupShare]]:
    counts = list(cells.values())
    group, truth, said = (np.repeat(np.array(part), counts) for part in zip(*cells, strict=True))
    order = np.random.default_rng(0).permutation(len(group))
    names, codes = groups_of(group[order])
    return rate_shares(names, codes, said[order] == 1, truth[order] == 1)


@pytest.mark.parametrize(("column", "cells"), [("sex", BY_SEX), ("race", BY_RACE)])
@pytest.mark.parametrize("name", FAIRNESS_METRICS)
def test_every_metric_is_fairlearns(name: str, column: str, cells: Cells) -> None:
    found = disparity(FAIRNESS_METRICS[name], shares_of(cells), alpha=0.05)
    assert found.value == pytest.approx(FAIRLEARN[column][name], abs=1e-12)
    assert found.low <= found.value <= found.high


def test_bounds_of_two_groups_are_those_that_newcombe_published() -> None:
    # Table II (a), method 10: 56 of 70 and 48 of 80.
    shares = {Rate.SELECTION: {"a": GroupShare(56, 70), "b": GroupShare(48, 80)}}
    found = disparity(FAIRNESS_METRICS["demographic_parity_difference"], shares, alpha=0.05)
    assert (round(found.value, 4), round(found.low, 4), round(found.high, 4)) == (0.2, 0.0524, 0.3339)


@pytest.mark.parametrize("name", ["demographic_parity_difference", "demographic_parity_ratio"])
@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_groups_that_are_alike_are_rarely_found_to_differ(name: str, rate: float) -> None:
    rng, metric, wrong = np.random.default_rng(1), FAIRNESS_METRICS[name], 0
    for _ in range(400):
        shares = {str(group): GroupShare(int(rng.binomial(200, rate)), 200) for group in range(6)}
        found = disparity(metric, {Rate.SELECTION: shares}, alpha=0.05)
        wrong += found.high < 1 if metric.is_ratio else found.low > 0
    assert wrong / 400 <= 0.05


def test_rows_that_repeat_each_other_are_no_evidence() -> None:
    rng = np.random.default_rng(2)
    once = rng.random(100) < 0.4
    names, codes = groups_of(np.array(["a"] * 50 + ["b"] * 50))
    few = rate_shares(names, codes, once, None)[Rate.SELECTION]["a"]
    many = rate_shares(names, np.repeat(codes, 50), np.repeat(once, 50), None)[Rate.SELECTION]["a"]
    assert many.value == few.value
    assert many.rows == 50 * few.rows
    assert many.independent < 4 * few.rows


def test_a_rate_that_only_one_group_has_is_not_compared() -> None:
    shares = {Rate.TRUE_POSITIVE: {"a": GroupShare(1, 2)}, Rate.FALSE_POSITIVE: {}}
    assert np.isnan(disparity(FAIRNESS_METRICS["equalized_odds_difference"], shares, alpha=0.05).value)


def test_nobody_of_any_group_is_answered_favourably() -> None:
    shares = {Rate.SELECTION: {"a": GroupShare(0, 40), "b": GroupShare(0, 60)}}
    for name in ("demographic_parity_difference", "demographic_parity_ratio"):
        found = disparity(FAIRNESS_METRICS[name], shares, alpha=0.05)
        assert found.value == (1.0 if name.endswith("ratio") else 0.0)
        assert np.isfinite([found.low, found.high]).all()


def test_names_of_groups_do_not_hang_on_the_columns_type() -> None:
    assert groups_of(np.array([1, 2]))[0] == groups_of(np.array([1.0, 2.0]))[0] == ["1", "2"]
    assert groups_of(np.array([True, False]))[0] == ["false", "true"]
    assert groups_of(np.array([True, None, False], dtype=object))[0] == ["false", "missing", "true"]
    names, codes = groups_of(np.array(["b", None, "a", "b"], dtype=object))
    assert [names[code] for code in codes] == ["b", "missing", "a", "b"]
    assert groups_of(np.array([], dtype=object))[0] == []


def test_of_very_many_groups_the_frequent_ones_are_kept() -> None:
    values = np.array([f"g{place % 60:02d}" for place in range(600)] + ["often"] * 100)
    names, codes = groups_of(values)
    assert len(names) == 51
    assert "often" in names
    assert names[codes.max()] == "others"
