"""The short way of one row that needs no mercy: every feature there, each of the type that its kind has in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.bundle.values import is_marker
from trimtab.core.enums import ColumnKind

__all__ = ["PlainRow"]

_TYPES: Final[dict[ColumnKind, type]] = {
    ColumnKind.NUMBER: float,
    ColumnKind.INTEGER: float,
    ColumnKind.BOOLEAN: bool,
    ColumnKind.CATEGORY: str,
}
_USUAL: Final = 1e30
"""What float32 holds with room to spare; beyond it the long way finds the field to name."""


class PlainRow:
    """Encodes one row of numbers, booleans and known categories in a few microseconds, or declines to.

    What it gives is bit for bit what `Encoder.encode_rows` and `Encoder.recorded` give; where it declines, they are
    asked, and say what is wrong, if anything is.
    """

    def __init__(self, manifest: Manifest) -> None:
        features = manifest.features
        self._pick = itemgetter(*(feature.name for feature in features))
        self._types = tuple(_TYPES[feature.kind] for feature in features)
        coded = [place for place, feature in enumerate(features) if feature.kind is ColumnKind.CATEGORY]
        self._coded = tuple((place, _known(features[place])) for place in coded)
        self._numbers = None if not coded else _places(place for place in range(len(features)) if place not in coded)
        self._no_codes = np.empty((1, 0), dtype=np.int64)

    @staticmethod
    def of(manifest: Manifest) -> PlainRow | None:
        """Return one for the model, or None: it takes datetimes or texts, or only one feature."""
        features = manifest.features
        # Of a single name, an itemgetter gives the value and no tuple.
        if len(manifest.numeric) < 2 or any(feature.kind not in _TYPES for feature in features):
            return None
        return PlainRow(manifest)

    def encode(self, row: Mapping[str, Any]) -> tuple[NDArray[np.float32], NDArray[np.int64], tuple[Any, ...]] | None:
        """Return numbers (1, F), codes (1, C) and the values to record; None where the long way has to be gone."""
        try:
            values = self._pick(row)
        except KeyError:
            return None
        if len(row) != len(values):
            return None
        if tuple(map(type, values)) != self._types:
            values = self._with_floats(values)
            if values is None:
                return None
        numbers = values if self._numbers is None else self._numbers(values)
        # False for NaN too, wherever it stands.
        if not sum(map(abs, numbers)) < _USUAL:
            return None
        if not self._coded:
            return np.array((numbers,), dtype=np.float32), self._no_codes, values
        codes = [known.get(values[place]) for place, known in self._coded]
        if None in codes:
            return None
        return np.array((numbers,), dtype=np.float32), np.array((codes,), dtype=np.int64), values

    def _with_floats(self, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return ``values`` with whole numbers as floats, as they are recorded; None where another type is wrong."""
        try:
            fitting = tuple(
                float(value) if type(value) is int and kind is float else value
                for value, kind in zip(values, self._types, strict=True)
            )
        except OverflowError:
            return None
        return fitting if tuple(map(type, fitting)) == self._types else None


def _known(feature: Feature) -> dict[str, int]:
    return {text: code for code, text in enumerate(feature.categories) if not is_marker(text, feature)}


def _places(places: Any) -> itemgetter[Any]:
    return itemgetter(*places)
