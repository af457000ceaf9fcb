"""Distinct rows are counted within the stated error, whoever counted which of them."""

from __future__ import annotations

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.duplicates import DISTINCT_ERROR, DistinctRows, RowHashes
from trimtab.profiles.periods import profile_segment
from trimtab.profiles.profile import Profile, merge_all

KINDS = {"x": ColumnKind.NUMBER, "kind": ColumnKind.CATEGORY, "@prediction": ColumnKind.NUMBER}


def rows(count: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    kinds = rng.choice(["a", "b"], count)
    return pa.table({"x": rng.normal(size=count), "kind": kinds, "@prediction": rng.normal(size=count)})


def sketch(count: int, seed: int = 0) -> DistinctRows:
    return DistinctRows.of(np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64))


def distinct(profile: Profile) -> float:
    assert profile.distinct is not None
    return profile.distinct.estimate


@pytest.mark.parametrize("count", [0, 1, 10, 168, 1_000, 5_000, 20_000, 300_000])
def test_the_estimate_keeps_its_stated_error(count: int) -> None:
    found = np.array([sketch(count, seed).estimate for seed in range(12)])
    assert np.sqrt(np.mean((found - count) ** 2)) <= 1.6 * DISTINCT_ERROR * count


def test_merging_is_counting_the_union_in_any_order() -> None:
    parts = [sketch(3_000, seed) for seed in range(4)]
    whole = DistinctRows.merged(parts).registers.tolist()
    assert DistinctRows.merged([DistinctRows.merged(parts[2:]), *parts[1::-1]]).registers.tolist() == whole
    assert DistinctRows.merged([*parts, *parts]).registers.tolist() == whole
    assert DistinctRows.merged([]).estimate == 0.0


def test_rows_count_as_equal_when_their_features_are_whatever_was_answered() -> None:
    once = rows(4_000)
    twice = pa.concat_tables([once, once.set_column(2, "@prediction", pa.array(np.zeros(4_000)))])
    assert distinct(Profile.of_table(twice, KINDS)) == distinct(Profile.of_table(once, KINDS))
    assert distinct(Profile.of_table(once, KINDS)) == pytest.approx(4_000, rel=4 * DISTINCT_ERROR)
    assert Profile.of_table(once, {"@prediction": ColumnKind.NUMBER}).distinct is None


def test_missing_and_negative_zero_are_one_value_each() -> None:
    hashes = RowHashes(4)
    hashes.add_numbers("x", np.array([0.0, -0.0, np.nan, -np.nan]))
    hashes.add_categories("kind", ["a"], np.array([0, 0, 1, 1]))
    found = hashes.finished()
    assert found[0] == found[1] != found[2] == found[3]
    swapped = RowHashes(4)
    swapped.add_categories("kind", ["a"], np.array([0, 0, 1, 1]))
    swapped.add_numbers("x", np.array([0.0, -0.0, np.nan, -np.nan]))
    assert swapped.finished().tolist() == found.tolist()


def test_equal_values_in_exchanged_columns_are_other_rows() -> None:
    hashes = RowHashes(2)
    hashes.add_numbers("low", np.array([1.0, 2.0]))
    hashes.add_numbers("high", np.array([2.0, 1.0]))
    assert len(set(hashes.finished().tolist())) == 2


def test_a_segment_tells_its_duplicates_by_period_and_over_all() -> None:
    table = pa.table(
        {
            "event_us": pa.array(np.repeat([5, 3_600_000_005], 50), pa.int64()),
            "variant": ["v1"] * 100,
            "prediction": np.arange(100.0),
            "latency_ms": np.ones(100),
            "f.x": np.tile(np.arange(25.0), 4),
        }
    ).replace_schema_metadata({"endpoint": "taxi", "model_version": "1"})
    found = [period.profile for period in profile_segment(table, period_s=3_600)]
    assert [round(distinct(profile)) for profile in [*found, merge_all(found)]] == [25, 25, 25]


def test_a_profile_keeps_its_count_as_bytes_whether_few_or_many_are_distinct() -> None:
    for count in (3, 900, 20_000):
        profile = Profile.of_table(rows(count), KINDS)
        assert distinct(Profile.from_bytes(profile.to_bytes())) == distinct(profile)


def test_profiles_of_version_1_are_read_and_merged_as_uncounted() -> None:
    profile = Profile.of_table(rows(30), KINDS)
    size, columns, _ = msgspec.msgpack.decode(profile.to_bytes()[4:])
    old = Profile.from_bytes(b"TTP\x01" + msgspec.msgpack.encode([size, columns]))
    assert (old.rows, old.distinct) == (30, None)
    assert merge_all([profile, old]).distinct is None
    assert merge_all([profile, Profile.empty()]).distinct is not None


@pytest.mark.parametrize(
    "content",
    [b"x", b"\x00\x00\xff", b"\xff\xff\x01", b"\x01\x00\x01\x00\x01\x01", bytes([34]) * 4096, bytes(3 * 1365)],
    ids=["torn", "too great", "beyond the cells", "twice", "dense and too great", "not so sparse"],
)
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(DataContractError, match="damaged row hashes"):
        DistinctRows.from_bytes(content)
