from __future__ import annotations

import random
from datetime import datetime

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.lake.casting import cast_as
from trimtab.lake.dates import forms_in
from trimtab.lake.headers import refuse_headless
from trimtab.lake.inference import Finding, infer_column


def column(name: str, *values: object, times: int = 10) -> Finding:
    return infer_column(name, pa.chunked_array([pa.array([*values] * times)]))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "20", "-3"], ColumnKind.INTEGER),
        (["0", "1"], ColumnKind.INTEGER),
        (["1.5", "2e3"], ColumnKind.NUMBER),
        (["yes", "No"], ColumnKind.BOOLEAN),
        (["0012", "0451"], ColumnKind.CATEGORY),
        (["red", "blue"], ColumnKind.CATEGORY),
        (["2020-01-02", "2020-01-03 07:45"], ColumnKind.DATETIME),
        ([1.0, 2.5], ColumnKind.NUMBER),
        ([3, 4], ColumnKind.INTEGER),
        ([True, False], ColumnKind.BOOLEAN),
        ([datetime(2020, 1, 2), datetime(2020, 1, 3)], ColumnKind.DATETIME),  # noqa: DTZ001 - as Parquet files have it
    ],
)
def test_a_columns_kind_is_found_from_its_values(values: list[object], kind: ColumnKind) -> None:
    assert column("x", *values).column.type is kind


@pytest.mark.parametrize("marker", ["?", "NA", "N/A", "-", "null", ""])
def test_markers_of_missing_are_listed_and_make_the_column_nullable(marker: str) -> None:
    found = column("x", "1", "5", marker)

    assert found.column.type is ColumnKind.INTEGER
    assert (found.column.nullable, found.missing) == (True, 10)
    assert found.column.missing == ((marker,) if marker else ())


def test_ranges_leave_room_for_tomorrow_and_keep_zero_as_a_bound() -> None:
    age = column("age", "17", "90").column

    assert (age.min, age.max) == (0, 127)
    assert (column("flag", "0", "1").column.min, column("flag", "0", "1").column.max) == (0, 1)


def test_values_are_listed_only_where_they_are_few_and_each_occurs_often() -> None:
    assert column("x", "a", "b").column.values == ("a", "b")
    assert infer_column("x", pa.chunked_array([["a"] * 50 + ["b"]])).column.values is None


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["31.12.2020", "1.2.2021"], "%d.%m.%Y"),
        (["12/1/2009 7:45", "12/31/2009 17:45"], "%m/%d/%Y %H:%M"),
        (["1/12/2009", "31/12/2009"], "%d/%m/%Y"),
        (["3 Jan 2020", "14 Feb 2020"], "%d %b %Y"),
        (["1577923200", "1577923260"], "epoch_s"),
        (["1577923200000", "1577923260000"], "epoch_ms"),
        (["20200102", "20200103"], "%Y%m%d"),
    ],
)
def test_the_form_of_dates_is_found_and_reads_all_of_them(values: list[str], form: str) -> None:
    found = column("created_at", *values)

    assert found.column.format == form
    assert not cast_as(pa.array(values), found.column).wrong.any()


def test_days_and_months_that_cannot_be_told_apart_are_said_so() -> None:
    assert "cannot be told apart" in column("when", "1/2/2020", "3/2/2020", "5/1/2020").notes[0]
    assert column("when", "1/13/2020", "3/2/2020").notes == ()


