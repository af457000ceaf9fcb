"""Plain tests are those of SciPy and Evidently, number for number, on real rows."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from scipy import stats
from tests.unit.monitoring.windows import patients, reference_of, window_of

from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.check import Check
from trimtab.monitoring.plain_drift import (
    Method,
    PlainDriftMonitor,
    PlainDriftSettings,
    plain_distance,
    plain_p_value,
)
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.profile import ColumnProfile, Profile

BIKES = Path(__file__).parents[3] / "examples" / "demo" / "data"

# Given by Evidently 0.7.23 (SciPy 1.17.1, pandas 2) on the first 2000 hours of the first year against the first 400 of
# the second; "weekday" as a category.
EVIDENTLY = {
    ("count", "psi"): 2.078496394128242,
    ("count", "js"): 0.4113476593846995,
    ("count", "wasserstein"): 2.4025248389864604,
    ("tmin", "psi"): 3.9843242794400373,
    ("tmin", "js"): 0.5107113929198424,
    ("tmin", "wasserstein"): 1.251093983231656,
    ("month", "psi"): 4.7882453896209975,
    ("month", "js"): 0.5154403819369116,
    ("month", "wasserstein"): 1.295150222735056,
    ("weekday", "psi"): 0.028337980801260983,
    ("weekday", "js"): 0.059468087383972044,
}
EVIDENTLY_P = {
    ("count", "ks"): 5.596442093562723e-76,
    ("tmin", "ks"): 3.1778806555771003e-74,
    ("month", "ks"): 4.397642930186152e-78,
    ("weekday", "chi2"): 0.06785793793222902,
}
WHOLE_YEARS = {"wasserstein": 0.7801564218586955, "psi": 0.45622101100859996, "js": 0.22365677321096794}
"""Of ``count``, all 8760 hours of each year: beyond what a sketch holds exactly."""


@cache
def year(number: int) -> pa.Table:
    return pq.read_table(BIKES / f"bikes-year-{number}.parquet")


def column(number: int, rows: int, name: str) -> ColumnProfile:
    kind = ColumnKind.CATEGORY if name == "weekday" else ColumnKind.NUMBER
    return Profile.of_table(year(number).slice(0, rows), {name: kind}).columns[name]


def plain(columns: dict[str, object], **settings: object) -> dict[str | None, Check]:
    monitor = PlainDriftMonitor(PlainDriftSettings.model_validate(settings))
    return {check.column: check for check in monitor.check(window_of(columns)).checks}


@pytest.mark.parametrize(("name", "method"), EVIDENTLY)
def test_distances_are_evidentlys(name: str, method: Method) -> None:
    found = plain_distance(column(2, 400, name), column(1, 2000, name), method)
    assert found == pytest.approx(EVIDENTLY[name, method], rel=1e-9)


@pytest.mark.parametrize(("name", "method"), EVIDENTLY_P)
def test_p_values_are_evidentlys(name: str, method: Method) -> None:
    found = plain_p_value(column(2, 400, name), column(1, 2000, name), method)
    assert found == pytest.approx(EVIDENTLY_P[name, method], rel=1e-6)


@pytest.mark.parametrize("method", WHOLE_YEARS)
def test_of_more_rows_than_a_sketch_holds_distances_are_close(method: Method) -> None:
    found = plain_distance(column(2, 8760, "count"), column(1, 8760, "count"), method)
    # Ranks are off by 0.2 %; the Wasserstein distance lacks what lies beyond both's outermost half per cents.
    assert found == pytest.approx(WHOLE_YEARS[method], rel=0.05)


@pytest.mark.parametrize("rows", [(40, 1500), (900, 900), (1, 50)])
def test_a_ks_p_value_is_scipys(rows: tuple[int, int]) -> None:
    rng = np.random.default_rng(5)
    first, second = (np.round(rng.normal(size=count), 1) for count in rows)
    found = plain_p_value(NumberProfile.of(first), NumberProfile.of(second), "ks")
    assert found == pytest.approx(stats.ks_2samp(first, second).pvalue, rel=1e-9)


def test_a_ks_p_value_of_large_samples_gives_what_the_sketches_may_be_off() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=50_000), rng.normal(0.2, 1, size=50_000)
    assert plain_p_value(NumberProfile.of(first), NumberProfile.of(second), "ks") < 1e-9
    assert plain_p_value(NumberProfile.of(first), NumberProfile.of(first[::-1]), "ks") > 0.9


def test_a_limit_is_reached_as_the_method_says() -> None:
    columns = {**patients(200, seed=8), "chol": np.asarray(patients(200, seed=8)["chol"]) + 40}
    by_p = plain(columns, method="ks", p_value=0.001)
    assert (by_p["chol"].verdict, by_p["age"].verdict) == (Verdict.BREACH, Verdict.OK)
    assert (by_p["chol"].detail["method"], by_p["pain"].detail["method"]) == ("ks", "chi2")
    assert by_p["chol"].detail["causes"]
    by_distance = plain(columns, method="wasserstein", threshold=0.5)
    assert (by_distance["chol"].verdict, by_distance["pain"].detail["method"]) == (Verdict.BREACH, "js")
    overall = by_distance[None]
    assert (overall.value, overall.verdict) == (0.25, Verdict.OK)
    assert plain(columns, method="ks", threshold=0.2, drift_share=0.25)[None].verdict is Verdict.BREACH


def test_the_whole_names_the_columns_that_it_says_nothing_of() -> None:
    found = plain({**patients(60, seed=1), "chol": [None] * 60}, method="psi", threshold=0.5)
    assert found["chol"].verdict is Verdict.INCONCLUSIVE
    assert found[None].explanation.startswith("0 of 3 columns drifted")
    assert found[None].explanation.endswith("; not judged: chol")


def test_a_category_that_was_never_expected_has_no_chance() -> None:
    found = plain({**patients(60, seed=1), "pain": ["purple"] * 60}, method="chi2", p_value=0.05)["pain"]
    assert (found.verdict, found.value) == (Verdict.BREACH, 0.0)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "either threshold or p_value"),
        ({"threshold": 0.1, "p_value": 0.05}, "either threshold or p_value"),
        ({"method": "psi", "p_value": 0.05}, "has no p_value"),
        ({"method": "chi2", "threshold": 3.0}, "give a p_value"),
    ],
)
def test_a_limit_that_the_method_has_not_is_refused(settings: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PlainDriftSettings.model_validate(settings)


def test_an_empty_window_has_no_rows_rather_than_no_columns() -> None:
    found = plain({"age": []}, method="ks", p_value=0.05)
    assert {check.verdict for check in found.values()} == {Verdict.INCONCLUSIVE}
    assert found["age"].explanation == "age: 0 rows in the window, 30 needed"


@pytest.mark.parametrize("huge", [1e308, 1e200])
@pytest.mark.parametrize(
    "settings",
    [
        {"method": "psi", "threshold": 0.1},
        {"method": "js", "threshold": 0.1},
        {"method": "wasserstein", "threshold": 0.1},
        {"method": "chi2", "p_value": 0.05},
    ],
)
def test_values_that_lie_beyond_all_measure_leave_the_other_columns_judged(
    settings: dict[str, object], huge: float
) -> None:
    given = [float(row) for row in range(60)]
    before = {"age": [*given[:-2], huge, -huge], "chol": given}
    monitor = PlainDriftMonitor(PlainDriftSettings.model_validate(settings))
    data = window_of({"age": given, "chol": given}, reference=reference_of(before))
    found = {check.column: check for check in monitor.check(data).checks}
    assert found["chol"].verdict is not Verdict.INCONCLUSIVE
    if huge == 1e308 or settings["method"] == "wasserstein":
        assert found["age"].verdict is Verdict.INCONCLUSIVE
        assert "too far apart" in found["age"].explanation
