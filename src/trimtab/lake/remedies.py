"""What to do about rows that broke a rule: where the first of them stands, and the next move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.config.columns import ContractConfig
from trimtab.core.enums import ColumnKind
from trimtab.lake.casting import as_text, cast_as
from trimtab.lake.dates import forms_in
from trimtab.lake.quarantine import REASONS, ROW

__all__ = ["remedies_of"]

_SHOWN_FORMS = 6
_MOVES = {
    "missing": "fill it in, or let it be empty (contract.yaml: nullable: true)",
    "repeated": "keep one row of each key, or change unique in contract.yaml",
    "processed before": "leave out what was delivered, or give new rows keys of their own",
    "not an allowed value": "correct it, or add it to values in contract.yaml",
}
_OF_RANGE = "correct it, or widen min and max in contract.yaml"
_OF_TYPE = "correct it, or list what stands for 'not known' under missing in contract.yaml"


def remedies_of(
    table: pa.Table, broken: pa.Table, rules: Sequence[Sequence[str]], contract: ContractConfig
) -> dict[str, str]:
    """Return for each rule that rows broke (``age: above 120``) a sentence: the first such row, and what to do.

    Args:
        table: the rows as they were delivered.
        broken: those of them that broke, as `trimtab.lake.quarantine.broken_rows` gives them.
        rules: what each of ``broken`` broke, in the order of its reasons.
        contract: what they were judged by.

    >>> contract = ContractConfig.model_validate({"columns": {"age": {"type": "integer"}}})
    >>> broken = pa.table({REASONS: [["age: 'old' is not a whole number"]], ROW: [7]})
    >>> remedies_of(pa.table({"age": ["old"]}), broken, [["age: not a whole number"]], contract).popitem()[1][:48]
    "first in row 7 (age: 'old' is not a whole number"
    """
    first: dict[str, tuple[int, int]] = {}
    for place, of_row in enumerate(rules):
        for number, rule in enumerate(of_row):
            first.setdefault(rule, (place, number))
    told = {}
    for rule, (place, number) in first.items():
        row, sentence = broken[ROW][place].as_py(), broken[REASONS][place].as_py()[number]
        told[rule] = f"first in row {row} ({sentence}); {_move(rule, table, contract)}"
    return told


def _move(rule: str, table: pa.Table, contract: ContractConfig) -> str:
    name, _, words = rule.rpartition(": ")
    if words in _MOVES:
        return _MOVES[words]
    if words.startswith(("above ", "below ")):
        return _OF_RANGE
    declared = contract.columns.get(name)
    if declared is None or declared.type is not ColumnKind.DATETIME:
        return _OF_TYPE
    given = pc.if_else(pa.array(cast_as(table[name], declared).missing), None, as_text(table[name]))
    return _of_dates(forms_in(pc.utf8_trim_whitespace(given)), declared.format)


def _of_dates(forms: Mapping[str, int], declared: str | None) -> str:
    wanted = "ISO 8601 (2026-01-31 07:45)" if declared is None else repr(declared)
    if len(forms) < 2:
        return f"write it as {wanted}, or declare its format in contract.yaml"
    shown = ", ".join(f"{form!r} from row {row}" for form, row in list(forms.items())[:_SHOWN_FORMS])
    return f"the column is written in {len(forms)} forms ({shown}); write all of it as {wanted}"
