from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.monitoring.windows import CONTRACTS, MINUTE_US, START_US, Columns, patients, reference_of, window_of

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.causes import name_causes
from trimtab.monitoring.units import CONVERSIONS, conversions_from

ROWS, MOMENT = 120, 45


def cause_of(name: str, values: object, contract: ColumnContract | None = None) -> Cause:
    contracts = CONTRACTS if contract is None else {**CONTRACTS, name: contract}
    columns = {**patients(ROWS, seed=5), name: values}
    (cause,) = name_causes(window_of(columns, contracts=contracts), [name])
    return cause


def chol(after: np.ndarray, until: int = ROWS) -> np.ndarray:
    values = np.asarray(patients(ROWS, seed=5)["chol"], dtype=float)
    values[MOMENT:until] = after[MOMENT:until]
    return values


SOUND = np.asarray(patients(ROWS, seed=5)["chol"], dtype=float)


@pytest.mark.parametrize("unit", ["mg/dL", "mg/dl"])
def test_unit_change_is_named_with_factor_and_moment(unit: str) -> None:
    cause = cause_of("chol", chol(SOUND / 38.67), ColumnContract(type=ColumnKind.NUMBER, unit=unit))
    assert cause.kind is CauseKind.UNIT_CHANGE
    assert cause.factor == pytest.approx(1 / 38.67)
    assert cause.known_unit == "mg/dL → mmol/L (÷ 38.67)"
    assert (cause.since_us, cause.until_us) == (START_US + MOMENT * MINUTE_US, None)


@pytest.mark.parametrize("factor", [1 / 38.67, 12.0, 1000.0])
@pytest.mark.parametrize("every", [1, 2])
def test_of_a_column_without_a_declared_unit_a_known_factor_is_told_and_no_unit(factor: float, every: int) -> None:
    values = SOUND.copy()
    values[MOMENT::every] *= factor
    cause = cause_of("chol", values, ColumnContract(type=ColumnKind.NUMBER))
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "a known conversion")
    assert cause.factor == pytest.approx(factor)
    assert "mg" not in cause.explanation
    assert "→" not in cause.explanation


@pytest.mark.parametrize("unit", ["mg/dL", None])
@pytest.mark.parametrize("every", [1, 2])
def test_a_factor_that_lies_beside_a_known_one_is_not_taken_for_it(unit: str | None, every: int) -> None:
    values = SOUND.copy()
    values[MOMENT::every] *= 14.0
    cause = cause_of("chol", values, ColumnContract(type=ColumnKind.NUMBER, unit=unit))
    assert cause.known_unit is None
    assert cause.factor == pytest.approx(14.0, rel=0.08)
    assert "multiplied by about 1" in cause.explanation


def test_ages_in_months_are_named_as_such() -> None:
    ages = np.asarray(patients(ROWS, seed=5)["age"], dtype=float)
    ages[MOMENT:] *= 12
    cause = cause_of("age", ages, ColumnContract(type=ColumnKind.NUMBER, unit="years"))
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "years → months (× 12)")


def test_a_feed_that_was_repaired_has_an_end() -> None:
    cause = cause_of("chol", chol(SOUND / 38.67, until=90))
    assert cause.kind is CauseKind.UNIT_CHANGE
    assert (cause.since_us, cause.until_us) == (START_US + MOMENT * MINUTE_US, START_US + 90 * MINUTE_US)
    assert cause.since_row_share == pytest.approx(45 / ROWS)


def test_a_change_before_the_window_has_no_moment_in_it() -> None:
    cause = cause_of("chol", SOUND / 38.67)
    assert (cause.kind, cause.since_us, cause.since_row_share) == (CauseKind.UNIT_CHANGE, None, 1.0)
    assert "in the whole window" in cause.explanation


