from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.serving.protocols.bodies import FieldValue
from trimtab.serving.protocols.csv_rows import csv_line, csv_rows

FEATURES = (
    Feature(name="load", kind=ColumnKind.NUMBER, missing=("?",)),
    Feature(name="count", kind=ColumnKind.INTEGER),
    Feature(name="open", kind=ColumnKind.BOOLEAN),
    Feature(name="zip", kind=ColumnKind.CATEGORY, categories=("01067", "1")),
    Feature(name="note", kind=ColumnKind.TEXT),
    Feature(name="at", kind=ColumnKind.DATETIME),
)
NAMES = [feature.name for feature in FEATURES]
NUMBERED = (Feature(name="0", kind=ColumnKind.NUMBER), Feature(name="1", kind=ColumnKind.NUMBER))

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9).filter(str.strip)
ROWS = st.tuples(
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**53), 2**53).map(float),
    st.none() | st.booleans(),
    st.none() | WORDS,
    st.none() | WORDS,
    st.none() | st.datetimes().map(lambda moment: moment.isoformat()),
)


@given(st.lists(ROWS, min_size=1, max_size=4), st.permutations(range(len(NAMES))))
def test_what_is_written_as_csv_is_read_back_in_any_order_of_columns(
    rows: list[tuple[FieldValue, ...]], order: list[int]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([NAMES[place] for place in order])
    writer.writerows([[row[place] for place in order] for row in rows])
    expected = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert csv_rows(text.getvalue().encode(), FEATURES, 9) == expected


def test_a_cell_becomes_what_its_features_kind_wants() -> None:
    (row,) = csv_rows(b" 1e3 ,-.5,TRUE,01067,17,20300101", FEATURES, 9)
    assert row == dict(zip(NAMES, [1000.0, -0.5, True, "01067", "17", "20300101"], strict=True))
    (row,) = csv_rows(b"?,1_0,2,1,true,", FEATURES, 9)
    assert row == dict(zip(NAMES, ["?", "1_0", "2", "1", "true", None], strict=True))


def test_columns_that_numbers_name_are_a_header_only_if_all_are_named() -> None:
    assert csv_rows(b"1,0\n7,8", NUMBERED, 9) == [{"1": 7.0, "0": 8.0}]
    assert csv_rows(b"1,5\n7,8", NUMBERED, 9) == [{"0": 1.0, "1": 5.0}, {"0": 7.0, "1": 8.0}]
    assert csv_rows(b",0,1\n5,7,8", NUMBERED, 9) == [{"0": 7.0, "1": 8.0}]
    assert len(csv_rows(b"1,0\n7,8", NUMBERED, 9, has_header=False)) == 2


def test_a_header_with_a_slip_is_refused_and_never_answered_as_a_row() -> None:
    with pytest.raises(ConfigError, match="column 'Zip': unknown"):
        csv_rows(b"load,count,open,Zip,note,at\n1,2,0,1,x,", FEATURES, 9)


def test_an_answer_is_a_line_of_one_cell() -> None:
    assert [csv_line(value) for value in ("yes", 1.5, 'a "b", c', None)] == ["yes\n", "1.5\n", '"a ""b"", c"\n', '""\n']
