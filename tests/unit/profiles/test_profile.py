from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.categories import MAX_VALUES, CategoryProfile
from trimtab.profiles.numbers import SKETCH_K, NumberProfile
from trimtab.profiles.profile import Profile, merge_all

KINDS = {"age": ColumnKind.INTEGER, "sex": ColumnKind.CATEGORY, "smokes": ColumnKind.BOOLEAN}
TABLE = pa.table({"age": [40, 60, None], "sex": ["f", None, "f"], "smokes": [True, False, None], "note": ["", "", ""]})


def number(profile: Profile, name: str) -> NumberProfile:
    column = profile.columns[name]
    assert isinstance(column, NumberProfile)
    return column


def category(profile: Profile, name: str) -> CategoryProfile:
    column = profile.columns[name]
    assert isinstance(column, CategoryProfile)
    return column


def test_a_table_is_summarised_by_kind_and_only_where_asked() -> None:
    profile = Profile.of_table(TABLE, KINDS)
    assert set(profile.columns) == set(KINDS)
    age = number(profile, "age")
    assert (age.count, age.missing, age.mean, age.min, age.max) == (2, 1, 50.0, 40.0, 60.0)
    assert category(profile, "sex").counts == {"f": 2}
    assert category(profile, "smokes") == CategoryProfile(2, 1, {"false": 1, "true": 1})


def test_booleans_written_as_numbers_count_like_booleans() -> None:
    table = pa.table({"smokes": [1, 0, 1]})
    assert category(Profile.of_table(table, {"smokes": ColumnKind.BOOLEAN}), "smokes").counts == {"false": 1, "true": 2}


def test_times_are_seconds() -> None:
    table = pa.table({"seen": pa.array([datetime(1970, 1, 2, tzinfo=UTC), None], pa.timestamp("ms", tz="UTC"))})
    seen = number(Profile.of_table(table, {"seen": ColumnKind.DATETIME}), "seen")
    assert (seen.mean, seen.missing) == (86_400.0, 1)


def test_infinite_values_are_counted_apart() -> None:
    profile = NumberProfile.of(np.array([1.0, np.inf, -np.inf, np.nan]))
    assert (profile.count, profile.infinite, profile.missing, profile.rows) == (1, 2, 1, 4)
    assert (profile.min, profile.max, profile.mean) == (1.0, 1.0, 1.0)


def test_a_column_without_values_has_no_moments() -> None:
    profile = NumberProfile.of(np.full(3, np.nan))
    assert all(
        math.isnan(value) for value in (profile.mean, profile.std, profile.min, profile.max, profile.quantile(0.5))
    )
    assert (profile.share_below(1.0), profile.share_above(1.0)) == (0.0, 0.0)


def test_moments_of_numbers_far_from_zero_keep_their_digits() -> None:
    values = 1e9 + np.random.default_rng(0).normal(size=1000)
    merged = NumberProfile.merged([NumberProfile.of(part) for part in np.array_split(values, 50)])
    assert merged.std == pytest.approx(values.std(), rel=1e-6)


def test_a_small_column_is_exact_and_a_large_one_within_the_sketchs_error() -> None:
    rng = np.random.default_rng(1)
    small, large = rng.normal(size=SKETCH_K), rng.normal(size=200_000)
    exact, rough = NumberProfile.of(small), NumberProfile.of(large)
    assert exact.rank_error == 0.0
    assert np.array_equal(exact.points()[0], np.sort(small))
    assert 0 < rough.rank_error < 0.002
    assert rough.share_below(0.5) == pytest.approx((large < 0.5).mean(), abs=2 * rough.rank_error)


def test_shares_outside_a_limit_exclude_the_limit() -> None:
    profile = NumberProfile.of(np.array([1.0, 2.0, 2.0, 3.0]))
    assert (profile.share_below(2.0), profile.share_above(2.0)) == (0.25, 0.25)
    assert (profile.share_below(1.0), profile.share_above(3.0)) == (0.0, 0.0)


