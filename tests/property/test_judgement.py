from __future__ import annotations

from datetime import datetime
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.config.columns import ContractConfig
from trimtab.lake.contract import judge

CONTRACT = ContractConfig.model_validate(
    {
        "columns": {
            "id": {"type": "integer", "nullable": True},
            "part": {"type": "category", "nullable": True, "missing": ["-"]},
            "age": {"type": "integer", "min": 0, "max": 120},
            "chol": {"type": "number", "nullable": True, "max": 7.5},
            "sex": {"type": "category", "values": ["m", "f"]},
            "paid": {"type": "boolean"},
            "at": {"type": "datetime", "nullable": True},
            "words": {"type": "text"},
        },
        "unique": ["id", "part"],
    }
)
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}
_CELLS: dict[str, list[str]] = {
    "id": ["1", "2", "2.0", "+1", "", "x"],
    "part": ["a", "b", " a ", "-", "", "NA"],
    "age": ["0", "120", "121", "-1", "50.0", "50.5", "old", "", "?"],
    "chol": ["7.5", "7.6", "-1e3", "inf", "NaN", "low", ""],
    "sex": ["m", "f", " m", "M", "x", ""],
    "paid": ["true", "NO", "1", "0.0", "2", "null"],
    "at": ["2030-01-01", "2030-02-30", "2030-01-01T00:00:00Z", "soon", ""],
    "words": ["some", " ", "", "none"],
}
_ROWS = st.lists(
    st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in _CELLS.items()}), min_size=1, max_size=40
)
_KEYS = st.sets(st.sampled_from(["1\x1f1\x1f1\x1fa", "1\x1f2\x1f1\x1fb"]))


def _number(text: str) -> float | None:
    try:
        return None if text == "inf" else float(text)
    except ValueError:
        return None


def _read(name: str, text: str) -> tuple[bool, Any]:
    """Return whether a value was given, and what it reads as (None: nothing of the column's kind)."""
    kind = CONTRACT.columns[name].type
    bare = text.strip()
    lenient = kind not in {"category", "text"}
    if not bare or bare in CONTRACT.columns[name].missing or (lenient and bare.lower() in _MISSING):
        return False, None
    if kind == "number":
        return True, _number(bare)
    if kind == "integer":
        number = _number(bare)
        return True, number if number is not None and number.is_integer() else None
    if kind == "boolean":
        return True, {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False}.get(
            bare.lower().replace("0.0", "0")
        )
    if kind == "datetime":
        try:
            return True, datetime.fromisoformat(bare)
        except ValueError:
            return True, None
    return True, bare if kind == "category" else text


def _complaint(name: str, text: str) -> str | None:
    """Return how one value breaks the contract, if it does."""
    column = CONTRACT.columns[name]
    was_given, value = _read(name, text)
    if not was_given:
        return None if column.nullable else "missing"
    if value is None:
        return "type"
    if column.min is not None and value < column.min:
        return "below"
    if column.max is not None and value > column.max:
        return "above"
    return "values" if column.values is not None and value not in column.values else None


_WORDS = {"missing": "missing", "below": "below", "above": "above", "values": "not an allowed value"}
_KINDS = {"not a number", "not a whole number", "neither true nor false", "not a date or time"}


def _expected(rows: list[dict[str, str]], known: set[str]) -> list[list[tuple[str, str]]]:
    """Return for each row what it breaks, judged one after the other in plain Python."""
    first: set[str] = set()
    found = []
    for row in rows:
        complaints = [(name, kind) for name in CONTRACT.columns if (kind := _complaint(name, row[name])) is not None]
        number, part = (_read(name, row[name])[1] for name in ("id", "part"))
        if number is not None and part is not None:
            key = f"{len(str(int(number)))}\x1f{int(number)}\x1f{len(part)}\x1f{part}"
            if key in known:
                complaints.append(("id + part", "processed before"))
            elif not complaints and key in first:
                complaints.append(("id + part", "repeated"))
            if not complaints:
                first.add(key)
        found.append(complaints)
    return found


def _short(rule: str) -> tuple[str, str]:
    column, _, words = rule.partition(": ")
    if words in _KINDS:
        return column, "type"
    return column, next((kind for kind, text in _WORDS.items() if words.startswith(text)), words)


@settings(max_examples=12, deadline=None)
@given(rows=_ROWS, known=_KEYS)
def test_great_expectations_finds_what_a_person_would_find_row_by_row(
    rows: list[dict[str, str]], known: set[str]
) -> None:
    table = pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in CONTRACT.columns})

    judgement = judge(table, CONTRACT, known_keys=known)

    expected = _expected(rows, known)
    broken = {place + 1: complaints for place, complaints in enumerate(expected) if complaints}
    assert judgement.broken["@row"].to_pylist() == list(broken)
    assert [[_short(rule) for rule in found] for found in judgement.rules] == list(broken.values())
    passed = [row for row, complaints in zip(rows, expected, strict=True) if not complaints]
    assert judgement.passed["words"].to_pylist() == [row["words"] for row in passed]
    assert judgement.passed["age"].to_pylist() == [_read("age", row["age"])[1] for row in passed]
