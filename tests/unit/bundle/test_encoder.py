from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.bundle.encoder import MISSING_CODE, UNSEEN_CODE, Encoder
from trimtab.bundle.manifest import Feature, Lineage, Manifest, Parity
from trimtab.bundle.values import UnfitRowError
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import ConfigError, DataContractError

FEATURES = (
    Feature(name="age", kind=ColumnKind.NUMBER),
    Feature(name="sex", kind=ColumnKind.CATEGORY, categories=("f", "m")),
    Feature(name="smoker", kind=ColumnKind.BOOLEAN, nullable=True),
    Feature(name="visits", kind=ColumnKind.INTEGER, nullable=True),
    Feature(name="thal", kind=ColumnKind.CATEGORY, categories=("a",), nullable=True),
)
ROW: dict[str, Any] = {"age": 50, "sex": "m", "smoker": True, "visits": 3, "thal": "a"}


def encoder(features: tuple[Feature, ...] = FEATURES) -> Encoder:
    return Encoder(
        Manifest(
            model="m",
            task=Task.REGRESSION,
            target="y",
            algorithm="none",
            created_at="",
            features=features,
            parity=Parity(rows=0, max_abs_difference=0.0, tolerance=0.0),
            lineage=Lineage(snapshot_id="", dataset_hash="", config_hash=""),
            files={},
        )
    )


def test_numbers_and_codes_go_into_their_matrices() -> None:
    inputs = encoder().encode_rows([ROW, {"age": 1.5, "sex": "f"}, ROW | {"sex": "x", "thal": None}])
    assert inputs.numeric.dtype == np.float32
    assert inputs.numeric.flags.c_contiguous
    assert inputs.numeric[0].tolist() == [50, 1, 3]
    assert np.isnan(inputs.numeric[1, 1:]).all()
    assert inputs.codes.tolist() == [[1, 0], [0, MISSING_CODE], [UNSEEN_CODE, MISSING_CODE]]


def test_no_rows_give_empty_matrices() -> None:
    inputs = encoder().encode_rows([])
    assert inputs.numeric.shape == (0, 3)
    assert inputs.codes.shape == (0, 2)


def test_integer_column_takes_a_fraction_so_that_a_broken_feed_is_seen() -> None:
    assert encoder().encode_rows([ROW | {"visits": 6.03}]).numeric[0, 2] == np.float32(6.03)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": "50"}, ["row 1", "'age'", "text '50'", "expected a number"]),
        ({"age": True}, ["'age'", "true", "expected a number"]),
        ({"age": None}, ["'age'", "null"]),
        ({"age": float("nan")}, ["'age'", "NaN"]),
        ({"age": float("inf")}, ["'age'", "inf", "within"]),
        ({"age": 1e300}, ["'age'", "within"]),
        ({"age": 10**400}, ["'age'", "bits", "within"]),
        ({"age": [1]}, ["'age'", "a list"]),
        ({"sex": 1}, ["'sex'", "1", "expected text"]),
        ({"sex": None}, ["'sex'", "null"]),
        ({"smoker": 2}, ["'smoker'", "true or false"]),
        ({"smoker": "yes"}, ["'smoker'", "true or false"]),
        ({"wieght": 1}, ["'wieght'", "unknown", "age, sex"]),
        ({"age": "x" * 100_000}, ["'age'"]),
    ],
)
def test_refusal_names_row_field_found_and_expected(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        encoder().encode_rows([ROW, ROW | change])
    message = str(refused.value)
    assert all(word in message for word in words), message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (ROW | {"age": "50 km"}, "age"),
        (ROW | {"age": None}, "age"),
        (ROW | {"age": float("inf")}, "age"),
        (ROW | {"sex": 1}, "sex"),
        (ROW | {"smoker": "yes"}, "smoker"),
        ({name: value for name, value in ROW.items() if name != "sex"}, "sex"),
        ({"AGE" if name == "age" else name: value for name, value in ROW.items()}, "age"),
        ({"THAL" if name == "thal" else name: value for name, value in ROW.items()}, "thal"),
        ({"age": 1, "SEX": "m"}, "sex"),
        ({"age": 1, "sex": "m", "Visits": 3}, ""),
        (ROW | {"wieght": 1}, ""),
    ],
)
def test_a_row_that_is_refused_names_the_feature_that_it_is_refused_for(row: dict[str, Any], column: str) -> None:
    with pytest.raises(UnfitRowError) as refused:
        encoder().encode_rows([ROW, row])
    assert refused.value.column == column


@given(
    st.dictionaries(
        st.sampled_from([*ROW, "AGE", "Sex"]) | st.text(max_size=3),
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.sampled_from(["m", "a"]),
    )
)
def test_whatever_comes_only_a_feature_is_named(row: dict[str, Any]) -> None:
    named = ""
    try:
        encoder().encode_rows([row])
    except UnfitRowError as refused:
        named = refused.column
    assert named in {"", *ROW}


def test_missing_field_is_refused_unless_nullable() -> None:
    with pytest.raises(ConfigError, match="row 0: field 'age' is missing"):
        encoder().encode_rows([{"sex": "m"}])


def test_table_is_read_whatever_its_arrow_types() -> None:
    table = pa.table(
        {
            "age": pa.array([50, 60], pa.int16()),
            "sex": pa.array(["m", "x"]).dictionary_encode(),
            "smoker": pa.array([True, None]),
            "visits": pa.array([None, None], pa.null()),
            "thal": pa.array(["a", None], pa.large_string()),
            "target": pa.array([1, 2]),
        }
    )
    inputs = encoder().encode_table(table)
    assert inputs.numeric[:, 0].tolist() == [50, 60]
    assert inputs.codes.tolist() == [[1, 0], [UNSEEN_CODE, MISSING_CODE]]


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("age", pa.array(["1"])),
        ("age", pa.array([True])),
        ("age", pa.array([None], pa.float64())),
        ("age", pa.array([1e39])),
        ("sex", pa.array([1])),
        ("smoker", pa.array([3])),
    ],
)
def test_table_with_a_wrong_column_is_refused(name: str, column: pa.Array) -> None:
    table = pa.table({"age": pa.array([1.0]), "sex": pa.array(["m"]), "smoker": pa.array([True])})
    broken = table.set_column(table.column_names.index(name), name, column)
    with pytest.raises(DataContractError, match=f"'{name}'"):
        encoder().encode_table(broken)


def test_table_without_a_required_column_is_refused() -> None:
    with pytest.raises(DataContractError, match="'age' is missing"):
        encoder().encode_table(pa.table({"sex": ["m"]}))
