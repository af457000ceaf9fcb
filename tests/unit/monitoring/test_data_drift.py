from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.monitoring.windows import MINUTE_US, START_US, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind, Severity, Verdict
from trimtab.measures.distances import ks_sorted
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.monitoring.data_drift import DataDriftMonitor
from trimtab.monitoring.settings import DataDriftSettings
from trimtab.monitoring.window import WindowData
from trimtab.profiles.reference import build_reference


def drift(data: WindowData, **settings: object) -> dict[str | None, Check]:
    monitor = DataDriftMonitor(DataDriftSettings.model_validate(settings))
    return {check.column: check for check in monitor.check(data)}


def ar1(rows: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    steps = rng.normal(size=rows + 100)
    for place in range(1, len(steps)):
        steps[place] += phi * steps[place - 1]
    return steps[100:]


@pytest.mark.parametrize("seed", range(1, 6))
def test_sound_windows_are_ok(seed: int) -> None:
    checks = drift(window_of(patients(80, seed)))
    assert {check.verdict for check in checks.values()} == {Verdict.OK}
    assert list(checks) == ["chol", "age", "pain", "smokes", None]


@pytest.mark.parametrize("rows", [60, 150])
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_change_of_unit_in_part_of_the_window_is_a_breach_that_names_it(rows: int, seed: int) -> None:
    columns = patients(rows, seed)
    chol = np.asarray(columns["chol"], dtype=float)
    chol[rows // 3 :] = np.round(chol[rows // 3 :] / 38.67, 2)
    checks = drift(window_of({**columns, "chol": chol}), severity="high")
    breach = checks["chol"]
    assert (breach.verdict, breach.severity) == (Verdict.BREACH, Severity.HIGH)
    cause = Cause.from_json(breach.detail["causes"][0])
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "mg/dL → mmol/L (÷ 38.67)")
    assert cause.since_us == START_US + rows // 3 * MINUTE_US
    assert cause.since_row_share == pytest.approx(2 / 3)
    assert "÷ 38.67" in breach.explanation
    assert {name for name, check in checks.items() if check.verdict is Verdict.BREACH} == {"chol"}


def test_the_value_is_the_exact_distance_while_sketches_are_exact() -> None:
    reference, window = patients(240, seed=0), patients(80, seed=3)
    expected = ks_sorted(np.sort(np.asarray(window["chol"], float)), np.sort(np.asarray(reference["chol"], float)))
    assert drift(window_of(window))["chol"].value == pytest.approx(expected)


def test_what_the_sketches_may_be_off_is_taken_off_the_distance() -> None:
    rng = np.random.default_rng(0)
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    reference = reference_of({"x": rng.normal(size=20_000)}, contracts)
    window = rng.normal(size=9000)
    check = drift(window_of({"x": window}, reference=reference, contracts=contracts))["x"]
    assert check.detail["sketch_error"] == pytest.approx(2 * 0.0014, abs=1e-3)
    assert check.value is not None
    assert check.value < 0.02


@pytest.mark.parametrize("method", ["ks", "psi", "js"])
def test_every_method_sees_a_shift_of_numbers_and_of_categories(method: str) -> None:
    columns = patients(120, seed=1)
    columns["chol"] = np.asarray(columns["chol"], float) + 120
    columns["pain"] = ["severe"] * 100 + ["none"] * 20
    checks = drift(window_of(columns), method=method)
    assert (checks["chol"].verdict, checks["pain"].verdict) == (Verdict.BREACH, Verdict.BREACH)
    assert (checks["age"].verdict, checks["smokes"].verdict) == (Verdict.OK, Verdict.OK)
    overall = checks[None]
    assert (overall.verdict, overall.value) == (Verdict.BREACH, 0.5)
    assert overall.detail["drifted"] == ["chol", "pain"]


def test_a_small_effect_is_no_breach_however_sure_it_is() -> None:
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    rng = np.random.default_rng(1)
    reference = reference_of({"x": rng.normal(size=50_000)}, contracts)
    data = window_of({"x": rng.normal(0.15, 1, 5000)}, reference=reference, contracts=contracts)
    assert drift(data)["x"].verdict is Verdict.OK
    assert drift(data, min_effect=0.01)["x"].verdict is Verdict.BREACH


def test_a_window_of_one_season_is_no_drift_when_the_reference_had_such_seasons() -> None:
    rng = np.random.default_rng(2)
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    hours = np.arange(24 * 100)
    daily = np.sin(2 * np.pi * hours / 24)
    reference = reference_of({"x": daily + rng.normal(0, 0.1, len(hours))}, contracts)
    night = daily[:34] + rng.normal(0, 0.1, 34)
    assert drift(window_of({"x": night}, reference=reference, contracts=contracts))["x"].verdict is Verdict.OK
    beyond = window_of({"x": night + 2.5}, reference=reference, contracts=contracts)
    assert drift(beyond)["x"].verdict is Verdict.BREACH


@pytest.mark.parametrize(("reference_rows", "rows"), [(1000, 100), (4000, 400)])
def test_rows_with_memory_raise_no_more_alarms_than_stated(reference_rows: int, rows: int) -> None:
    rng = np.random.default_rng(3)
    names = [f"x{place}" for place in range(6)]
    contracts = {name: ColumnContract(type=ColumnKind.NUMBER) for name in names}
    alarms, missed, windows = 0, 0, 60
    for turn in range(windows):
        if turn % 20 == 0:
            history = {name: ar1(reference_rows, 0.9, rng) for name in names}
            kinds = dict.fromkeys(names, ColumnKind.NUMBER)
            reference = build_reference(pa.table(history), kinds, time_us=None)
        sound = {name: ar1(rows, 0.9, rng) for name in names}
        checks = drift(window_of(sound, reference=reference, contracts=contracts), alpha=0.05)
        alarms += any(check.verdict is Verdict.BREACH for check in checks.values())
        moved = {**sound, "x0": sound["x0"] + 10.0}
        missed += drift(window_of(moved, reference=reference, contracts=contracts))["x0"].verdict is not Verdict.BREACH
    assert alarms <= 0.05 * windows + 3
    assert missed == 0


def test_few_rows_few_values_and_unknown_columns_are_inconclusive_with_the_reason() -> None:
    assert "10 rows in the window, 30 needed" in drift(window_of(patients(10, seed=1)))["chol"].explanation
    sparse = {**patients(60, seed=1), "chol": np.r_[np.full(5, 240.0), np.full(55, np.nan)]}
    found = drift(window_of(sparse))["chol"]
    assert (found.verdict, found.value) == (Verdict.INCONCLUSIVE, None)
    assert "5 values in 60 rows" in found.explanation
    assert "not in the reference" in drift(window_of(patients(60, seed=1)), columns=["weight"])["weight"].explanation


def test_a_constant_column_is_ok_where_it_was_constant_and_a_breach_where_it_was_not() -> None:
    contracts = {"x": ColumnContract(type=ColumnKind.NUMBER)}
    same, rng = np.full(60, 7.0), np.random.default_rng(0)
    constant, varied = (reference_of({"x": x}, contracts) for x in (np.full(200, 7.0), rng.normal(7, 2, 200)))
    assert drift(window_of({"x": same}, reference=constant, contracts=contracts))["x"].verdict is Verdict.OK
    stuck = drift(window_of({"x": same}, reference=varied, contracts=contracts))["x"]
    assert stuck.verdict is Verdict.BREACH
    assert stuck.detail["causes"][0]["kind"] == "stuck"
