from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.monitoring.windows import CONTRACTS, Columns, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Verdict
from trimtab.monitoring.check import Check, Window
from trimtab.monitoring.data_quality import DataQualityMonitor, DataQualitySettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.categories import MAX_VALUES

ROWS = 100


def quality(data: WindowData, **settings: object) -> dict[str | None, Check]:
    monitor = DataQualityMonitor(DataQualitySettings.model_validate(settings))
    return {check.column: check for check in monitor.check(data).checks}


def spoiled(name: str, share: float, value: object) -> Columns:
    columns = patients(ROWS, seed=1)
    values = list(columns[name])
    values[: round(share * ROWS)] = [value] * round(share * ROWS)
    return {**columns, name: values}


def test_a_sound_window_is_ok_in_every_column() -> None:
    checks = quality(window_of(patients(ROWS, seed=1)), min_volume=50)
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert list(checks) == ["chol", "age", "pain", "smokes", None]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("chol", None, "missing"),
        ("age", float("nan"), "missing"),
        ("pain", None, "missing"),
        ("smokes", None, "missing"),
        ("chol", 3.0, "out_of_range"),
        ("chol", 9999.0, "out_of_range"),
        ("chol", float("inf"), "out_of_range"),
        ("pain", "purple", "unseen"),
    ],
)
def test_a_fault_is_a_breach_beyond_its_share_and_none_below(name: str, value: object, problem: str) -> None:
    breach = quality(window_of(spoiled(name, 0.2, value)))[name]
    assert (breach.verdict, breach.detail["problem"]) == (Verdict.BREACH, problem)
    assert breach.value == pytest.approx(0.2)
    assert "20%" in breach.explanation
    assert quality(window_of(spoiled(name, 0.04, value)))[name].verdict is Verdict.OK


def test_missing_values_count_beyond_the_references_share() -> None:
    gappy = patients(200, seed=3)
    gappy["age"] = np.r_[np.full(60, np.nan), np.full(140, 50.0)]
    data = window_of(spoiled("age", 0.32, float("nan")), reference=reference_of(gappy))
    found = quality(data)["age"]
    assert found.verdict is Verdict.OK
    assert found.value == pytest.approx(0.02)


def test_without_declared_categories_those_of_the_reference_are_known() -> None:
    contracts = {**CONTRACTS, "pain": ColumnContract(type=ColumnKind.CATEGORY)}
    checks = quality(window_of(spoiled("pain", 0.2, "purple"), contracts=contracts))
    assert "'purple'" in checks["pain"].explanation


def test_where_nobody_says_which_categories_are_known_the_check_says_so() -> None:
    contracts = {**CONTRACTS, "pain": ColumnContract(type=ColumnKind.CATEGORY)}
    older = {name: values for name, values in patients(200, seed=3).items() if name != "pain"}
    new = window_of(spoiled("pain", 0.2, "purple"), contracts=contracts, reference=reference_of(older))
    found = quality(new)["pain"]
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.explanation.startswith("pain: complete in 100 rows; whether its values are known was not looked at")
    assert quality(replace(new, columns={**new.columns, "pain": CONTRACTS["pain"]}))["pain"].verdict is Verdict.BREACH

    codes = [f"c{place}" for place in range(2 * MAX_VALUES)]
    many = reference_of({"colour": codes}, {"colour": ColumnContract(type=ColumnKind.CATEGORY)})
    window = window_of(
        {"colour": codes[:100]}, contracts={"colour": ColumnContract(type=ColumnKind.CATEGORY)}, reference=many
    )
    found = quality(window)["colour"]
    assert found.verdict is Verdict.OK
    assert "lists none, or not all of its own" in found.explanation


def test_very_many_different_unknown_values_are_unknown_though_a_profile_lists_none_of_them() -> None:
    contracts = {**CONTRACTS, "pain": ColumnContract(type=ColumnKind.CATEGORY)}
    rows = MAX_VALUES + 200
    for every in (1, 2):
        columns = patients(rows * every, seed=1)
        columns["pain"] = [f"u{row}" if row % every == 0 else columns["pain"][row] for row in range(rows * every)]
        data = window_of(columns, contracts=contracts)
        found = quality(replace(data, window=Window(data.window.start_us, data.periods[-1].end_us)))["pain"]
        assert (found.verdict, found.detail["problem"]) == (Verdict.BREACH, "unseen"), every
        assert found.value == pytest.approx(1 / every, abs=0.01)
        (cause,) = found.detail["causes"]
        assert (cause["kind"], cause["evidence"]["share"]) == ("new_category", pytest.approx(1 / every, abs=0.01))


def test_a_column_that_the_reference_lacks_is_inconclusive_unless_it_breaks_the_contract() -> None:
    older = reference_of({"age": patients(200, seed=3)["age"]})
    checks = quality(window_of(patients(ROWS, seed=1), reference=older))
    assert checks["age"].verdict is Verdict.OK
    for name in ("chol", "pain", "smokes"):
        assert checks[name].verdict is Verdict.INCONCLUSIVE
        assert "the reference has no such column" in checks[name].explanation
    far = quality(window_of(spoiled("chol", 0.2, 9_000.0), reference=older))["chol"]
    assert far.verdict is Verdict.BREACH


def test_infinite_numbers_are_counted_beside_the_range_of_the_others() -> None:
    some = quality(window_of(spoiled("chol", 0.2, float("inf"))))["chol"].explanation
    assert "20% of values lie outside 50 to 700 (from 1" in some
    assert ", 20 infinite)" in some
    assert "(100 infinite)" in quality(window_of(spoiled("chol", 1.0, float("inf"))))["chol"].explanation


def test_an_absent_column_and_one_of_another_type_are_breaches() -> None:
    columns = {name: values for name, values in patients(ROWS, seed=1).items() if name != "chol"}
    assert "absent from all 100 rows" in quality(window_of(columns))["chol"].explanation
    contracts = {"pain": ColumnContract(type=ColumnKind.NUMBER)}
    found = quality(window_of(patients(ROWS, seed=1), contracts=contracts))["pain"]
    assert (found.verdict, found.detail["problem"]) == (Verdict.BREACH, "type")


def test_too_few_rows_breach_the_volume_and_none_at_all_are_inconclusive_without_one() -> None:
    assert quality(window_of(patients(40, seed=1)), min_volume=50)[None].verdict is Verdict.BREACH
    assert quality(window_of({}), min_volume=50)[None].verdict is Verdict.BREACH
    assert quality(window_of({}))[None].verdict is Verdict.INCONCLUSIVE
    alone = quality(window_of(patients(1, seed=1)))[None]
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert alone.explanation == "1 row in the window, 30 needed; neither min_volume nor volume_factor is given"
    assert quality(window_of(patients(1, seed=1)), min_volume=1)[None].verdict is Verdict.OK


def test_causes_stand_in_the_detail() -> None:
    columns = patients(ROWS, seed=1)
    columns["chol"] = np.asarray(columns["chol"], float) / 38.67
    found = quality(window_of(columns))["chol"]
    assert found.detail["problem"] == "out_of_range"
    assert found.detail["causes"][0]["kind"] == "unit_change"
