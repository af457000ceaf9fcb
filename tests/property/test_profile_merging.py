from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.core.enums import ColumnKind
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import SKETCH_K, NumberProfile
from trimtab.profiles.profile import Profile, merge_all

KINDS = {"x": ColumnKind.NUMBER, "c": ColumnKind.CATEGORY}

numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, float("nan"), float("inf")])
rows = st.lists(st.tuples(numbers, st.none() | st.text(max_size=3)), max_size=40)


def profile_of(content: list[tuple[float, str | None]]) -> Profile:
    table = pa.table(
        {"x": pa.array([x for x, _ in content], pa.float64()), "c": pa.array([c for _, c in content], pa.string())}
    )
    return Profile.of_table(table, KINDS)


def assert_alike(left: Profile, right: Profile) -> None:
    assert left.rows == right.rows
    x, y = left.columns["x"], right.columns["x"]
    assert isinstance(x, NumberProfile)
    assert isinstance(y, NumberProfile)
    assert (x.count, x.missing, x.infinite) == (y.count, y.missing, y.infinite)
    assert [x.mean, x.min, x.max] == pytest.approx([y.mean, y.min, y.max], nan_ok=True, abs=1e-6)
    assert x.m2 == pytest.approx(y.m2, rel=1e-6, abs=1e-3)
    assert np.array_equal(x.points()[0], y.points()[0])
    assert left.columns["c"] == right.columns["c"]


@given(rows, rows, rows)
def test_merging_is_associative_and_commutative_and_equals_profiling_at_once(
    a: list[tuple[float, str | None]], b: list[tuple[float, str | None]], c: list[tuple[float, str | None]]
) -> None:
    pa_, pb, pc = profile_of(a), profile_of(b), profile_of(c)
    assert_alike(pa_.merge(pb).merge(pc), pa_.merge(pb.merge(pc)))
    assert_alike(pa_.merge(pb), pb.merge(pa_))
    assert_alike(merge_all([pa_, pb, pc]), profile_of(a + b + c))


@given(rows)
def test_bytes_round_trip(content: list[tuple[float, str | None]]) -> None:
    profile = profile_of(content)
    again = Profile.from_bytes(profile.to_bytes())
    assert_alike(again, profile)
    assert again.to_bytes() == profile.to_bytes()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12))
def test_a_merged_large_column_stays_within_the_sketchs_error(seed: int, parts: int) -> None:
    values = np.random.default_rng(seed).gamma(2.0, size=8 * SKETCH_K)
    merged = NumberProfile.merged([NumberProfile.of(part) for part in np.array_split(values, parts)])
    assert merged.count == len(values)
    for limit in np.quantile(values, [0.1, 0.5, 0.9]):
        assert abs(merged.share_below(float(limit)) - (values < limit).mean()) <= 4 * merged.rank_error


@given(st.lists(st.lists(st.integers(0, 3000), max_size=400), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_counts_of_many_categories_err_by_no_more_than_stated(deliveries: list[list[int]]) -> None:
    texts = [[str(value) for value in delivery] + [f"f{place}" for place in range(900)] for delivery in deliveries]
    merged = CategoryProfile.merged([CategoryProfile.of(delivery) for delivery in texts])
    truth = Counter(value for delivery in texts for value in delivery)
    assert merged.count == truth.total()
    for value, count in truth.items():
        assert count - merged.error <= merged.counts.get(value, 0) <= count
