"""Groups that are answered differently: surely, perhaps, more than before, or too few to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from tests.unit.monitoring.windows import MINUTE_US, START_US, window_of

from trimtab.core.enums import Task, Verdict
from trimtab.measures.group_metrics import GroupShare, Rate, groups_of, rate_shares
from trimtab.monitoring.answered import AnsweredRows, LabelledRows, delivered_name
from trimtab.monitoring.check import Check
from trimtab.monitoring.fairness import FairnessMonitor, FairnessSettings
from trimtab.monitoring.window import WindowData


def settings(**given: Any) -> FairnessSettings:
    return FairnessSettings.model_validate(
        {"group": {"column": "sex"}, "limits": {"demographic_parity_difference": 0.2}} | given
    )


def drawn(rates: Mapping[str, tuple[int, float]], seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Groups, each of so many rows, of which exactly such a share is answered yes; in any order."""
    groups = np.concatenate([np.array([name] * rows, dtype=object) for name, (rows, _) in rates.items()])
    said = np.concatenate([np.arange(rows) < round(rows * rate) for rows, rate in rates.values()])
    order = np.random.default_rng(seed).permutation(len(groups))
    return groups[order], np.where(said[order], "yes", "no")


def window(
    groups: NDArray[Any],
    said: NDArray[Any],
    truth: Sequence[str] | NDArray[Any] | None = None,
    *,
    before: Mapping[str, Mapping[str, Mapping[str, GroupShare]]] | None = None,
    column: str = "sex",
) -> WindowData:
    times = START_US + np.arange(len(said)) * MINUTE_US
    columns = {column: groups}
    labelled = None
    if truth is not None:
        labelled = LabelledRows(np.array(truth), said, None, times, len(said), columns=columns)
    data = window_of({}, labelled=labelled)
    rows = AnsweredRows(times, said, None, columns)
    return replace(data, answers_in=lambda _window: rows, baseline_groups=before or {})


def checks(data: WindowData, **given: Any) -> tuple[Check, ...]:
    return FairnessMonitor(settings(**given)).check(data).checks


def test_a_difference_beyond_the_limit_is_a_breach_that_names_both_groups() -> None:
    (check,) = checks(window(*drawn({"women": (400, 0.1), "men": (400, 0.5)})))
    assert check.verdict is Verdict.BREACH
    assert check.value == pytest.approx(0.4)
    assert check.detail["between"] == ["women", "men"]
    assert check.detail["low"] > 0.2
    assert "0.1 of women, 0.5 of men" in check.explanation


def test_what_chance_may_have_done_is_inconclusive_and_little_is_ok() -> None:
    (perhaps,) = checks(window(*drawn({"women": (40, 0.2), "men": (40, 0.45)})))
    assert perhaps.verdict is Verdict.INCONCLUSIVE
    (little,) = checks(window(*drawn({"women": (400, 0.4), "men": (400, 0.45)})))
    assert little.verdict is Verdict.OK


def test_a_group_of_two_is_listed_and_not_judged() -> None:
    groups, said = drawn({"women": (60, 0.5), "others": (2, 0.0)})
    (check,) = checks(window(groups, said))
    assert (check.verdict, check.value) == (Verdict.INCONCLUSIVE, None)
    assert "only women" in check.explanation
    assert {one["group"]: one["rows"] for one in check.detail["groups"]} == {"women": 60, "others": 2}

    groups, said = drawn({"women": (60, 0.5), "others": (2, 0.0), "men": (60, 0.5)})
    (check,) = checks(window(groups, said))
    assert (check.verdict, check.value) == (Verdict.OK, 0.0)
    assert {"others", "men"} < {one["group"] for one in check.detail["groups"]}


def test_a_window_with_few_answers_is_not_judged() -> None:
    (check,) = checks(window(*drawn({"women": (10, 0.0), "men": (10, 1.0)})), min_group=5)
    assert (check.verdict, check.explanation) == (Verdict.INCONCLUSIVE, "20 answers in the window, 30 needed")