def test_many_categories_keep_the_frequent_ones_within_the_stated_error() -> None:
    values = [f"rare-{place}" for place in range(5 * MAX_VALUES)] + ["often"] * 20_000
    parts = [CategoryProfile.of(values[place::7]) for place in range(7)]
    profile = CategoryProfile.merged(parts)
    assert len(profile.counts) <= MAX_VALUES
    assert profile.count == len(values)
    assert 0 < profile.error <= profile.count / MAX_VALUES
    assert 20_000 - profile.error <= profile.counts["often"] <= 20_000
    assert profile.uncounted > 0


def test_overlong_values_are_cut() -> None:
    (value,) = CategoryProfile.of(["x" * 10_000]).counts
    assert len(value) == 200


def test_a_profile_of_a_few_rows_is_small() -> None:
    table = pa.table({f"c{place}": np.arange(5.0) for place in range(10)})
    content = Profile.of_table(table, dict.fromkeys(table.column_names, ColumnKind.NUMBER)).to_bytes()
    assert len(content) < 10 * 200


def test_bytes_read_back_as_the_same_profile() -> None:
    profile = Profile.of_table(TABLE, KINDS)
    again = Profile.from_bytes(profile.to_bytes())
    assert again.to_bytes() == profile.to_bytes()
    assert number(again, "age").mean == 50.0


def test_damaged_bytes_are_refused() -> None:
    content = Profile.of_table(TABLE, KINDS).to_bytes()
    damaged = [b"", b"\x00" * 40, content[:-3], content + b"\x00", content[:3] + b"\x09" + content[4:]]
    for broken in damaged:
        with pytest.raises(DataContractError, match="profile"):
            Profile.from_bytes(broken)


def test_every_flipped_byte_is_refused_or_read_without_a_crash() -> None:
    content = bytearray(Profile.of_table(TABLE, KINDS).to_bytes())
    refused = 0
    for place in range(len(content)):
        broken = bytes(content[:place]) + bytes([content[place] ^ 0xFF]) + bytes(content[place + 1 :])
        try:
            Profile.from_bytes(broken)
        except DataContractError:
            refused += 1
    assert refused > len(content) / 4


def test_absent_or_unreadable_columns_are_refused() -> None:
    with pytest.raises(DataContractError, match="'weight': absent"):
        Profile.of_table(TABLE, {"weight": ColumnKind.NUMBER})
    with pytest.raises(DataContractError, match="'sex': string"):
        Profile.of_table(TABLE, {"sex": ColumnKind.NUMBER})


def test_profiles_that_read_a_column_differently_do_not_merge() -> None:
    numbers = Profile.of_table(pa.table({"x": [1.0]}), {"x": ColumnKind.NUMBER})
    texts = Profile.of_table(pa.table({"x": [1.0]}), {"x": ColumnKind.CATEGORY})
    with pytest.raises(DataContractError, match="'x': numbers in one profile"):
        numbers.merge(texts)


def test_merging_leaves_the_parts_as_they_were() -> None:
    first = Profile.of_table(TABLE, KINDS)
    before = first.to_bytes()
    merged = first.merge(first)
    assert merged.rows == 6
    assert first.to_bytes() == before


def test_nothing_merged_is_empty() -> None:
    assert merge_all([]).rows == 0
    assert Profile.empty().merge(Profile.of_table(TABLE, KINDS)).rows == 3


@pytest.mark.parametrize("value", [7e153, 1e154, 1e308])
def test_periods_with_huge_values_are_merged_all_the_same(value: float) -> None:
    hours = [NumberProfile.of(np.array([value, -value])) for _ in range(3)]
    merged = NumberProfile.merged([*hours, NumberProfile.of(np.array([1.0, 2.0]))])
    assert (merged.count, merged.min, merged.max, merged.m2) == (8, -value, value, math.inf)
