"""Every row is judged once, and passes exactly if an oracle in plain Python says that it keeps the contract."""

from __future__ import annotations

import math
import re
from datetime import datetime

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.config.columns import ColumnContract, ContractConfig
from trimtab.core.enums import ColumnKind
from trimtab.lake.contract import judge

_VALUES = st.one_of(
    st.sampled_from(
        ["", " ", "NA", "nan", "?", "0", "1", "-1", "yes", "false", "a", "b", "2030-01-01", "1.0", "inf", "1e999"]
    ),
    st.integers(-5, 5).map(str),
    st.floats(-5, 5).map(repr),
    st.text(alphabet="ab1. -+eé\n", max_size=4),
)
_NAMES = ("n", "i", "y", "c", "t", "d")
_KINDS = dict(
    zip(_NAMES, ("number", "integer", "boolean", "category", "text", "datetime"), strict=True),
)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@st.composite
def contracts(draw: st.DrawFn) -> ContractConfig:
    columns: dict[str, dict[str, object]] = {}
    for name in draw(st.lists(st.sampled_from(_NAMES), min_size=1, unique=True)):
        column: dict[str, object] = {"type": _KINDS[name], "nullable": draw(st.booleans())}
        if name in "ni":
            column["min"] = draw(st.none() | st.integers(-5, 0))
            column["max"] = draw(st.none() | st.integers(0, 5))
        if name == "c":
            column["values"] = draw(st.none() | st.just(["a", "b", "1"]))
        columns[name] = column
    unique = draw(st.lists(st.sampled_from(sorted(columns)), max_size=2, unique=True))
    return ContractConfig.model_validate({"columns": columns, "unique": unique})


def read(text: str, kind: ColumnKind) -> object:
    """Return the value, None for a missing one, ValueError for one of another kind."""
    stripped = text.strip()
    if kind in {ColumnKind.CATEGORY, ColumnKind.TEXT}:
        return None if not stripped else text if kind is ColumnKind.TEXT else stripped
    if stripped.lower() in {"", "na", "n/a", "nan", "null", "none", "?"}:
        return None
    if kind is ColumnKind.DATETIME:
        return datetime.fromisoformat(stripped)
    if kind is ColumnKind.BOOLEAN:
        return {"true": 1, "yes": 1, "1": 1, "1.0": 1, "false": 0, "no": 0, "0": 0, "0.0": 0}.get(
            stripped.lower(), ValueError()
        )
    if not _NUMBER.fullmatch(stripped) or not math.isfinite(float(stripped)):
        return ValueError()
    if kind is ColumnKind.INTEGER:
        return int(float(stripped)) if re.fullmatch(r"[+-]?[0-9]+(\.0*)?", stripped) else ValueError()
    return float(stripped)


def keeps(text: str, column: ColumnContract) -> bool:
    try:
        value = read(text, column.type)
    except ValueError:
        return False
    if value is None:
        return column.nullable
    if isinstance(value, ValueError):
        return False
    if column.values is not None and value not in column.values:
        return False
    if column.type in {ColumnKind.NUMBER, ColumnKind.INTEGER}:
        assert isinstance(value, int | float)
        return (column.min is None or value >= column.min) and (column.max is None or value <= column.max)
    return True


def expected(rows: list[dict[str, str]], contract: ContractConfig) -> list[int]:
    """Return the places of the rows that pass."""
    seen: set[str] = set()
    passed = []
    for place, row in enumerate(rows):
        if not all(keeps(row[name], column) for name, column in contract.columns.items()):
            continue
        key = tuple(read(row[name], contract.columns[name].type) for name in contract.unique)
        if contract.unique and None not in key:
            if str(key) in seen:
                continue
            seen.add(str(key))
        passed.append(place)
    return passed


@settings(max_examples=60, deadline=None)
@given(data=st.data(), contract=contracts())
def test_exactly_the_rows_that_break_the_contract_are_broken(data: st.DataObject, contract: ContractConfig) -> None:
    row = st.fixed_dictionaries({name: _VALUES for name in contract.columns})
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    table = pa.table({name: pa.array([each[name] for each in rows], pa.string()) for name in contract.columns})

    judgement = judge(table, contract)

    broken = [place - 1 for place in judgement.broken["@row"].to_pylist()]
    assert sorted(set(range(len(rows))) - set(broken)) == expected(rows, contract)
    assert judgement.passed.num_rows + judgement.broken.num_rows == len(rows)
    assert all(judgement.broken["@reasons"].to_pylist())
    again = judge(judgement.passed, contract) if judgement.passed.num_rows else judgement
    assert again.passed == judgement.passed
