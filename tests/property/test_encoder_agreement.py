import math
from datetime import UTC
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
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
    ColumnKind.TEXT: pa.string(),
    ColumnKind.DATETIME: pa.timestamp("us", tz="UTC"),
}
MARKERS = ("?", "", "n/a")
DATETIMES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.timestamp("us", tz="UTC"): st.datetimes(timezones=st.just(UTC)),
    pa.timestamp("s"): st.datetimes().map(lambda moment: moment.replace(microsecond=0)),
    pa.timestamp("ms", tz="+02:00"): st.datetimes(timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0)
    ),
    pa.date32(): st.dates(),
    pa.float64(): st.floats(-1e12, 1e12) | st.floats(),
    pa.int64(): st.integers(-(10**11), 10**11) | st.integers(-(2**63), 2**63 - 1),
    pa.string(): st.datetimes(timezones=st.just(UTC) | st.none()).map(str)
    | st.dates().map(lambda day: f"{day.day}.{day.month}.{day.year:04}")
    | st.sampled_from([*MARKERS, "yesterday", "2024-02-30", "2024-02-29T12:00+14:00", "0001-01-01T00:00+01:00"]),
}
VALUES: dict[ColumnKind, st.SearchStrategy[Any]] = {
    ColumnKind.NUMBER: st.floats() | st.floats(width=32),
    ColumnKind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnKind.BOOLEAN: st.booleans(),
    ColumnKind.CATEGORY: st.sampled_from(["a", "b", "", "unseen", "?", " ?\n", "a "]),
    ColumnKind.TEXT: st.sampled_from(["Not bad!", "bad, not bad", "", " ", "?", "ﬁne", "n/a "]) | st.text(max_size=20),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[Feature, ...], pa.Table]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5))
    rows = draw(st.integers(0, 6))
    features, columns = [], {}
    for place, kind in enumerate(kinds):
        nullable = draw(st.booleans())
        arrow = TYPES[kind]
        if kind is ColumnKind.DATETIME:
            arrow = draw(st.sampled_from(list(DATETIMES)))
        values = DATETIMES[arrow] if kind is ColumnKind.DATETIME else VALUES[kind]
        missing = draw(st.sampled_from([(), MARKERS]))
        if kind.is_numeric and missing and draw(st.booleans()):
            arrow, values = pa.string(), st.sampled_from([*MARKERS, " ? ", "7"])
        if draw(st.booleans()):
            values = values | st.none()
        name = f"c{place}"
        features.append(
            Feature(
                name=name,
                kind=kind,
                nullable=nullable,
                categories=("a", "", "b") if kind is ColumnKind.CATEGORY else (),
                terms=("bad", "fine", "not bad") if kind is ColumnKind.TEXT else (),
                format=draw(st.sampled_from([None, "%d.%m.%Y", "epoch_ms"])) if kind is ColumnKind.DATETIME else None,
                missing=missing,
            )
        )
        columns[name] = pa.array(draw(st.lists(values, min_size=rows, max_size=rows)), arrow)
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
@settings(max_examples=400)
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
