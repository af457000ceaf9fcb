"""From rows, or a table, to the two matrices that a graph takes: numbers, and codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.moments import MISSING_EPOCH
from trimtab.bundle.plain_row import PlainRow
from trimtab.bundle.values import (
    ABSENT,
    MISSING_CODE,
    UNSEEN_CODE,
    UnfitRowError,
    code_of,
    is_marker,
    number_of,
    refusal,
    second_of,
    shown,
    text_of,
)
from trimtab.bundle.words import TermCounter
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MISSING_CODE", "MISSING_EPOCH", "UNSEEN_CODE", "Encoder", "Inputs"]

Recorded = float | bool | str | None


# A struct, since one is made a request: a frozen dataclass takes ten times as long.
class Inputs(msgspec.Struct, frozen=True):
    """What a graph takes: ``numeric`` float32 (n, F), C-contiguous, NaN is missing; ``codes`` int64 (n, C).

    Of a model of images: ``images`` float32 (n, 3, height, width), and in ``numeric`` their properties.
    """

    numeric: NDArray[np.float32]
    codes: NDArray[np.int64]
    images: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        """Return the number of rows."""
        return int(self.numeric.shape[0])

    def take(self, rows: NDArray[Any]) -> Inputs:
        """Return the rows at positions (or under the mask) ``rows``."""
        images = None if self.images is None else self.images[rows]
        return Inputs(np.ascontiguousarray(self.numeric[rows]), np.ascontiguousarray(self.codes[rows]), images)


class Encoder:
    """Encodes rows by a manifest's features. Holds no state that changes; threads may share one.

    Numbers, integers and booleans become float32 (rounded once, from float64). An integer column takes any finite
    number, since a broken feed has to be seen by the monitors, not hidden by a refusal; a boolean takes true, false, 0
    and 1. A category must be text: its code is its place in the dictionary, -1 when null, -2 when unseen. A datetime is
    ISO 8601 text (UTC, if it names no offset), text in the feature's format, or seconds since 1970; its code is that
    second, rounded down. A text becomes its number of words and of each of its terms. Texts that the feature knows as
    'not known' are null.
    """

    def __init__(self, manifest: Manifest) -> None:
        self._numeric = manifest.numeric
        self._categorical = manifest.categorical
        self._moments = manifest.datetimes
        self._texts = tuple((feature, TermCounter(feature.terms)) for feature in manifest.texts)
        self._names = frozenset(feature.name for feature in manifest.features)
        self._required_numeric = np.array([not feature.nullable for feature in self._numeric], dtype=bool)
        coded = self._categorical + self._moments
        self._required_codes = np.array([not feature.nullable for feature in coded], dtype=bool)
        self._missing_codes = np.array(
            [MISSING_CODE] * len(self._categorical) + [MISSING_EPOCH] * len(self._moments), dtype=np.int64
        )
        self._plain = tuple((f.name, f.kind is ColumnKind.BOOLEAN) for f in self._numeric)
        self._by_name = {feature.name: feature for feature in self._numeric}
        self._dictionaries = tuple((f.name, _dictionary(f), f) for f in self._categorical)
        self.event_time = manifest.event_time
        self._has_more = bool(self._moments or self._texts)
        self._recorded_names = tuple(feature.name for feature in manifest.features)
        self._marked = tuple(
            (place, feature)
            for place, feature in enumerate(manifest.features)
            if feature.missing and feature.kind in {ColumnKind.CATEGORY, ColumnKind.TEXT}
        )
        places = {feature.name: place for place, feature in enumerate(manifest.features)}
        self._plain_row = PlainRow.of(manifest)
        self._moment_places = tuple(
            (places[feature.name], len(self._categorical) + column) for column, feature in enumerate(self._moments)
        )

    @property
    def features(self) -> tuple[Feature, ...]:
        """Features in the order of the matrices: numbers, texts, categories, datetimes."""
        return self._numeric + tuple(feature for feature, _ in self._texts) + self._categorical + self._moments

    def encode_one(self, row: Mapping[str, object]) -> tuple[Inputs, tuple[Recorded, ...]] | None:
        """Return what `encode_rows` and `recorded` give for ``row``, if that can be had fast; None: ask them."""
        found = None if self._plain_row is None else self._plain_row.encode(row)
        return None if found is None else (Inputs(found[0], found[1]), found[2])

    def encode_rows(self, rows: Sequence[Mapping[str, object]]) -> Inputs:
        """Return the matrices of ``rows``. An absent nullable field is null; NaN counts as null.

        Raises:
            ConfigError: a field is unknown, missing though not nullable, of the wrong type, or not finite; the
                sentence names row, field, what was found and what was expected.
        """
        flat: list[float] = []
        codes: list[int] = []
        texts: tuple[list[str | None], ...] = tuple([] for _ in self._texts) if self._texts else ()
        for at, row in enumerate(rows):
            present = 0
            for name, is_boolean in self._plain:
                value = row.get(name, ABSENT)
                if value is not ABSENT:
                    present += 1
                if type(value) is float and not is_boolean:
                    flat.append(value)
                else:
                    flat.append(number_of(value, at, self._by_name[name]))
            for name, dictionary, feature in self._dictionaries:
                value = row.get(name, ABSENT)
                if value is not ABSENT:
                    present += 1
                known = dictionary.get(value) if type(value) is str else None
                codes.append(code_of(value, dictionary, at, feature) if known is None else known)
            if self._has_more:
                present += self._read_more(row, at, codes, texts)
            if present != len(row):
                self._refuse_unknown(at, row)
        numeric = _to_float32(np.array(flat, dtype=np.float64).reshape(len(rows), len(self._plain)))
        coded = np.array(codes, dtype=np.int64).reshape(len(rows), len(self._missing_codes))
        problem = self._first_problem(numeric, coded, texts)
        if problem is not None:
            raise UnfitRowError(_sentence(problem, rows[problem[0]]), problem[1].name)
        return Inputs(self._with_texts(numeric, texts) if texts else numeric, coded)

    def encode_table(self, table: pa.Table) -> Inputs:
        """Return the matrices of ``table``, equal to those that `encode_rows` gives for its rows.

        Columns that are no features are left alone; a nullable column may be absent.

        Raises:
            DataContractError: a column is missing though not nullable, of the wrong type, holds nulls that it must
                not, or a value that is not finite.
        """
        # Start-up cost: rows of a request need no Arrow.
        from trimtab.bundle.columns import code_column, number_column, second_column, text_column

        rows = table.num_rows
        numeric = np.full((rows, len(self._numeric)), np.nan, dtype=np.float32)
        codes = np.empty((rows, len(self._missing_codes)), dtype=np.int64)
        codes[:] = self._missing_codes
        present = set(table.column_names)
        for place, feature in enumerate(self._numeric):
            if feature.name in present:
                numeric[:, place] = _to_float32(number_column(table.column(feature.name), feature))
        for place, feature in enumerate(self._categorical + self._moments):
            if feature.name in present:
                read = code_column if feature.kind is ColumnKind.CATEGORY else second_column
                codes[:, place] = read(table.column(feature.name), feature)
        texts: tuple[list[str | None], ...] = tuple(
            text_column(table.column(feature.name), feature) if feature.name in present else [None] * rows
            for feature, _ in self._texts
        )
        problem = self._first_problem(numeric, codes, texts)
        if problem is not None:
            raise DataContractError(_sentence(problem, table.slice(problem[0], 1).to_pylist()[0]))
        return Inputs(self._with_texts(numeric, texts), codes)

    def recorded(self, rows: Sequence[Mapping[str, Any]], inputs: Inputs) -> list[tuple[Recorded, ...]]:
        """Return the values of ``rows``, which gave ``inputs``, in the order of the manifest's features, to be kept.

        They are as sent, but whole numbers are floats, a datetime is its second since 1970, and what means 'not known'
        in a category or text is null.
        """
        names = self._recorded_names
        if not self._marked and not self._moments:
            return [tuple([_storable(row.get(name)) for name in names]) for row in rows]
        values = [[_storable(row.get(name)) for name in names] for row in rows]
        for place, feature in self._marked:
            for kept in values:
                if is_marker(kept[place], feature):
                    kept[place] = None
        for place, column in self._moment_places:
            for kept, second in zip(values, inputs.codes[:, column].tolist(), strict=True):
                kept[place] = None if second == MISSING_EPOCH else float(second)
        return [tuple(kept) for kept in values]

    def _read_more(
        self, row: Mapping[str, object], at: int, codes: list[int], texts: tuple[list[str | None], ...]
    ) -> int:
        """Append what the row's datetimes and texts are, and return how many of them it has."""
        present = 0
        for feature in self._moments:
            value = row.get(feature.name, ABSENT)
            present += value is not ABSENT
            codes.append(second_of(value, at, feature))
        for (feature, _), column in zip(self._texts, texts, strict=True):
            value = row.get(feature.name, ABSENT)
            present += value is not ABSENT
            column.append(text_of(value, at, feature))
        return present

    def _with_texts(self, numeric: NDArray[np.float32], texts: tuple[list[str | None], ...]) -> NDArray[np.float32]:
        if not texts:
            return numeric
        blocks = [counter.count(column) for (_, counter), column in zip(self._texts, texts, strict=True)]
        return np.ascontiguousarray(np.concatenate([numeric, *blocks], axis=1))

    def _first_problem(
        self, numeric: NDArray[np.float32], codes: NDArray[np.int64], texts: tuple[list[str | None], ...]
    ) -> tuple[int, Feature] | None:
        """Find the first value that is infinite, or null where it must not be."""
        if numeric.size and not np.isfinite(numeric).all():
            wrong = np.isinf(numeric) | (np.isnan(numeric) & self._required_numeric)
            if wrong.any():
                at, place = np.argwhere(wrong)[0]
                return int(at), self._numeric[int(place)]
        if codes.size and int(codes.min()) < 0:
            wrong = (codes == self._missing_codes) & self._required_codes
            if wrong.any():
                at, place = np.argwhere(wrong)[0]
                return int(at), (self._categorical + self._moments)[int(place)]
        for (feature, _), column in zip(self._texts, texts, strict=True) if texts else ():
            if not feature.nullable and None in column:
                return column.index(None), feature
        return None

    def _refuse_unknown(self, at: int, row: Mapping[str, object]) -> None:
        unknown = next(name for name in row if name not in self._names)
        known = shown(", ".join(sorted(self._names)))
        told = f"row {at}: field {shown(repr(unknown))} is unknown; expected only {known}; remove it"
        raise UnfitRowError(told, self._absent_from(row))

    def _absent_from(self, row: Mapping[str, object]) -> str:
        """Return the feature that a row with an unknown field lacks, and which so was renamed, it seems.

        It is the first that must be there, else the only one that is not; "" where that cannot be told.
        """
        absent = [feature for feature in self.features if feature.name not in row]
        required = [feature.name for feature in absent if not feature.nullable]
        return required[0] if required else absent[0].name if len(absent) == 1 else ""


def _sentence(problem: tuple[int, Feature], row: Mapping[str, object]) -> str:
    at, feature = problem
    return refusal(f"row {at}", feature, row.get(feature.name, ABSENT))


def _dictionary(feature: Feature) -> dict[str, int]:
    codes = {text: code for code, text in enumerate(feature.categories)}
    return codes | dict.fromkeys(feature.missing, MISSING_CODE)


def _storable(value: Any) -> Any:
    # A whole number may have more than the 64 bits that msgpack has; as a feature it is a float anyway.
    return float(value) if type(value) is int else value


def _to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)
