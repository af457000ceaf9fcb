"""Judges rows by a contract: Great Expectations finds what breaks it, and each broken row gets its reasons.

A rule of a column asks nothing but its values, so it is put to each distinct value once, however many rows hold it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.columns import ContractConfig
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.lake.casting import Cast, as_text, cast_as
from trimtab.lake.expectations import NEW, Question, broken_rows_by_rule
from trimtab.lake.keys import key_texts
from trimtab.lake.quarantine import broken_rows
from trimtab.lake.reasons import Broken, Rule, reason_of

__all__ = ["Judgement", "OnProgress", "check_columns", "check_row_count", "judge", "warm_up"]

OnProgress = Callable[[int, int], None]
"""Is told how many columns of how many have been judged; what it raises ends the judging."""

_KIND, _KEY, _SEEN = "@kind:", "@key", "@seen"
_TOGETHER = (16, 64)
"""Columns that are judged in one go: at least, and at most, as many as `_CELLS_TOGETHER` allow."""

_CELLS_TOGETHER = 16_000_000

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
    on_progress: OnProgress = lambda _done, _all: None,
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
        on_progress: told now and then how far it is.

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
    broken = _evaluate(table, typed, casts, contract, keys=keys, known_keys=known_keys, on_progress=on_progress)
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
    on_progress: OnProgress,
) -> Reasons:
    found: Reasons = defaultdict(list)
    names = list(casts)
    repeated = np.empty(0, np.int64)
    fewest, most = _TOGETHER
    step = max(fewest, min(most, _CELLS_TOGETHER // table.num_rows))
    for start in range(0, len(names), step):
        on_progress(start, len(names))
        together = names[start : start + step]
        questions = [one for name in together for one in _questions(name, casts[name], typed[name], contract)]
        if keys is not None and start + step >= len(names):
            questions += _key_questions(keys, known_keys or frozenset(), contract)
        rows = broken_rows_by_rule(questions)
        repeated = rows.pop(Rule("repeated", _key_name(contract)), repeated)
        _add(found, rows, table, contract)
    if keys is not None:
        # Last: of the rows with one key the first passes that breaks nothing else.
        _add_repeats(found, repeated, keys, table, contract)
    on_progress(len(names), len(names))
    return dict(sorted(found.items()))


def _add(found: Reasons, broken: Mapping[Rule, NDArray[np.int64]], table: pa.Table, contract: ContractConfig) -> None:
    """Add to ``found`` why these rows broke; the words are made once for each value."""
    for rule, rows in broken.items():
        if not len(rows):
            continue
        columns = contract.unique if rule.name == "known" else (rule.column,)
        words: dict[str | None, Broken] = {}
        for row, value in zip(rows.tolist(), _shown_values(table, columns, rows), strict=True):
            if value not in words:
                words[value] = reason_of(rule, contract.columns.get(rule.column), value)
            found[row].append(words[value])


def _add_repeats(
    found: Reasons, repeated: NDArray[np.int64], keys: pa.Array, table: pa.Table, contract: ContractConfig
) -> None:
    """Let the first whole row of each repeated key pass, and break the other whole ones."""
    rule = Rule("repeated", _key_name(contract))
    first: dict[str, int] = {}
    texts = keys.take(pa.array(repeated)).to_pylist()
    shown = _shown_values(table, contract.unique, repeated)
    for row, key, value in zip(repeated.tolist(), texts, shown, strict=True):
        if row in found:
            continue
        earlier = first.setdefault(key, row)
        if earlier != row:
            found[row].append(reason_of(rule, None, value, earlier=earlier + 1))


def _shown_values(table: pa.Table, columns: Collection[str], rows: NDArray[np.int64]) -> list[str | None]:
    """Return what stood in these columns of each row, for people."""
    if not len(rows):
        return []
    taken = table.select(list(columns)).take(pa.array(rows, pa.int64()))
    shown = [as_text(taken[name]) for name in columns]
    joined = shown[0] if len(shown) == 1 else pc.binary_join_element_wise(*shown, ", ")
    return list(joined.to_pylist())


def _questions(name: str, cast: Cast, values: pa.ChunkedArray, contract: ContractConfig) -> Iterator[Question]:
    """Yield what is to be asked of a column: about what its values read as, and about the values."""
    column = contract.columns[name]
    rules = [] if column.nullable else [Rule("missing", name)]
    if column.type not in {ColumnKind.TEXT, ColumnKind.CATEGORY}:
        rules.append(Rule("type", name))
    if rules:
        codes = np.zeros(len(values), np.int32)
        codes[cast.wrong] = 1
        codes[cast.missing] = 2
        present, places = np.unique(codes, return_inverse=True)
        cells = np.array([str(column.type), "other", None], dtype=object)[present]
        yield Question(_KIND + name, cells, places.astype(np.int32), tuple(rules), column)
    of_values = "range" if column.min is not None or column.max is not None else "values"
    if of_values == "range" or column.values is not None:
        coded = values.combine_chunks().dictionary_encode()
        if len(coded.dictionary):
            cells = coded.dictionary.to_numpy(zero_copy_only=False)
            yield Question(name, cells, _codes(coded.indices), (Rule(of_values, name),), column)


def _key_questions(keys: pa.Array, known_keys: Set[str], contract: ContractConfig) -> list[Question]:
    """Return what is to be asked of the keys: none twice, none that is known."""
    name = _key_name(contract)
    coded = keys.dictionary_encode()
    given = coded.indices.drop_null().to_numpy()
    rows = np.full(len(keys), -1, np.int32)
    rows[keys.is_valid().to_numpy(zero_copy_only=False)] = np.arange(len(given))
    processed = pc.is_in(keys, pa.array(sorted(known_keys), pa.string())).to_numpy(zero_copy_only=False)
    seen, places = np.unique(processed, return_inverse=True)
    cells = np.array([NEW, "processed"], dtype=object)[seen.astype(np.int8)]
    repeated = Question(_KEY, given if len(given) else np.array([-1]), rows, (Rule("repeated", name),))
    return [repeated, Question(_SEEN, cells, places.astype(np.int32), (Rule("known", name),))]


def _codes(indices: pa.Array) -> NDArray[np.int32]:
    return np.asarray(indices.fill_null(-1).to_numpy(), dtype=np.int32)


def _key_name(contract: ContractConfig) -> str:
    return " + ".join(contract.unique)


def _sentences(broken: Reasons) -> dict[int, list[str]]:
    return {row: [found.sentence for found in reasons] for row, reasons in broken.items()}


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:30])
    return f"{shown}, …" if len(names) > 30 else shown
