"""What the columns of a table are: kinds, ranges, categories, what stands for missing, and what is no feature.

All is judged on a column's distinct texts and how often each occurs, so that a million rows cost what their distinct
values cost.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.config.columns import ColumnContract
from trimtab.core.enums import ColumnKind
from trimtab.lake.casting import Cast, as_text, cast_as
from trimtab.lake.dates import DateForm, find_form

__all__ = ["Finding", "infer_column", "infer_columns"]

_MARKERS = frozenset({"?", "na", "n/a", "#n/a", "nan", "null", "nil", "-", "--", r"\n"})
"""What people write for "not known", in lower case. "None" is left out: it is a category of its own as often."""

_NAMED_AS_ID = re.compile(
    r"(^|[_\W])(id|uuid|guid|key|index|row_?names?|row_?(no|nr|num|number)|nr|no)$|[a-z]ID$|^Unnamed", re.I
)
_NAMED_AS_TIME = re.compile(r"date|time|day|stamp|(^|_)(ts|at|on|when)$", re.I)
_DRESSED_NUMBER = r"^[-+(]?[$€£¥]?\s?-?\d+([.,' ]\d{3})*([.,]\d+)?\s?[%$€£¥]?\)?$"
_TRUTHS = ({"true", "false"}, {"yes", "no"})
_MAX_VALUES = 20
_RARE_VALUE = 5
_MIN_UNIQUE = 20
_MOSTLY_MISSING = 0.95
_MOSTLY_DISTINCT = 0.5
_FEW_WRONG = 0.02
_FEW_SLIPS = 5
_TEXT_WORDS = 3.0
_TEXT_DISTINCT = 200
_SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What a column is.

    ``distinct`` counts known values, ``missing`` rows without one; ``low`` and ``high`` are the extremes of numbers.
    ``useless`` says why it is no feature (empty: it may be one), ``notes`` what a person should know of it.
    """

    name: str
    column: ColumnContract
    rows: int
    missing: int
    distinct: int
    counts: tuple[tuple[str, int], ...] = ()
    low: float | None = None
    high: float | None = None
    useless: str = ""
    notes: tuple[str, ...] = ()
    wrong_rows: tuple[int, ...] = ()
    form: DateForm | None = None

    @property
    def missing_share(self) -> float:
        """Rows without a value, 0..1."""
        return self.missing / self.rows if self.rows else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Texts:
    """A column as its distinct texts ``(d,)``, stripped, with how often each occurs; markers of missing apart."""

    name: str
    array: pa.Array
    known: pa.Array
    counts: NDArray[np.int64]
    markers: tuple[str, ...]
    missing: int
    typed: bool = field(default=False)

    @property
    def rows(self) -> int:
        return len(self.array)

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def rows_of(self, texts: pa.Array) -> list[int]:
        """Return the first rows (from 1) that hold one of ``texts``."""
        found = np.flatnonzero(pc.is_in(self.array, value_set=texts).to_numpy(zero_copy_only=False))
        return [int(row) + 1 for row in found[:_SHOWN_ROWS]]


def infer_columns(table: pa.Table) -> dict[str, Finding]:
    """Return what each column of ``table`` is, by name, in its order.

    >>> found = infer_columns(pa.table({"age": ["63", "?", "41"], "paid": ["yes", "no", "yes"]}))
    >>> found["age"].column.type.value, found["age"].column.missing, found["paid"].column.type.value
    ('integer', ('?',), 'boolean')
    """
    return {name: infer_column(name, table[name]) for name in table.column_names}


def infer_column(name: str, column: pa.ChunkedArray | pa.Array) -> Finding:
    """Return what one column is; ``column`` holds strings (a text file's) or typed values (a Parquet file's)."""
    texts = _texts(name, column)
    if texts.total == 0:
        contract = ColumnContract(type=ColumnKind.CATEGORY, nullable=True, missing=texts.markers)
        return Finding(name, contract, texts.rows, texts.missing, 0, useless="holds no value")
    found = _by_type(texts, column) if texts.typed else None
    found = found or _as_boolean(texts) or _as_datetime(texts) or _as_number(texts) or _as_words(texts)
    return _usefulness(found, texts)


def _texts(name: str, column: pa.ChunkedArray | pa.Array) -> _Texts:
    raw = as_text(column)
    typed = not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type))
    array = pc.utf8_trim_whitespace(raw)
    counted = pc.value_counts(array)
    values, counts = counted.field(0), counted.field(1).to_numpy(zero_copy_only=False)
    lowered = pc.utf8_lower(values)
    marked = pc.is_in(lowered, value_set=pa.array(sorted(_MARKERS)))
    absent = pc.fill_null(pc.or_(marked, pc.equal(values, "")), True).to_numpy(zero_copy_only=False)
    markers = [text for text in values.filter(pa.array(absent)).to_pylist() if text and text != "NaN"]
    return _Texts(
        name=name,
        array=array,
        known=values.filter(pa.array(~absent)),
        counts=counts[~absent],
        markers=tuple(sorted(markers)) if not typed else (),
        missing=int(counts[absent].sum()),
        typed=typed,
    )