def test_odds_are_those_of_rows_with_labels() -> None:
    groups, said = drawn({"women": (400, 0.5), "men": (400, 0.5)})
    # Every second woman who deserves it is refused, and as many get it who do not.
    truth = np.where((groups == "women") & (np.arange(800) % 2 == 0), np.where(said == "yes", "no", "yes"), said)
    given = {"limits": {"equalized_odds_difference": 0.2, "demographic_parity_difference": 0.2}}
    odds, parity = checks(window(groups, said, truth), **given)
    assert (odds.verdict, parity.verdict) == (Verdict.BREACH, Verdict.OK)
    assert odds.detail["between"] in (["women", "men"], ["men", "women"])
    unknown, _ = checks(window(groups, said), **given)
    assert unknown.verdict is Verdict.INCONCLUSIVE
    assert "no group has 30 rows for the true positive rate" in unknown.explanation


def baseline(groups: NDArray[Any], said: NDArray[Any], key: str = "sex[]=") -> dict[str, Any]:
    names, codes = groups_of(groups)
    shares = rate_shares(names, codes, said == "yes", said == "yes")
    return {key: {rate.value: by_group for rate, by_group in shares.items()}}


def test_a_gap_that_was_there_before_is_no_increase() -> None:
    wide = drawn({"women": (800, 0.1), "men": (800, 0.5)})
    narrow = drawn({"women": (800, 0.45), "men": (800, 0.5)}, seed=1)
    given = {"limits": {}, "max_increase": 0.1}
    same, _ = checks(window(*wide, before=baseline(*wide)), **given)
    assert same.verdict is Verdict.OK
    assert same.value == pytest.approx(0.0)
    wider, odds = checks(window(*wide, before=baseline(*narrow)), **given)
    assert wider.verdict is Verdict.BREACH
    assert wider.value == pytest.approx(0.35)
    assert (wider.detail["metric"], wider.detail["baseline"]) == (
        "demographic_parity_difference_increase",
        pytest.approx(0.05),
    )
    assert odds.verdict is Verdict.INCONCLUSIVE, "nothing is labelled"


def test_a_version_that_was_made_before_is_to_be_trained_anew() -> None:
    (check,) = checks(window(*drawn({"a": (60, 0.5), "b": (60, 0.5)})), limits={}, max_increase=0.1)[:1]
    assert check.verdict is Verdict.INCONCLUSIVE
    assert "retrain once" in check.explanation


def test_columns_that_the_model_must_not_see_come_with_deliveries() -> None:
    found = window(*drawn({"women": (400, 0.1), "men": (400, 0.5)}), column=delivered_name("sex"))
    group = {"column": "sex", "from": "deliveries"}
    asked = settings(group=group)
    assert (asked.row_columns, asked.delivered_columns) == ((), ("sex",))
    (check,) = checks(found, group=group)
    assert check.verdict is Verdict.BREACH
    (absent,) = checks(found)
    assert (absent.verdict, absent.value) == (Verdict.INCONCLUSIVE, None)
    assert "from: deliveries" in absent.explanation, "who asks among the features is told where to find it"


def test_numbers_are_cut_at_edges_and_rows_without_a_group_are_left_out() -> None:
    said = np.where(np.arange(300) % 3 == 0, "yes", "no")
    ages = np.where(said == "yes", 70.0, np.where(np.arange(300) % 3 == 1, 30.0, np.nan))
    (check,) = checks(window(ages, said), group={"column": "sex", "edges": [25, 60]})
    assert (check.verdict, check.value) == (Verdict.BREACH, 1.0)
    assert check.detail["between"] == ["25 to 60", "60 and more"]


def test_numbers_have_no_favourable_class() -> None:
    data = replace(window(*drawn({"a": (60, 0.5), "b": (60, 0.5)})), task=Task.REGRESSION, positive_class=None)
    (check,) = checks(data)
    assert check.verdict is Verdict.INCONCLUSIVE
    several = replace(data, task=Task.MULTICLASS)
    assert checks(several, favourable="yes")[0].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"limits": {}}, "neither limits nor max_increase"),
        ({"limits": {"parity": 0.1}}, "expected metrics among demographic_parity_difference"),
        ({"limits": {"demographic_parity_ratio": 80}}, "outside 0..1"),
        ({"group": {"column": "age", "edges": [60, 25]}}, "ascending"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        settings(**given)


def test_the_key_of_groups_tells_how_they_were_cut() -> None:
    cut = settings(group={"column": "age", "edges": [25, 60.5]}, favourable="yes")
    assert cut.group_key == "age[25,60.5]=yes"
    assert set(baseline(*drawn({"a": (5, 0.5)}))) == {settings().group_key}
    assert Rate("selection_rate") is Rate.SELECTION
