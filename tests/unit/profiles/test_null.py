from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.enums import ColumnKind
from trimtab.measures.cell_distances import Measure, cell_distances
from trimtab.profiles.coded_rows import MAX_ROWS, CodedRows, code_rows
from trimtab.profiles.null import null_of_mixed_rows, null_of_windows, observed, share_of
from trimtab.profiles.profile import Profile
from trimtab.profiles.slots import DAY_US, fitting_length_us, row_slots, time_slots

HOUR_US = DAY_US // 24
KINDS = {"x": ColumnKind.NUMBER, "c": ColumnKind.CATEGORY}


def table(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table({"x": rng.normal(size=rows), "c": rng.choice(["a", "b", "d"], rows)})


def hourly(days: int, seed: int = 0) -> CodedRows:
    rows = days * 24
    return code_rows(table(rows, seed), KINDS, time_us=np.arange(rows) * HOUR_US)


def test_the_null_by_sums_is_the_one_by_a_loop_over_rows() -> None:
    coded = hourly(40)
    slots = time_slots(coded, start_us=50 * DAY_US, end_us=52 * DAY_US)
    null = null_of_windows(coded, ["x", "c"], slots, rows=48, measure=Measure.KS)
    expected = []
    for first in range(slots.windows):
        inside = (slots.slot >= first) & (slots.slot < first + 8)
        near = (slots.slot >= first - 8) & (slots.slot < first + 16)
        row = []
        for name in ("x", "c"):
            cells = coded.rulers[name].cells + 1
            left, right = (np.bincount(coded.codes[name][kept], minlength=cells) for kept in (inside, ~near))
            ordered = coded.rulers[name].ordered
            row.append(cell_distances(left, right, measure=Measure.KS, ordered=ordered)[0])
        expected.append(row)
    assert slots.width == 8
    assert null.distances == pytest.approx(np.array(expected))
    assert null.windows == pytest.approx(slots.windows / 8)


def test_windows_with_more_rows_than_the_judged_one_are_thinned_to_its_noise() -> None:
    coded = hourly(200)
    slots = time_slots(coded, start_us=0, end_us=7 * DAY_US)
    full, thin = (null_of_windows(coded, ["x"], slots, rows=rows, measure=Measure.KS) for rows in (168, 21))
    # A distance of independent rows goes with the root of their number.
    assert thin.distances.mean() / full.distances.mean() == pytest.approx(np.sqrt(8), rel=0.15)


def test_nearly_as_many_rows_share_a_null_that_is_never_of_more_rows() -> None:
    slots = time_slots(hourly(200), start_us=0, end_us=7 * DAY_US)
    shares = {rows: share_of(slots, rows) for rows in (100, 101, 102, 168, 169, 5000)}
    assert shares[100] == shares[101] <= 100 / 168
    assert shares[102] >= 100 / 168 / 1.05
    assert shares[168] == shares[169] == shares[5000] == 1.0


def test_looks_at_one_day_share_their_windows_and_those_of_another_season_do_not() -> None:
    coded = hourly(800)
    looks = [time_slots(coded, start_us=start, end_us=start + 7 * DAY_US) for start in (0, HOUR_US, 90 * DAY_US)]
    assert looks[0].digest == looks[1].digest != looks[2].digest


def test_a_gap_in_the_reference_makes_no_window() -> None:
    times = np.r_[np.arange(100), np.arange(300, 400)] * HOUR_US
    coded = code_rows(table(200), KINDS, time_us=times)
    slots = time_slots(coded, start_us=500 * HOUR_US, end_us=524 * HOUR_US)
    null = null_of_windows(coded, ["x"], slots, rows=24, measure=Measure.KS)
    assert len(null.distances) < slots.windows
    assert np.isfinite(null.distances).all()


def test_two_years_of_reference_answer_with_the_same_season() -> None:
    coded = hourly(800)
    slots = time_slots(coded, start_us=810 * DAY_US, end_us=817 * DAY_US)
    days = np.flatnonzero(slots.slot >= 0) // 24
    apart = (days - 813.5 % 365.2425) % 365.2425
    assert len(days)
    assert (np.minimum(apart, 365.2425 - apart) <= 46).all()


def test_a_short_reference_shortens_the_window_and_one_without_times_does_not() -> None:
    assert fitting_length_us(hourly(300), 7 * DAY_US) == 7 * DAY_US
    assert fitting_length_us(hourly(100), 28 * DAY_US) == 3 * DAY_US
    assert fitting_length_us(hourly(10), 28 * DAY_US) == 9 * HOUR_US
    assert fitting_length_us(code_rows(table(9), KINDS, time_us=None), DAY_US) == DAY_US


def test_mixed_rows_are_as_far_apart_as_two_samples_of_that_size() -> None:
    coded = code_rows(table(400), KINDS, time_us=None)
    rng = np.random.default_rng(0)
    null = null_of_mixed_rows(coded, ["x"], rows=100, measure=Measure.KS, rng=rng)
    apart = []
    for _draw in range(200):
        one, other = rng.normal(size=100), np.sort(rng.normal(size=400))
        grid = np.sort(np.r_[one, other])
        share = [np.searchsorted(np.sort(part), grid, side="right") / len(part) for part in (one, other)]
        apart.append(np.abs(share[0] - share[1]).max())
    assert null.distances.mean() == pytest.approx(np.mean(apart), rel=0.1)
    assert null.windows == 4


def test_memory_of_neighbouring_rows_is_measured_where_rows_are_mixed() -> None:
    steps = np.random.default_rng(1).normal(size=500)
    for place in range(1, 500):
        steps[place] += 0.9 * steps[place - 1]
    coded = code_rows(pa.table({"x": steps}), {"x": ColumnKind.NUMBER}, time_us=None)
    null = null_of_mixed_rows(coded, ["x"], rows=100, measure=Measure.KS, rng=np.random.default_rng(0))
    assert 8 < null.memory[0] < 40


def test_what_is_observed_is_read_from_profiles_with_its_error_taken_off() -> None:
    coded = code_rows(table(3000), KINDS, time_us=None)
    null = null_of_windows(coded, ["x", "c"], row_slots(3000, 100), rows=100, measure=Measure.KS)
    few, many = Profile.of_table(table(100, 5), KINDS), Profile.of_table(table(50_000, 5), KINDS)
    seen = observed(null, coded.rulers, few.columns, measure=Measure.KS)
    assert seen.errors.tolist() == [0.0, 0.0]
    codes = coded.rulers["x"].code_numbers(table(100, 5)["x"].to_numpy())
    counts = np.bincount(codes, minlength=coded.rulers["x"].cells + 1)
    exact = cell_distances(counts, null.whole["x"], measure=Measure.KS, ordered=True)
    assert seen.distances[0] == pytest.approx(exact[0])
    assert np.isnan(seen.shifts).tolist() == [False, True]
    seen = observed(null, coded.rulers, many.columns, measure=Measure.KS)
    assert 0.001 < seen.errors[0] < 0.004
    absent = observed(null, coded.rulers, {"c": few.columns["x"]}, measure=Measure.KS)
    assert np.isnan([absent.distances, absent.shifts]).all()


def test_of_very_many_rows_evenly_spread_ones_are_kept() -> None:
    rows = MAX_ROWS * 2
    coded = code_rows(pa.table({"x": np.arange(float(rows))}), {"x": ColumnKind.NUMBER}, time_us=np.arange(rows))
    assert (coded.rows, coded.thinning) == (MAX_ROWS, 2.0)
    assert coded.span_us == rows - 1
    assert np.bincount(coded.codes["x"]).max() < MAX_ROWS / 100