def _finding(texts: _Texts, contract: ColumnContract, **facts: object) -> Finding:
    order = np.argsort(-texts.counts, kind="stable")[: _MAX_VALUES + 1]
    counts = tuple((str(texts.known[int(place)]), int(texts.counts[place])) for place in order)
    nullable = contract.model_copy(update={"nullable": texts.missing > 0, "missing": texts.markers})
    base = Finding(texts.name, nullable, texts.rows, texts.missing, len(texts.known), counts=counts)
    return replace(base, **facts)  # type: ignore[arg-type]


def _by_type(texts: _Texts, column: pa.ChunkedArray | pa.Array) -> Finding | None:
    kind = column.type
    if pa.types.is_boolean(kind):
        return _finding(texts, ColumnContract(type=ColumnKind.BOOLEAN))
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind) and not pa.types.is_time(kind):
        return _finding(texts, ColumnContract(type=ColumnKind.DATETIME))
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _as_number(texts, kind=ColumnKind.NUMBER)
    return None


def _as_boolean(texts: _Texts) -> Finding | None:
    lowered = set(pc.utf8_lower(texts.known).to_pylist()) if len(texts.known) <= 6 else set()
    if lowered not in _TRUTHS:
        return None
    return _finding(texts, ColumnContract(type=ColumnKind.BOOLEAN))


def _as_datetime(texts: _Texts) -> Finding | None:
    form = find_form(texts.known, texts.counts, named_as_time=_NAMED_AS_TIME.search(texts.name) is not None)
    if form is None:
        return None
    contract = ColumnContract(type=ColumnKind.DATETIME, format=form.written_as, missing=texts.markers)
    cast = cast_as(texts.known, contract)
    notes, rows = _wrong(texts, cast, "no date of that form")
    told = (form.note,) if form.note else ()
    return _finding(texts, contract, notes=(*told, *notes), wrong_rows=rows, form=form)


def _as_number(texts: _Texts, kind: ColumnKind | None = None) -> Finding | None:
    cast = cast_as(texts.known, ColumnContract(type=ColumnKind.NUMBER))
    share_wrong = float(texts.counts[cast.wrong].sum()) / texts.total
    # A few slips are named; many different ones are another kind of value, which quarantine must not eat.
    if share_wrong > _FEW_WRONG or int(cast.wrong.sum()) > _FEW_SLIPS or _has_codes(texts):
        return None
    whole = kind is None and not pc.any(pc.match_substring_regex(texts.known, "[.eE]")).as_py()
    values = cast.values.drop_null().to_numpy(zero_copy_only=False)
    # All of them "none", which is no number and no slip.
    if not len(values) or (whole and np.abs(values).max() >= 2.0**53):
        return None
    notes, rows = _wrong(texts, cast, "no numbers")
    low, high = float(values.min()), float(values.max())
    chosen = kind or (ColumnKind.INTEGER if whole else ColumnKind.NUMBER)
    bottom, top = _margins(low, high, whole=chosen is ColumnKind.INTEGER)
    contract = ColumnContract(type=chosen, min=bottom, max=top)
    return _finding(texts, contract, low=low, high=high, notes=(*notes, *_negatives(texts, cast)), wrong_rows=rows)


def _has_codes(texts: _Texts) -> bool:
    """Return whether digits are a code, not a number: 00123 would lose its zeros."""
    return bool(pc.any(pc.match_substring_regex(texts.known, r"^0\d")).as_py())