def test_segments_that_share_a_period_count_as_one() -> None:
    columns = {**patients(ROWS, seed=5), "chol": chol(SOUND / 38.67)}
    data = window_of(columns)
    twice = replace(data, periods=tuple(sorted(data.periods * 2, key=lambda period: period.start_us)))
    (once,), (cause,) = name_causes(data, ["chol"]), name_causes(twice, ["chol"])
    assert (cause.kind, cause.since_us, cause.since_row_share) == (once.kind, once.since_us, once.since_row_share)
    assert cause.evidence["rows"] == 2 * once.evidence["rows"]


def test_unit_change_of_one_sender_among_several_is_named() -> None:
    mixed = SOUND.copy()
    mixed[MOMENT::2] /= 38.67
    cause = cause_of("chol", mixed)
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "mg/dL → mmol/L (÷ 38.67)")
    assert cause.since_us is not None
    assert abs(cause.since_us - START_US - MOMENT * MINUTE_US) <= 4 * MINUTE_US
    assert cause.evidence["share"] == pytest.approx(0.5, abs=0.05)


def test_a_conversion_with_an_offset_is_named() -> None:
    contracts = {"t": ColumnContract(type=ColumnKind.NUMBER, unit="°F")}
    rng = np.random.default_rng(0)
    reference = reference_of({"t": rng.normal(70, 9, 500)}, contracts)
    celsius = (rng.normal(70, 9, 80) - 32) * 5 / 9
    (cause,) = name_causes(window_of({"t": celsius}, reference=reference, contracts=contracts))
    assert cause.kind is CauseKind.UNIT_CHANGE
    assert cause.known_unit is not None
    assert cause.known_unit.startswith("°F → °C")


def test_factor_and_offset_together_are_named_also_where_nobody_declared_a_unit() -> None:
    contracts = {"t": ColumnContract(type=ColumnKind.NUMBER)}
    rng = np.random.default_rng(0)
    reference = reference_of({"t": rng.gamma(2.0, 10.0, 800)}, contracts)
    fahrenheit = rng.gamma(2.0, 10.0, 600) * 1.8 + 32
    (cause,) = name_causes(window_of({"t": fahrenheit}, reference=reference, contracts=contracts))
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, "a known conversion")


@pytest.mark.parametrize("factor", [1.6, 2.0, 2.54])
@pytest.mark.parametrize("unit", ["mg/dL", None])
def test_growth_is_not_taken_for_a_unit_change(factor: float, unit: str | None) -> None:
    cause = cause_of("chol", SOUND * factor, ColumnContract(type=ColumnKind.NUMBER, unit=unit))
    assert (cause.kind, cause.known_unit) == (CauseKind.SHIFT, None)
    assert cause.factor == pytest.approx(factor, rel=0.1)


def test_an_offset_is_a_shift() -> None:
    cause = cause_of("chol", chol(SOUND + 200))
    assert cause.kind is CauseKind.SHIFT
    assert cause.evidence["offset"] == pytest.approx(200, rel=0.1)
    assert cause.since_us == START_US + MOMENT * MINUTE_US


def test_a_huge_factor_that_no_table_knows_is_a_unit_change_without_a_name() -> None:
    cause = cause_of("chol", SOUND * 31.7)
    assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, None)
    assert cause.factor == pytest.approx(31.7, rel=0.1)


def test_a_stuck_value_is_named() -> None:
    cause = cause_of("chol", chol(np.full(ROWS, 251.0)))
    assert (cause.kind, cause.evidence["value"]) == (CauseKind.STUCK, 251.0)
    assert cause.since_us == START_US + MOMENT * MINUTE_US


def test_nulls_are_named_with_their_moment() -> None:
    cause = cause_of("chol", chol(np.full(ROWS, np.nan)))
    assert cause.kind is CauseKind.NULLS
    assert cause.since_us == START_US + MOMENT * MINUTE_US
    assert cause.evidence["missing_share"] == 1.0


