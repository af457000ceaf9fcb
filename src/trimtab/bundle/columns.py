"""Columns of an Arrow table as the encoder takes them, equal to what it makes of their values one by one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature
from trimtab.bundle.moments import LATEST_EPOCH, MISSING_EPOCH, epochs_of_column
from trimtab.bundle.values import BLANKS, MISSING_CODE, UNSEEN_CODE, described, second_of
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError, DataContractError

__all__ = ["code_column", "number_column", "second_column", "text_column"]


def number_column(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.float64]:
    """Return numbers ``(n,)``, NaN where missing.

    Raises:
        DataContractError: the column holds something else.
    """
    kind = column.type
    is_boolean = feature.kind is ColumnKind.BOOLEAN
    if _is_text(kind) and feature.missing:
        text = column.cast(pa.large_string())
        if not pc.any(pc.and_(pc.is_valid(text), pc.invert(_markers(text, feature)))).as_py():
            return np.full(len(column), np.nan)
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if not (numbers or pa.types.is_null(kind) or (is_boolean and pa.types.is_boolean(kind))):
        raise DataContractError(_wrong_type(feature, kind, "true or false" if is_boolean else "numbers"))
    if pa.types.is_boolean(kind):
        column = column.cast(pa.int8())
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    if is_boolean:
        wrong = ~(np.isnan(values) | (values == 0) | (values == 1))
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise DataContractError(f"row {at}: column {feature.name!r} is {values[at]:g}; expected true or false")
    return values


def code_column(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.int64]:
    """Return categories' places in the feature's dictionary ``(n,)``, or the codes of those that have none.

    Raises:
        DataContractError: the column holds no text.
    """
    text = _text(column, feature, "text (categories)")
    if text is None:
        return np.full(len(column), MISSING_CODE, dtype=np.int64)
    kept = [name for name in feature.categories if name not in feature.missing]
    places = {name: place for place, name in enumerate(feature.categories)}
    found = pc.index_in(text, value_set=pa.array(kept, pa.large_string()))
    if len(kept) < len(feature.categories):
        found = pc.take(pa.array([places[name] for name in kept], pa.int32()), found)
    unknown = UNSEEN_CODE
    if feature.missing:
        unknown = pc.if_else(_markers(text, feature), MISSING_CODE, UNSEEN_CODE)
    codes = pc.if_else(pc.is_null(text), MISSING_CODE, pc.coalesce(found, pc.cast(unknown, pa.int32())))
    result: NDArray[np.int64] = codes.cast(pa.int64()).to_numpy()
    return result


def second_column(column: pa.ChunkedArray, feature: Feature) -> NDArray[np.int64]:
    """Return seconds since 1970 ``(n,)``, `MISSING_EPOCH` where missing.

    Raises:
        DataContractError: the column holds something else, or a moment beyond the years 1 to 9999.
    """
    seconds = epochs_of_column(column, feature.format)
    if seconds is None:
        text = _text(column, feature, "timestamps, ISO 8601 text or seconds since 1970")
        if text is None:
            return np.full(len(column), MISSING_EPOCH, dtype=np.int64)
        # Each distinct text is read once.
        encoded = text.combine_chunks().dictionary_encode()
        codes = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        try:
            read = [second_of(value, place, feature) for place, value in enumerate(encoded.dictionary.to_pylist())]
        except ConfigError:
            at = next(place for place, value in enumerate(text.to_pylist()) if not _is_moment(value, feature))
            raise DataContractError(
                f"row {at}: column {feature.name!r} is {described(text[at].as_py())}; expected ISO 8601; correct it"
            ) from None
        return np.asarray(np.array([*read, MISSING_EPOCH], dtype=np.int64)[codes])
    wrong = np.flatnonzero(seconds > LATEST_EPOCH)
    if len(wrong):
        at = int(wrong[0])
        raise DataContractError(
            f"row {at}: column {feature.name!r} is beyond the years 1 to 9999 (are they milliseconds?); expected "
            "seconds since 1970; correct it"
        )
    return seconds


def text_column(column: pa.ChunkedArray, feature: Feature) -> list[str | None]:
    """Return texts, None where missing.

    Raises:
        DataContractError: the column holds no text.
    """
    text = _text(column, feature, "text")
    if text is None:
        return [None] * len(column)
    if feature.missing:
        text = pc.if_else(_markers(text, feature), None, text)
    return list(text.to_pylist())


def _text(column: pa.ChunkedArray, feature: Feature, expected: str) -> pa.ChunkedArray | None:
    """Return the column as large strings, None where it is nothing but nulls."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_null(kind):
        return None
    if not _is_text(kind):
        raise DataContractError(_wrong_type(feature, kind, expected))
    return column.cast(pa.large_string())


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _markers(text: pa.ChunkedArray, feature: Feature) -> pa.ChunkedArray:
    known = pa.array(feature.missing, pa.large_string())
    return pc.is_in(pc.utf8_trim(text, characters=BLANKS), value_set=known)


def _is_moment(value: str | None, feature: Feature) -> bool:
    try:
        second_of(value, 0, feature)
    except ConfigError:
        return False
    return True


def _wrong_type(feature: Feature, kind: pa.DataType, expected: str) -> str:
    return f"column {feature.name!r}: type {kind}, expected {expected}; correct it, or its type in contract.yaml"