def _wrong(texts: _Texts, cast: Cast, what: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return a note on the few values that are not of the column's kind, and their first rows."""
    if not cast.wrong.any():
        return (), ()
    values = texts.known.filter(pa.array(cast.wrong))
    rows = texts.rows_of(values)
    count = int(texts.counts[cast.wrong].sum())
    note = (
        f"{count} of {texts.total} values are {what}, e.g. {str(values[0])[:40]!r} in row {rows[0]}: their rows go to "
        "quarantine; if it means 'not known', list it under missing"
    )
    return (note,), tuple(rows)


def _negatives(texts: _Texts, cast: Cast) -> tuple[str, ...]:
    """Return a note where a few values lie below 0, as impossible ones do."""
    below = pc.fill_null(pc.less(cast.values, 0), False).to_numpy(zero_copy_only=False)
    share = float(texts.counts[below].sum()) / texts.total
    if not 0 < share < _FEW_WRONG / 2:
        return ()
    rows = texts.rows_of(texts.known.filter(pa.array(below)))
    return (f"{int(texts.counts[below].sum())} values lie below 0, the first in row {rows[0]}; if impossible: min 0",)


def _margins(low: float, high: float, *, whole: bool) -> tuple[float | None, float | None]:
    """Return the range that the next rows may have: half the observed spread more on each side, 0 kept as a bound.

    >>> _margins(17, 90, whole=True), _margins(0.2, 0.8, whole=False), _margins(5, 5, whole=True)
    ((0.0, 127.0), (0.0, 1.1), (None, None))
    """
    spread = high - low
    if not spread > 0 or not math.isfinite(spread):
        return None, None
    if whole and low == 0 and high == 1:
        return 0.0, 1.0
    step = 10.0 ** (math.floor(math.log10(spread)) - 1)
    step = max(step, 1.0) if whole else step
    digits = max(0, -round(math.log10(step)))
    bottom = round(math.floor((low - spread / 2) / step) * step, digits)
    top = round(math.ceil((high + spread / 2) / step - 1e-9) * step, digits)
    return (max(bottom, 0.0) if low >= 0 else bottom), (min(top, 0.0) if high <= 0 else top)


def _as_words(texts: _Texts) -> Finding:
    distinct, total = len(texts.known), texts.total
    words = float(np.average(_numpy(pc.add(pc.count_substring(texts.known, " "), 1)), weights=texts.counts))
    if words >= _TEXT_WORDS and distinct > min(_TEXT_DISTINCT, max(_MAX_VALUES, total // 2)):
        return _finding(texts, ColumnContract(type=ColumnKind.TEXT))
    complete = distinct <= _MAX_VALUES and int(texts.counts.min()) >= _RARE_VALUE
    values = tuple(sorted(texts.known.to_pylist())) if complete else None
    return _finding(texts, ColumnContract(type=ColumnKind.CATEGORY, values=values), notes=_mixture(texts))


def _mixture(texts: _Texts) -> tuple[str, ...]:
    """Return a note where numbers and other texts stand in one column."""
    cast = cast_as(texts.known, ColumnContract(type=ColumnKind.NUMBER))
    numbers = int(texts.counts[~cast.wrong].sum())
    if _has_codes(texts):
        return ("holds digits with leading zeros, so it is read as codes, not numbers",)
    if not cast.wrong.any():
        return ("numbers too large to calculate with (beyond 2 to the 53rd): read as words",)
    comma = pc.match_substring_regex(texts.known, r"^-?\d+,\d+$").to_numpy(zero_copy_only=False)
    if texts.counts[comma].sum() > texts.total / 2:
        return ("looks like numbers with a decimal comma; write 3.14, not 3,14, to use them as numbers",)
    dressed = cast.wrong & pc.match_substring_regex(texts.known, _DRESSED_NUMBER).to_numpy(zero_copy_only=False)
    if dressed.any() and numbers + int(texts.counts[dressed].sum()) >= (1 - _FEW_WRONG) * texts.total:
        shown = str(texts.known.filter(pa.array(dressed))[0])
        return (
            f"looks like numbers with signs or separators ({shown[:40]!r}); write bare ones, e.g. 1234.5, to use them",
        )
    if not numbers or numbers < texts.total * 0.05:
        return ()
    number = texts.rows_of(texts.known.filter(pa.array(~cast.wrong)))[0]
    other = texts.known.filter(pa.array(cast.wrong))
    row = texts.rows_of(other)[0]
    return (
        f"mixed: {numbers} of {texts.total} values are numbers (row {number}), others not ({str(other[0])[:40]!r} in "
        f"row {row}); read as words; to learn from the numbers, correct the others or leave them empty, then init anew",
    )


def _usefulness(found: Finding, texts: _Texts) -> Finding:
    """Say why the column tells nothing about the next row, if it does not."""
    kind, known, distinct = found.column.type, texts.total, found.distinct
    named = _NAMED_AS_ID.search(found.name) is not None
    reason = ""
    if distinct == 1:
        reason = f"always {found.counts[0][0][:40]!r}"
    elif found.missing_share > _MOSTLY_MISSING:
        reason = f"missing in {found.missing_share:.1%} of the rows"
    elif kind is ColumnKind.CATEGORY and known >= _MIN_UNIQUE and distinct > known * _MOSTLY_DISTINCT:
        reason = "another value in every row" if distinct == known else f"{distinct} distinct values in {known} rows"
    elif known >= _MIN_UNIQUE and distinct == known and _is_whole(kind, texts) and (named or _counts_rows(found)):
        reason = "numbers the rows"
    elif kind in {ColumnKind.INTEGER, ColumnKind.NUMBER} and named and distinct > _MAX_VALUES:
        reason = "named like an id: its numbers are names; declare it a category if it helps"
    return replace(found, useless=reason)


def _is_whole(kind: ColumnKind, texts: _Texts) -> bool:
    """Return whether all are whole numbers, if only written as 1000.0, as a tool does where one of them is missing."""
    if kind is ColumnKind.NUMBER:
        return bool(pc.all(pc.match_substring_regex(texts.known, r"^[-+]?\d+(\.0*)?$")).as_py())
    return kind is ColumnKind.INTEGER


def _counts_rows(found: Finding) -> bool:
    return found.high is not None and found.low is not None and found.high - found.low + 1 == found.distinct


def _numpy(array: pa.Array) -> NDArray[np.int64]:
    return np.asarray(array.to_numpy(zero_copy_only=False), dtype=np.int64)
