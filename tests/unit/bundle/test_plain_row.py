from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.bundle.encoder import Encoder
from trimtab.bundle.manifest import Feature, Lineage, Manifest, Parity
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import ConfigError

NUMBERS = (Feature(name="a", kind=ColumnKind.NUMBER, nullable=True), Feature(name="b", kind=ColumnKind.INTEGER))
MIXED = (
    Feature(name="c", kind=ColumnKind.CATEGORY, categories=("x", "?", "y"), missing=("?",), nullable=True),
    *NUMBERS,
    Feature(name="d", kind=ColumnKind.BOOLEAN),
)


def encoder(*features: Feature) -> Encoder:
    return Encoder(
        Manifest(
            model="m",
            task=Task.REGRESSION,
            target="t",
            algorithm="none",
            created_at="2030-01-01T00:00:00+00:00",
            features=features,
            parity=Parity(rows=0, max_abs_difference=0.0, tolerance=0.0),
            lineage=Lineage(snapshot_id="s", dataset_hash="0", config_hash="0"),
            files={},
        )
    )


VALUES = st.one_of(
    st.floats(),
    st.integers(-(10**40), 10**40),
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
    st.sampled_from(["x", "y", "?", " ?", "z", ""]),
)


@given(
    features=st.sampled_from([NUMBERS, MIXED]),
    row=st.dictionaries(st.sampled_from(["a", "b", "c", "d", "e"]), VALUES, max_size=5),
)
@settings(max_examples=400, deadline=None)
def test_the_short_way_gives_what_the_long_way_gives_or_declines(
    features: tuple[Feature, ...], row: dict[str, Any]
) -> None:
    reader = encoder(*features)
    short = reader.encode_one(row)
    if short is None:
        return
    inputs, recorded = short
    expected = reader.encode_rows([row])
    np.testing.assert_array_equal(inputs.numeric, expected.numeric)
    np.testing.assert_array_equal(inputs.codes, expected.codes)
    assert inputs.numeric.dtype == np.float32
    assert inputs.codes.dtype == np.int64
    assert recorded == reader.recorded([row], expected)[0]
    assert list(map(type, recorded)) == list(map(type, reader.recorded([row], expected)[0]))


def test_a_whole_row_goes_the_short_way() -> None:
    assert encoder(*NUMBERS).encode_one({"b": 2, "a": 0.5}) is not None
    assert encoder(*MIXED).encode_one({"c": "y", "a": 0.5, "b": 2.0, "d": True}) is not None


@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e39, "text", True])
def test_what_is_wrong_is_said_by_the_long_way(value: object) -> None:
    reader = encoder(*NUMBERS)
    assert reader.encode_one({"a": value, "b": 1}) is None
    with pytest.raises(ConfigError, match="'a'"):
        reader.encode_rows([{"a": value, "b": 1}])
