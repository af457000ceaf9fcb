"""Words for why a row broke the contract: a sentence for the row, and a shorter one to count by."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind

__all__ = ["Broken", "Rule", "reason_of"]

_NOT_A = {
    ColumnKind.NUMBER: "not a number",
    ColumnKind.INTEGER: "not a whole number",
    ColumnKind.BOOLEAN: "neither true nor false",
    ColumnKind.DATETIME: "not a date or time",
}
_MAX_SHOWN = 60
_MAX_VALUES = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a contract: ``missing``, ``type``, ``range``, ``values``, ``repeated`` or ``known``, of a column."""

    name: str
    column: str


@dataclass(frozen=True, slots=True)
class Broken:
    """What a row broke: told of the row (``age: 240 is above 120``), and of the rule (``age: above 120``)."""

    sentence: str
    rule_text: str


def reason_of(rule: Rule, column: ColumnContract | None, value: str | None, *, earlier: int | None = None) -> Broken:
    """Return the words for ``value`` breaking ``rule``; ``earlier`` is the row that a repeated key stands in first.

    >>> reason_of(Rule("range", "age"), ColumnContract(type="number", max=120), "240")
    Broken(sentence='age: 240 is above 120', rule_text='age: above 120')
    >>> reason_of(Rule("missing", "num"), None, None).sentence
    'num: is missing'
    """
    sentence, short = _words(rule, column, value, earlier)
    return Broken(sentence=f"{rule.column}: {sentence}", rule_text=f"{rule.column}: {short}")


def _words(rule: Rule, column: ColumnContract | None, value: str | None, earlier: int | None) -> tuple[str, str]:
    if rule.name == "repeated":
        return f"{_shown(value)} repeats row {earlier}", "repeated"
    if rule.name == "known":
        return f"{_shown(value)} was processed before", "processed before"
    if rule.name == "missing" or column is None:
        return "is missing", "missing"
    if rule.name == "type":
        return f"{_shown(value)} is {_NOT_A[column.type]}", _NOT_A[column.type]
    if rule.name == "range":
        bound = _bound(column, float(value or "nan"))
        return f"{(value or '').strip()} is {bound}", bound
    allowed = ", ".join((column.values or ())[:_MAX_VALUES])
    more = ", …" if len(column.values or ()) > _MAX_VALUES else ""
    return f"{_shown(value)} is none of {allowed}{more}", "not an allowed value"


def _bound(column: ColumnContract, value: float) -> str:
    if column.min is not None and value < column.min:
        return f"below {column.min:.15g}"
    return f"above {column.max:.15g}"


def _shown(value: str | None) -> str:
    text = "" if value is None else " ".join(value.split())
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…")
