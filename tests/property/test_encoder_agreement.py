import math
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from trimtab.bundle.encoder import Encoder, Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.errors import ConfigError, DataContractError
from trimtab.training.data import shell_manifest
from trimtab.training.problem import Problem

PROBLEM = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none")
TYPES = {
    ColumnKind.NUMBER: pa.float64(),
    ColumnKind.INTEGER: pa.int64(),
    ColumnKind.BOOLEAN: pa.bool_(),
    ColumnKind.CATEGORY: pa.string(),
}
VALUES: dict[ColumnKind, st.SearchStrategy[Any]] = {
    ColumnKind.NUMBER: st.floats() | st.floats(width=32),
    ColumnKind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnKind.BOOLEAN: st.booleans(),
    ColumnKind.CATEGORY: st.sampled_from(["a", "b", "", "unseen"]),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Feature, ...], pa.Table]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5))
    rows = draw(st.integers(0, 6))
    features, columns = [], {}
    for place, kind in enumerate(kinds):
        nullable = draw(st.booleans())
        values = VALUES[kind] | st.none() if draw(st.booleans()) else VALUES[kind]
        name = f"c{place}"
        categories = ("a", "", "b") if kind is ColumnKind.CATEGORY else ()
        features.append(Feature(name=name, kind=kind, nullable=nullable, categories=categories))
        columns[name] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), TYPES[kind])
    return tuple(features), pa.table(columns)


def of_rows(encoder: Encoder, table: pa.Table) -> Inputs | None:
    try:
        return encoder.encode_rows(table.to_pylist())
    except ConfigError:
        return None


def of_table(encoder: Encoder, table: pa.Table) -> Inputs | None:
    try:
        return encoder.encode_table(table)
    except DataContractError:
        return None


@given(tables())
def test_rows_and_table_encode_alike(case: tuple[tuple[Feature, ...], pa.Table]) -> None:
    features, table = case
    encoder = Encoder(shell_manifest(PROBLEM, features, "m", "y"))
    rows, whole = of_rows(encoder, table), of_table(encoder, table)
    if rows is None or whole is None:
        assert rows is None
        assert whole is None
        return
    np.testing.assert_array_equal(rows.numeric, whole.numeric)
    np.testing.assert_array_equal(rows.codes, whole.codes)
    assert rows.numeric.flags.c_contiguous
    assert whole.numeric.flags.c_contiguous


@given(tables())
def test_what_is_accepted_is_finite_or_a_permitted_null(case: tuple[tuple[Feature, ...], pa.Table]) -> None:
    features, table = case
    encoder = Encoder(shell_manifest(PROBLEM, features, "m", "y"))
    inputs = of_table(encoder, table)
    if inputs is None:
        return
    for place, feature in enumerate(f for f in features if f.kind.is_numeric):
        for value in inputs.numeric[:, place].tolist():
            assert math.isfinite(value) or (math.isnan(value) and feature.nullable)
