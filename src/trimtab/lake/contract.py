"""Judges rows by a contract: Great Expectations finds what breaks it, and each broken row gets its reasons.

The only file that imports Great Expectations. That takes seconds, so it happens at the first judgement or in `warm_up`.
"""

from __future__ import annotations

import threading
import warnings
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trimtab.config.columns import ColumnContract, ContractConfig
from trimtab.config.process import silence_telemetry
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import BackendError, DataContractError
from trimtab.lake.casting import Cast, as_text, cast_as
from trimtab.lake.keys import key_texts
from trimtab.lake.quarantine import broken_rows
from trimtab.lake.reasons import Broken, Rule, reason_of

__all__ = ["Judgement", "check_columns", "check_row_count", "judge", "warm_up"]

_KIND, _KEY, _SEEN = "@kind:", "@key", "@seen"
_ONE_AT_A_TIME = threading.Lock()

Reasons = dict[int, list[Broken]]


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """Every row of a delivery, in one of two tables, each in the order of delivery.

    ``passed`` holds the contract's columns, typed. ``broken`` holds all delivered columns as text, ``@reasons`` and
    ``@row``. ``rules`` names for each broken row the rules that it broke, ``age: above 120``.
    """

    passed: pa.Table
    broken: pa.Table
    rules: tuple[tuple[str, ...], ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows broke each rule; a row may break several."""
        return dict(Counter(rule for row in self.rules for rule in row))


def judge(
    table: pa.Table,
    contract: ContractConfig,
    *,
    known_keys: Set[str] | None = None,
    required: Collection[str] | None = None,
) -> Judgement:
    """Return which rows of ``table`` keep ``contract``, and why the others don't.

    Exactly the rows break that hold a value of the wrong type, out of range or not allowed, miss one, or repeat a key:
    of rows with one key the first that breaks nothing else passes, unless the key is among ``known_keys`` (texts made
    by `trimtab.lake.keys.key_texts`). A key of which a part is missing repeats nothing.

    Args:
        table: rows as delivered, strings or typed.
        contract: what they must look like.
        known_keys: keys processed earlier.
        required: columns that must be there; None means all that the contract declares. Others are judged if present.

    Raises:
        DataContractError: a required column is absent, or there is an extra one that the contract does not allow.
        BackendError: Great Expectations failed to evaluate a rule.
    """
    names = check_columns(table.column_names, contract, required=required)
    casts = {name: cast_as(table[name], contract.columns[name]) for name in names}
    typed = pa.table({name: casts[name].values for name in names}) if names else table.select([])
    if not names or not table.num_rows:
        return Judgement(passed=typed, broken=broken_rows(table, {}), rules=())
    unique = contract.unique if set(contract.unique) <= set(names) else ()
    keys = key_texts(typed, unique) if unique else None
    broken = _evaluate(table, typed, casts, contract, keys=keys, known_keys=known_keys)
    mask = np.ones(table.num_rows, dtype=bool)
    mask[list(broken)] = False
    rules = tuple(tuple(found.rule_text for found in reasons) for reasons in broken.values())
    return Judgement(passed=typed.filter(pa.array(mask)), broken=broken_rows(table, _sentences(broken)), rules=rules)


def check_columns(
    found: Collection[str], contract: ContractConfig, *, required: Collection[str] | None = None
) -> list[str]:
    """Return the contract's columns that are among ``found``, in the contract's order.

    Raises:
        DataContractError: see `judge`.
    """
    absent = [name for name in (contract.columns if required is None else required) if name not in found]
    if absent:
        raise DataContractError(
            f"column {absent[0]!r}: missing; the delivery has {_listed(found)}; deliver it again with the column"
        )
    extra = [name for name in found if name not in contract.columns]
    if extra and not contract.allow_extra_columns:
        raise DataContractError(
            f"column {extra[0]!r}: not in the contract, which knows {_listed(contract.columns)}; "
            "remove it, declare it, or set allow_extra_columns"
        )
    return [name for name in contract.columns if name in found]


def check_row_count(rows: int, contract: ContractConfig) -> None:
    """Hold the size of a delivery against the contract.

    Raises:
        DataContractError: too few or too many rows.
    """
    allowed = contract.row_count
    if rows < allowed.min or (allowed.max is not None and rows > allowed.max):
        upper = "" if allowed.max is None else f" to {allowed.max}"
        raise DataContractError(
            f"delivery: {rows} rows; the contract expects {allowed.min}{upper}{'' if upper else ' or more'}; "
            "deliver the whole file, or change row_count"
        )


def warm_up() -> None:
    """Load Great Expectations and judge one row, so that the first delivery does not wait for it."""
    contract = ContractConfig.model_validate({"columns": {"x": {"type": "number", "min": 0}}})
    judge(pa.table({"x": ["1"]}), contract)


def _evaluate(
    table: pa.Table,
    typed: pa.Table,
    casts: Mapping[str, Cast],
    contract: ContractConfig,
    *,
    keys: pa.Array | None,
    known_keys: Set[str] | None,
) -> Reasons:
    frame = _frame(typed, casts, contract, keys, known_keys)
    suite = _suite(contract.model_dump_json(), tuple(typed.column_names), keys is not None)
    found: Reasons = defaultdict(list)
    repeated: list[int] = []
    for rule, rows in _run(frame, suite):
        if rule.name == "repeated":
            repeated = sorted(rows)
            continue
        columns = contract.unique if rule.name == "known" else (rule.column,)
        for row, value in zip(rows, _shown_values(table, columns, rows), strict=True):
            found[row].append(reason_of(rule, contract.columns.get(rule.column), value))
    if keys is not None and repeated:
        _add_repeats(found, repeated, keys, table, contract)
    return dict(sorted(found.items()))


def _add_repeats(
    found: Reasons, repeated: list[int], keys: pa.Array, table: pa.Table, contract: ContractConfig
) -> None:
    """Let the first whole row of each repeated key pass, and break the other whole ones."""
    rule = Rule("repeated", " + ".join(contract.unique))
    first: dict[str, int] = {}
    for row, value in zip(repeated, _shown_values(table, contract.unique, repeated), strict=True):
        if row in found:
            continue
        earlier = first.setdefault(keys[row].as_py(), row)
        if earlier != row:
            found[row].append(reason_of(rule, None, value, earlier=earlier + 1))


def _shown_values(table: pa.Table, columns: Collection[str], rows: list[int]) -> list[str | None]:
    """Return what stood in these columns of each row, for people."""
    taken = table.select(list(columns)).take(pa.array(rows, pa.int64()))
    shown = [as_text(taken[name]) for name in columns]
    joined = shown[0] if len(shown) == 1 else pc.binary_join_element_wise(*shown, ", ")
    return list(joined.to_pylist())


def _frame(
    typed: pa.Table,
    casts: Mapping[str, Cast],
    contract: ContractConfig,
    keys: pa.Array | None,
    known_keys: Set[str] | None,
) -> Any:
    """Return what Great Expectations looks at: values, and beside each column what its values read as."""
    import pandas as pd  # start-up cost: the control plane imports this file long before it judges

    columns: dict[str, Any] = {}
    for name, cast in casts.items():
        kind = contract.columns[name].type
        values = typed[name]
        if kind.is_numeric:
            columns[name] = values.cast(pa.float64()).to_numpy()
        elif kind is not ColumnKind.DATETIME:
            columns[name] = values.to_numpy()
        reads_as = np.full(len(typed), str(kind), dtype=object)
        reads_as[cast.wrong] = "other"
        reads_as[cast.missing] = None
        columns[_KIND + name] = reads_as
    if keys is not None:
        columns[_KEY] = keys.to_numpy(zero_copy_only=False)
        known = pc.is_in(keys, pa.array(sorted(known_keys or ()), pa.string())).to_numpy(zero_copy_only=False)
        columns[_SEEN] = np.where(known, "processed", "new").astype(object)
    return pd.DataFrame(columns)


@lru_cache(maxsize=64)
def _suite(contract_json: str, names: tuple[str, ...], keyed: bool) -> Any:
    """Return the contract's rules for these columns as an expectation suite."""
    gx = _library()
    contract = ContractConfig.model_validate_json(contract_json)
    rules = [rule for name in names for rule in _column_rules(name, contract.columns[name])]
    if keyed:
        unique = " + ".join(contract.unique)
        rules.append(gx.expectations.ExpectColumnValuesToBeUnique(column=_KEY, meta=_meta("repeated", unique)))
        rules.append(
            gx.expectations.ExpectColumnValuesToBeInSet(column=_SEEN, value_set=["new"], meta=_meta("known", unique))
        )
    return gx.ExpectationSuite(name="contract", expectations=rules)


def _column_rules(name: str, column: ColumnContract) -> list[Any]:
    expectations = _library().expectations
    rules: list[Any] = []
    if not column.nullable:
        rules.append(expectations.ExpectColumnValuesToNotBeNull(column=_KIND + name, meta=_meta("missing", name)))
    if column.type not in {ColumnKind.TEXT, ColumnKind.CATEGORY}:
        rules.append(
            expectations.ExpectColumnValuesToBeInSet(
                column=_KIND + name, value_set=[str(column.type)], meta=_meta("type", name)
            )
        )
    if column.min is not None or column.max is not None:
        rules.append(
            expectations.ExpectColumnValuesToBeBetween(
                column=name, min_value=column.min, max_value=column.max, meta=_meta("range", name)
            )
        )
    if column.values is not None:
        rules.append(
            expectations.ExpectColumnValuesToBeInSet(
                column=name, value_set=list(column.values), meta=_meta("values", name)
            )
        )
    return rules


def _meta(rule: str, column: str) -> dict[str, str]:
    return {"rule": rule, "column": column}


@lru_cache(maxsize=1)
def _library() -> Any:
    silence_telemetry()
    with warnings.catch_warnings():
        # While it loads, it touches deprecated names of its own and of Python's.
        warnings.simplefilter("ignore")
        import great_expectations as gx  # start-up cost: seconds
        import great_expectations.data_context.types.base  # start-up cost
    return gx


@lru_cache(maxsize=1)
def _batches() -> Any:
    """Return the definition of a batch in a context that lives in memory only and reports nothing."""
    context = _library().get_context(mode="ephemeral")
    context.variables.progress_bars = _library().data_context.types.base.ProgressBarsConfig(globally=False)
    return (
        context.data_sources.add_pandas("delivery")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )


def _run(frame: Any, suite: Any) -> list[tuple[Rule, list[int]]]:
    """Return the rows that break each rule."""
    if not suite.expectations:
        return []
    with _ONE_AT_A_TIME:
        outcome = _batches().get_batch({"dataframe": frame}).validate(suite, result_format="COMPLETE")
    found = []
    for result in outcome.results:
        meta = result.expectation_config.meta
        rows = result.result.get("unexpected_index_list")
        if rows is None or bool(rows) is bool(result.success):
            raise BackendError(
                f"contract rule {meta['rule']!r} of column {meta['column']!r}: Great Expectations gave no answer "
                f"({str(result.exception_info)[:300]}); nothing was judged"
            )
        found.append((Rule(meta["rule"], meta["column"]), [int(row) for row in rows]))
    return found


def _sentences(broken: Reasons) -> dict[int, list[str]]:
    return {row: [found.sentence for found in reasons] for row, reasons in broken.items()}


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:30])
    return f"{shown}, …" if len(names) > 30 else shown
