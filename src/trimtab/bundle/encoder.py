"""From rows, or a table, to the two matrices that a graph takes: numbers, and codes of categories."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError, DataContractError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MISSING_CODE", "UNSEEN_CODE", "Encoder", "Inputs"]

MISSING_CODE: Final = -1
"""Code of a category that is null."""

UNSEEN_CODE: Final = -2
"""Code of a category that the dictionary does not hold."""

_ABSENT: Final = object()
_SHOWN_CHARACTERS = 60
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a graph takes: ``numeric`` float32 (n, F), C-contiguous, NaN is missing; ``codes`` int64 (n, C)."""

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.numeric.shape[0])

    def take(self, rows: NDArray[Any]) -> Inputs:
        """Return the rows at positions (or under the mask) ``rows``."""
        return Inputs(np.ascontiguousarray(self.numeric[rows]), np.ascontiguousarray(self.codes[rows]))


class Encoder:
    """Encodes rows by a manifest's features. Holds no state that changes; threads may share one.

    Numbers, integers and booleans become float32 (rounded once, from float64). An integer column takes any finite
    number, since a broken feed has to be seen by the monitors, not hidden by a refusal; a boolean takes true, false, 0
    and 1. A category must be text: its code is its place in the dictionary, -1 when null, -2 when unseen.
    """

    def __init__(self, manifest: Manifest) -> None:
        known = {*manifest.numeric, *manifest.categorical}
        for feature in manifest.features:
            if feature not in known:
                raise ConfigError(
                    f"feature {feature.name!r}: kind {feature.kind} has no encoding; expected a number, integer, "
                    "boolean or category; ignore the column, or derive such a feature from it"
                )
        self._numeric = manifest.numeric
        self._categorical = manifest.categorical
        self._names = frozenset(feature.name for feature in manifest.features)
        self._required_numeric = np.array([not feature.nullable for feature in self._numeric], dtype=bool)
        self._required_codes = np.array([not feature.nullable for feature in self._categorical], dtype=bool)
        self._plain_names = tuple((f.name, f.kind is ColumnKind.BOOLEAN) for f in self._numeric)
        self._dictionaries = tuple(
            (f.name, {text: code for code, text in enumerate(f.categories)}) for f in self._categorical
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """Features in the order of the matrices: numeric first, then categories."""
        return self._numeric + self._categorical

    def encode_rows(self, rows: Sequence[Mapping[str, object]]) -> Inputs:
        """Return the matrices of ``rows``. An absent nullable field is null; NaN counts as null.

        Raises:
            ConfigError: a field is unknown, missing though not nullable, of the wrong type, or not finite; the
                sentence names row, field, what was found and what was expected.
        """
        flat: list[float] = []
        codes: list[int] = []
        for at, row in enumerate(rows):
            present = 0
            for name, is_boolean in self._plain_names:
                value = row.get(name, _ABSENT)
                if value is not _ABSENT:
                    present += 1
                if type(value) is float and not is_boolean:
                    flat.append(value)
                else:
                    flat.append(_number(value, at, name, is_boolean))
            for name, dictionary in self._dictionaries:
                value = row.get(name, _ABSENT)
                if value is not _ABSENT:
                    present += 1
                if type(value) is str:
                    codes.append(dictionary.get(value, UNSEEN_CODE))
                else:
                    codes.append(_code(value, dictionary, at, name))
            if present != len(row):
                self._refuse_unknown(at, row)
        numeric = _to_float32(np.array(flat, dtype=np.float64).reshape(len(rows), len(self._plain_names)))
        coded = np.array(codes, dtype=np.int64).reshape(len(rows), len(self._dictionaries))
        problem = self._first_problem(numeric, coded)
        if problem is not None:
            at, feature = problem
            raise ConfigError(_refusal(f"row {at}", feature, rows[at].get(feature.name, _ABSENT)))
        return Inputs(numeric, coded)

    def encode_table(self, table: pa.Table) -> Inputs:
        """Return the matrices of ``table``, equal to those that `encode_rows` gives for its rows.

        Columns that are no features are left alone; a nullable column may be absent.

        Raises:
            DataContractError: a column is missing though not nullable, of the wrong type, holds nulls that it must
                not, or a value that is not finite.
        """
        rows = table.num_rows
        numeric = np.full((rows, len(self._numeric)), np.nan)
        codes = np.full((rows, len(self._categorical)), MISSING_CODE, dtype=np.int64)
        present = set(table.column_names)
        for place, feature in enumerate(self._numeric):
            if feature.name in present:
                numeric[:, place] = _numeric_column(table.column(feature.name), feature)
        for place, feature in enumerate(self._categorical):
            if feature.name in present:
                codes[:, place] = _code_column(table.column(feature.name), feature)
        single = _to_float32(numeric)
        problem = self._first_problem(single, codes)
        if problem is not None:
            at, feature = problem
            found = table.column(feature.name)[at].as_py() if feature.name in present else _ABSENT
            raise DataContractError(_refusal(f"row {at}", feature, found))
        return Inputs(single, codes)

    def _first_problem(self, numeric: NDArray[np.float32], codes: NDArray[np.int64]) -> tuple[int, Feature] | None:
        """Find the first value that is infinite, or null where it must not be."""
        if numeric.size and not np.isfinite(numeric).all():
            wrong = np.isinf(numeric) | (np.isnan(numeric) & self._required_numeric)
            if wrong.any():
                at, place = np.argwhere(wrong)[0]
                return int(at), self._numeric[int(place)]
        if codes.size and int(codes.min()) < 0:
            wrong = (codes == MISSING_CODE) & self._required_codes
            if wrong.any():
                at, place = np.argwhere(wrong)[0]
                return int(at), self._categorical[int(place)]
        return None

    def _refuse_unknown(self, at: int, row: Mapping[str, object]) -> None:
        unknown = next(name for name in row if name not in self._names)
        known = _shown(", ".join(sorted(self._names)))
        raise ConfigError(f"row {at}: field {_shown(repr(unknown))} is unknown; expected only {known}; remove it")


def _number(value: object, at: int, name: str, is_boolean: bool) -> float:
    if value is None or value is _ABSENT:
        return math.nan
    if is_boolean:
        if value in (0, 1) and isinstance(value, (bool, int, float, np.bool_)):
            return float(value)
        if isinstance(value, float) and math.isnan(value):
            return math.nan
        raise ConfigError(f"row {at}: field {name!r} is {_described(value)}; expected true or false; correct it")
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise ConfigError(f"row {at}: field {name!r} is {_described(value)}; expected a number; correct it")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _code(value: object, dictionary: Mapping[str, int], at: int, name: str) -> int:
    if value is None or value is _ABSENT or (isinstance(value, float) and math.isnan(value)):
        return MISSING_CODE
    if isinstance(value, str):
        return dictionary.get(value, UNSEEN_CODE)
    raise ConfigError(f"row {at}: field {name!r} is {_described(value)}; expected text (a category); correct it")


def _to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def _numeric_column(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.float64]:
    import pyarrow as pa  # start-up cost: rows of a request need no Arrow

    kind = column.type
    is_boolean = feature.kind is ColumnKind.BOOLEAN
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numbers or pa.types.is_null(kind) or (is_boolean and pa.types.is_boolean(kind))):
        expected = "true or false" if is_boolean else "numbers"
        raise DataContractError(
            f"column {feature.name!r}: type {kind}, expected {expected}; correct it, or its type in contract.yaml"
        )
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    if is_boolean:
        wrong = ~(np.isnan(values) | (values == 0) | (values == 1))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise DataContractError(f"row {at}: column {feature.name!r} is {values[at]:g}; expected true or false")
    return values