def test_a_new_category_is_named() -> None:
    pain = ["none"] * MOMENT + ["none", "unbearable"] * ((ROWS - MOMENT + 1) // 2)
    cause = cause_of("pain", pain[:ROWS])
    assert (cause.kind, cause.evidence["new"]) == (CauseKind.NEW_CATEGORY, ["unbearable"])


def test_a_category_that_became_frequent_is_a_shift() -> None:
    cause = cause_of("pain", ["severe"] * ROWS)
    assert (cause.kind, cause.evidence["value"]) == (CauseKind.SHIFT, "severe")


def test_a_change_of_shape_alone_is_unknown() -> None:
    two_humps = np.where(np.arange(ROWS) % 2, 150.0, 340.0) + np.random.default_rng(0).normal(0, 8, ROWS)
    assert cause_of("chol", two_humps).kind is CauseKind.UNKNOWN


def test_sound_windows_have_no_causes() -> None:
    for seed in range(1, 6):
        assert name_causes(window_of(patients(80, seed))) == ()
    assert name_causes(window_of({})) == ()


def test_every_known_conversion_is_named_when_it_happens() -> None:
    for known in CONVERSIONS:
        rng = np.random.default_rng(0)
        contracts = {"x": ColumnContract(type=ColumnKind.NUMBER, unit=known.before)}
        reference = reference_of({"x": rng.gamma(9, 12, 400)}, contracts)
        window = known.apply(rng.gamma(9, 12, 150))
        (cause,) = name_causes(window_of({"x": window}, reference=reference, contracts=contracts), ["x"])
        assert (cause.kind, cause.known_unit) == (CauseKind.UNIT_CHANGE, known.label), known


def test_conversions_undo_what_they_do() -> None:
    values = np.array([1.0, 50.0])
    for known in conversions_from(None) + CONVERSIONS:
        assert known.undo(known.apply(values)) == pytest.approx(values)
        assert known.factor <= 1 / 5 or known.factor >= 5 or known in CONVERSIONS


def swapped(first: str, second: str, columns: Columns, since: int) -> Columns:
    mine, others = list(columns[first]), list(columns[second])
    return {**columns, first: mine[:since] + others[since:], second: others[:since] + mine[since:]}


def test_columns_that_have_each_others_values_are_named_with_the_moment() -> None:
    data = window_of(swapped("chol", "age", patients(ROWS, seed=5), since=MOMENT))
    found = {cause.column: cause for cause in name_causes(data, ["chol", "age"])}
    assert {cause.kind for cause in found.values()} == {CauseKind.SWAPPED_COLUMNS}
    assert (found["chol"].evidence["other"], found["age"].evidence["other"]) == ("age", "chol")
    assert {cause.since_us for cause in found.values()} == {START_US + MOMENT * MINUTE_US}


def test_categories_that_have_each_others_values_are_no_new_ones() -> None:
    contracts = {**CONTRACTS, "colour": ColumnContract(type=ColumnKind.CATEGORY)}
    colours = np.random.default_rng(1).choice(["red", "blue"], 240, p=[0.8, 0.2]).tolist()
    reference = reference_of({**patients(240, seed=0), "colour": colours}, contracts)
    columns = {**patients(ROWS, seed=5), "colour": colours[:ROWS]}
    sound = window_of(columns, reference=reference, contracts=contracts)
    assert name_causes(sound) == ()
    data = window_of(swapped("pain", "colour", columns, since=0), reference=reference, contracts=contracts)
    assert {cause.kind for cause in name_causes(data, ["pain", "colour"])} == {CauseKind.SWAPPED_COLUMNS}


def test_one_column_that_looks_like_another_is_not_swapped() -> None:
    columns = patients(ROWS, seed=5)
    data = window_of({**columns, "chol": np.asarray(columns["age"]) + 0.0})
    (cause,) = name_causes(data, ["chol"])
    assert cause.kind is not CauseKind.SWAPPED_COLUMNS