def test_the_forms_of_a_mixed_time_column_are_named_with_their_first_rows() -> None:
    mixed = pa.array(["2020-01-02", "02.01.2020", "2020-01-03", "Jan 2, 2020", "soon"])

    assert forms_in(mixed) == {"ISO 8601": 1, "%d.%m.%Y": 2, "%b %d, %Y": 4, "no date": 5}


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("x", ["7"] * 40, "always '7'"),
        ("x", [str(n) for n in range(40)], "numbers the rows"),
        ("user_id", [str(n * 37) for n in range(40)], "numbers the rows"),
        ("x", [f"{n + 1000}.0" for n in range(40)], "numbers the rows"),
        ("x", [f"{n * 37}.0" for n in range(40)], ""),
        ("x", [f"{n / 8}" for n in range(40)], ""),
        ("x", [f"u{n}" for n in range(40)], "another value in every row"),
        ("x", [""] * 99 + ["1"], "always '1'"),
        ("x", [""] * 98 + ["1", "2"], "missing in 98.0% of the rows"),
        ("x", ["?"] * 40, "holds no value"),
    ],
)
def test_what_tells_nothing_of_the_next_row_is_no_feature(name: str, values: list[str], why: str) -> None:
    assert infer_column(name, pa.chunked_array([values])).useless == why


def test_a_few_slips_among_numbers_are_named_with_their_row() -> None:
    found = infer_column("age", pa.chunked_array([[str(20 + n % 50) for n in range(100)] + ["old"]]))

    assert found.column.type is ColumnKind.INTEGER
    assert found.wrong_rows == (101,)
    assert "'old' in row 101" in found.notes[0]


def test_long_texts_that_are_mostly_distinct_are_text() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choices(["good", "bad", "car", "late", "nice"], k=7)) for _ in range(400)]

    assert infer_column("review", pa.chunked_array([texts])).column.type is ColumnKind.TEXT


@given(st.lists(st.text(max_size=12), min_size=1, max_size=60))
@example(["none"])
@example(["None", "none", " NONE"])
def test_what_is_inferred_from_a_column_reads_nearly_all_of_it(values: list[str]) -> None:
    found = infer_column("x", pa.chunked_array([pa.array(values, pa.string())]))
    cast = cast_as(pa.array(values, pa.string()), found.column)

    assert cast.wrong.sum() <= 0.02 * len(values)
    assert found.column.nullable or not cast.missing.any()
    ColumnContract.model_validate(found.column.model_dump())


@pytest.mark.parametrize(
    "table",
    [
        {"39": ["40", "41"], "State-gov": ["Private", "Private"], "13": ["9", "7"]},
        {"male": ["male", "female"], "single": ["single", "married"], "yes": ["no", "yes"]},
    ],
)
def test_a_first_line_that_is_a_row_is_refused(table: dict[str, list[str]]) -> None:
    with pytest.raises(DataContractError, match="its first line looks like a row"):
        refuse_headless(pa.table(table), "rows.csv")


def test_columns_that_a_tool_numbered_are_names() -> None:
    refuse_headless(pa.table({"0": ["40"], "1": ["x"], "2": ["7"]}), "rows.csv")


def test_numbers_among_which_many_different_words_stand_are_words_and_said_to_be_mixed() -> None:
    values = [str(489_000 + n) for n in range(3_000)] + [f"C{n}" for n in range(50)]
    found = infer_column("invoice", pa.chunked_array([values]))

    assert found.column.type is ColumnKind.CATEGORY
    assert "mixed: 3000 of 3050 values are numbers (row 1), others not ('C0' in row 3001)" in found.notes[0]


def test_typed_moments_that_no_calendar_has_or_of_an_unknown_zone_are_read_or_named_wrong() -> None:
    day = ColumnContract(type=ColumnKind.DATETIME)
    dates = cast_as(pa.array([0, 2**30, None, -719_163, 2_932_896], pa.date32()), day)
    assert (dates.wrong.tolist(), dates.missing.tolist()) == (
        [False, True, False, True, False],
        [False, False, True, False, False],
    )
    seconds = cast_as(pa.array([86_400, 2**50, -(2**60)], pa.timestamp("s")), day)
    assert seconds.wrong.tolist() == [False, True, True]
    zoned = pa.chunked_array([pa.array([0, 86_400_000_000] * 10, pa.timestamp("us", "Nowhere/At_All"))])
    assert infer_column("t", zoned).column.type is ColumnKind.DATETIME
    assert [str(value) for value in cast_as(zoned, day).values[:2]] == [
        "1970-01-01 00:00:00+00:00",
        "1970-01-02 00:00:00+00:00",
    ]