def _code_column(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.int64]:
    import pyarrow as pa  # start-up cost: rows of a request need no Arrow
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return np.full(len(column), MISSING_CODE, dtype=np.int64)
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise DataContractError(
            f"column {feature.name!r}: type {kind}, expected text (categories); correct the column or its type in "
            "contract.yaml"
        )
    text = column.cast(pa.large_string())
    places = pc.index_in(text, value_set=pa.array(feature.categories, pa.large_string()))
    codes = pc.if_else(pc.is_null(text), MISSING_CODE, pc.fill_null(places, UNSEEN_CODE))
    result: NDArray[np.int64] = codes.cast(pa.int64()).to_numpy()
    return result


def _refusal(where: str, feature: Feature, value: object) -> str:
    if value is _ABSENT:
        return f"{where}: field {feature.name!r} is missing; expected {_expected(feature)}; add it"
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is None or is_nan:
        found = "NaN" if is_nan else "null"
        return f"{where}: field {feature.name!r} is {found}; expected {_expected(feature)}; fill it"
    return (
        f"{where}: field {feature.name!r} is {_described(value)}; expected a number within ±{_LARGEST:.3g}; correct it"
    )


def _expected(feature: Feature) -> str:
    if feature.kind is ColumnKind.BOOLEAN:
        return "true or false"
    return "text (a category)" if feature.kind is ColumnKind.CATEGORY else "a number"


def _described(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"text {_shown(repr(value[:_SHOWN_CHARACTERS]))}"
    if isinstance(value, int) and abs(value) > 10**18:
        return f"a whole number of {value.bit_length()} bits"  # its decimal text could be megabytes
    if isinstance(value, (int, float, np.integer, np.floating)):
        return f"{value!s}"
    return f"a {type(value).__name__}"


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 3] + "..."
