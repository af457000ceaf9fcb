"""Profiles of a segment of prediction records: one for each variant and period of event time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasketches import kll_doubles_sketch
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.numbers import SKETCH_K, NumberProfile
from trimtab.profiles.profile import ColumnProfile, Profile, category_values, number_values

__all__ = ["LATENCY", "PREDICTION", "PROBABILITY", "PeriodProfile", "profile_segment"]

PREDICTION, PROBABILITY, LATENCY = "@prediction", "@probability", "@latency_ms"
"""Names, inside a profile, of what the server answered and how fast; features keep their own names."""

_PREFIX = "f."
"""How the features' columns are marked in a prediction segment (see ``trimtab.records.schema``)."""

_KIND_KEY = b"kind"
"""Key of a feature's kind in the metadata of its column (see ``trimtab.records.schema``)."""

_MICROS = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class PeriodProfile:
    """What one variant of an endpoint was asked and answered from ``start_us`` for ``period_s`` seconds."""

    endpoint: str
    variant: str
    model_version: int
    start_us: int
    period_s: int
    profile: Profile

    @property
    def end_us(self) -> int:
        """First microsecond after the period."""
        return self.start_us + self.period_s * _MICROS


def profile_segment(table: pa.Table, *, period_s: int, feature_prefix: str = _PREFIX) -> list[PeriodProfile]:
    """Return a profile for each variant and period in which a prediction segment has rows, sorted by these.

    Periods are whole multiples of ``period_s`` since 1970, by ``event_us``. The profile's columns are the features
    under their own names, and `PREDICTION`, `PROBABILITY`, `LATENCY`. Kinds are those of Arrow's types: floats,
    integers and timestamps are numbers, booleans and strings categories; a column whose metadata calls it a text is
    profiled by its number of words. Costs one sort, however many periods the segment spans.

    Raises:
        DataContractError: a column or the schema's metadata (endpoint, model_version) is missing.
    """
    absent = [name for name in ("event_us", "variant", "prediction", "latency_ms") if name not in table.column_names]
    metadata = table.schema.metadata or {}
    if absent or b"endpoint" not in metadata or b"model_version" not in metadata:
        raise DataContractError(
            f"prediction segment: lacks {absent or 'endpoint and model_version in its metadata'}; "
            "expected the columns of a prediction segment; ship it again"
        )
    if not table.num_rows:
        return []
    variants = table["variant"].combine_chunks().dictionary_encode()
    periods = np.asarray(table["event_us"].to_numpy(), dtype=np.int64) // (period_s * _MICROS)
    codes = np.asarray(variants.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    order = np.lexsort((periods, codes))
    periods, codes = periods[order], codes[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(periods) != 0) | (np.diff(codes) != 0)])
    groups = _Groups(order, starts)
    columns = {name: list(groups.profiles(table, source)) for name, source in _sources(table, feature_prefix).items()}
    names = variants.dictionary.to_pylist()
    found = [
        PeriodProfile(
            endpoint=metadata[b"endpoint"].decode(),
            variant=str(names[codes[start]]),
            model_version=int(metadata[b"model_version"]),
            start_us=int(periods[start]) * period_s * _MICROS,
            period_s=period_s,
            profile=Profile(int(groups.sizes[place]), {name: parts[place] for name, parts in columns.items()}),
        )
        for place, start in enumerate(starts)
    ]
    return sorted(found, key=lambda period: (period.variant, period.start_us))


def _sources(table: pa.Table, prefix: str) -> dict[str, str]:
    own = {PREDICTION: "prediction", PROBABILITY: "probability", LATENCY: "latency_ms"}
    features = {name.removeprefix(prefix): name for name in table.column_names if name.startswith(prefix)}
    return {**features, **{name: source for name, source in own.items() if source in table.column_names}}


class _Groups:
    """Rows brought into order, and where each group of them starts."""

    def __init__(self, order: NDArray[np.intp], starts: NDArray[np.intp]) -> None:
        self._order = order
        self._starts = starts
        self.sizes = np.diff(np.r_[starts, len(order)])

    def profiles(self, table: pa.Table, name: str) -> Iterator[ColumnProfile]:
        """Yield the profile of a column for each group."""
        field = table.schema.field(name)
        if (field.metadata or {}).get(_KIND_KEY) == ColumnKind.TEXT.encode():
            return self._numbers(number_values(table, name, ColumnKind.TEXT)[self._order])
        if pa.types.is_floating(field.type) or pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
            return self._numbers(number_values(table, name)[self._order])
        return self._categories(category_values(table, name))

    def _numbers(self, values: NDArray[np.float64]) -> Iterator[NumberProfile]:
        finite = np.isfinite(values)
        filled = np.where(finite, values, 0.0)
        counts = np.add.reduceat(finite, self._starts, dtype=np.int64)
        missing = np.add.reduceat(np.isnan(values), self._starts, dtype=np.int64)
        means = np.add.reduceat(filled, self._starts) / np.maximum(counts, 1)
        m2 = np.add.reduceat(np.where(finite, (filled - np.repeat(means, self.sizes)) ** 2, 0.0), self._starts)
        kept = values[finite]
        ends = np.cumsum(counts)
        for place, size in enumerate(self.sizes):
            count = int(counts[place])
            sketch = kll_doubles_sketch(SKETCH_K)
            sketch.update(kept[ends[place] - count : ends[place]])
            infinite = int(size) - count - int(missing[place])
            mean = float(means[place]) if count else math.nan
            yield NumberProfile(count, int(missing[place]), infinite, mean, float(m2[place]), sketch)

    def _categories(self, values: pa.ChunkedArray) -> Iterator[CategoryProfile]:
        encoded = values.combine_chunks().dictionary_encode()
        names = encoded.dictionary.to_pylist()
        missing_code = len(names)
        codes = np.asarray(pc.fill_null(encoded.indices, missing_code).to_numpy(zero_copy_only=False), dtype=np.int64)
        width = missing_code + 1
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        cells, numbers = np.unique(group * width + codes[self._order], return_counts=True)
        edges = np.searchsorted(cells, np.arange(len(self.sizes) + 1) * width)
        for begin, end in itertools.pairwise(edges):
            counted = {int(cell % width): int(n) for cell, n in zip(cells[begin:end], numbers[begin:end], strict=True)}
            missing = counted.pop(missing_code, 0)
            yield CategoryProfile.of_counts({names[code]: number for code, number in counted.items()}, missing)
