from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError, NotFoundError
from trimtab.measures.distances import jensen_shannon, ks_sorted, shares
from trimtab.profiles.chance import Chance, chance_of_categories, chance_of_numbers
from trimtab.profiles.numbers import NumberProfile
from trimtab.profiles.reference import FILE_NAME, build_reference, read_reference, write_reference

KINDS = {"x": ColumnKind.NUMBER, "c": ColumnKind.CATEGORY}


def table(rows: int = 400) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"x": rng.normal(size=rows), "c": rng.choice(["a", "b"], rows)})


def test_blocks_are_contiguous_in_time_whatever_the_order_of_rows() -> None:
    times = np.random.default_rng(1).permutation(400).astype(np.int64)
    reference = build_reference(
        table().set_column(0, "x", pa.array(times.astype(float))), KINDS, time_us=times, blocks=4
    )
    assert [(block.start_us, block.end_us) for block in reference.blocks] == [
        (0, 100),
        (100, 200),
        (200, 300),
        (300, 400),
    ]
    second = reference.blocks[1].profile.columns["x"]
    assert (second.count, second.min, second.max) == (100, 100.0, 199.0) if isinstance(second, NumberProfile) else False


def test_there_are_never_more_blocks_than_rows() -> None:
    reference = build_reference(table(5), KINDS, time_us=None)
    assert [block.profile.rows for block in reference.blocks] == [1] * 5
    assert reference.merged.rows == 5
    assert reference.blocks[0].start_us is None


def test_no_rows_or_too_few_times_are_refused() -> None:
    with pytest.raises(DataContractError, match="reference: 0 rows"):
        build_reference(table(0), KINDS, time_us=None)
    with pytest.raises(DataContractError, match="400 rows with times of 3"):
        build_reference(table(), KINDS, time_us=np.arange(3))


def test_a_written_reference_reads_back_the_same(tmp_path: Path) -> None:
    reference = build_reference(table(), KINDS, time_us=np.arange(400))
    write_reference(tmp_path / "reference", reference)
    again = read_reference(tmp_path / "reference")
    assert again.chances == reference.chances
    assert again.coded is not None
    assert reference.coded is not None
    assert again.coded.codes["x"].tolist() == reference.coded.codes["x"].tolist()
    assert again.coded.span_us == 399
    assert [(b.start_us, b.end_us) for b in again.blocks] == [(b.start_us, b.end_us) for b in reference.blocks]
    assert [b.profile.to_bytes() for b in again.blocks] == [b.profile.to_bytes() for b in reference.blocks]


def test_a_reference_of_the_first_version_is_still_read() -> None:
    reference = read_reference(Path(__file__).parents[2] / "data" / "references" / "version-1")
    assert (reference.merged.rows, len(reference.blocks), set(reference.chances)) == (60, 3, {"x", "c"})
    assert reference.coded is None


def test_a_damaged_or_absent_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="cannot be read"):
        read_reference(tmp_path)
    write_reference(tmp_path, build_reference(table(), KINDS, time_us=None))
    content = (tmp_path / FILE_NAME).read_bytes()
    for broken in (b"", content[:10], content[:-1], content + b"\x00", b"XXXX" + content[4:]):
        (tmp_path / FILE_NAME).write_bytes(broken)
        with pytest.raises(DataContractError):
            read_reference(tmp_path)


def test_chance_of_numbers_is_the_greatest_distance_of_a_window_from_the_rest() -> None:
    values = np.repeat([0.0, 1.0, 2.0], 32)  # three seasons, each as long as the smallest window
    chance = chance_of_numbers(values, np.zeros(96))
    rest = np.sort(np.r_[values[:32], values[32:64]])
    assert chance.rows == (32,)
    assert chance.greatest[0] == pytest.approx(ks_sorted(values[64:], rest))


def test_chance_of_categories_is_the_greatest_distance_of_a_window_from_the_rest() -> None:
    values = ["a"] * 200 + ["b"] * 200
    chance = chance_of_categories(pa.chunked_array([values]), np.zeros(400))
    pure, whole = shares({"a": 32}, {"a": 200, "b": 200})
    assert chance.greatest[0] == pytest.approx(jensen_shannon(pure, whole) * 400 / (400 - 32))


def test_a_season_within_the_reference_widens_what_chance_may_do() -> None:
    hours = np.arange(24 * 200)
    daily = np.sin(2 * np.pi * hours / 24) + np.random.default_rng(0).normal(size=len(hours)) * 0.1
    chance = chance_of_numbers(daily, np.zeros(len(hours)))
    assert chance.distance(32) > 2 * chance.distance(256)


def test_columns_that_nobody_measured_have_independent_rows() -> None:
    assert build_reference(table(), KINDS, time_us=None).chance("other") == Chance()
    assert Chance().distance(100) == 0.0
