"""Profiles of a segment of prediction records: one for each variant and period of event time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.profiles.categories import CategoryProfile
from trimtab.profiles.duplicates import DistinctRows, RowHashes
from trimtab.profiles.numbers import NumberProfile, sketch_of
from trimtab.profiles.profile import OWN, ColumnProfile, Profile, category_values, encoded, number_values

__all__ = ["LATENCY", "PREDICTION", "PROBABILITY", "PeriodProfile", "profile_segment"]

PREDICTION, PROBABILITY, LATENCY = "@prediction", "@probability", "@latency_ms"
"""Names, inside a profile, of what the server answered and how fast; features keep their own names."""

_PREFIX = "f."
"""How the features' columns are marked in a prediction segment (see ``trimtab.records.schema``)."""

_KIND_KEY = b"kind"
"""Key of a feature's kind in the metadata of its column (see ``trimtab.records.schema``)."""

_NUMERIC = (pa.types.is_floating, pa.types.is_integer, pa.types.is_timestamp)
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
    order = _order(periods, codes)
    if order is not None:
        periods, codes = periods[order], codes[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(periods) != 0) | (np.diff(codes) != 0)])
    groups = _Groups(order, np.r_[starts, table.num_rows])
    columns = {
        name: list(groups.profiles(table, name, source)) for name, source in _sources(table, feature_prefix).items()
    }
    distinct = list(groups.distinct())
    names = variants.dictionary.to_pylist()
    found = [
        PeriodProfile(
            endpoint=metadata[b"endpoint"].decode(),
            variant=str(names[codes[start]]),
            model_version=int(metadata[b"model_version"]),
            start_us=int(periods[start]) * period_s * _MICROS,
            period_s=period_s,
            profile=Profile(
                int(groups.sizes[place]), {name: parts[place] for name, parts in columns.items()}, distinct[place]
            ),
        )
        for place, start in enumerate(starts)
    ]
    return sorted(found, key=lambda period: (period.variant, period.start_us))


def _order(periods: NDArray[np.int64], codes: NDArray[np.int64]) -> NDArray[np.intp] | None:
    """Return the rows' order by variant and period; None when they stand in it, as nearly all segments' rows do."""
    later, further = np.diff(codes), np.diff(periods)
    if ((later > 0) | ((later == 0) & (further >= 0))).all():
        return None
    return np.asarray(np.lexsort((periods, codes)))


def _sources(table: pa.Table, prefix: str) -> dict[str, str]:
    own = {PREDICTION: "prediction", PROBABILITY: "probability", LATENCY: "latency_ms"}
    features = {name.removeprefix(prefix): name for name in table.column_names if name.startswith(prefix)}
    return {**features, **{name: source for name, source in own.items() if source in table.column_names}}


class _Groups:
    """Rows brought into order (None: they are in order), and where each group of them starts and the last one ends."""

    def __init__(self, order: NDArray[np.intp] | None, edges: NDArray[np.intp]) -> None:
        self._order = order
        self._starts = edges[:-1]
        self.sizes = np.diff(edges)
        self._hashes = RowHashes(int(edges[-1]))

    def _in_order(self, values: NDArray[Any]) -> NDArray[Any]:
        return values if self._order is None else values[self._order]

    def profiles(self, table: pa.Table, name: str, source: str) -> Iterator[ColumnProfile]:
        """Yield the profile of a column, and ``name`` it, for each group; note the values if it is a feature."""
        field = table.schema.field(source)
        is_text = (field.metadata or {}).get(_KIND_KEY) == ColumnKind.TEXT.encode()
        if is_text or any(holds(field.type) for holds in _NUMERIC):
            kind = ColumnKind.TEXT if is_text else ColumnKind.NUMBER
            values = self._in_order(number_values(table, source, kind))
            if not name.startswith(OWN):
                self._hashes.add_numbers(name, values)
            return self._numbers(values)
        names, codes = encoded(category_values(table, source))
        codes = self._in_order(codes)
        if not name.startswith(OWN):
            self._hashes.add_categories(name, names, codes)
        return self._categories(names, codes)

    def distinct(self) -> Iterator[DistinctRows | None]:
        """Yield, for each group, how many distinct rows it has by the features whose profiles were made; once."""
        hashes = self._hashes.finished()
        for begin, size in zip(self._starts, self.sizes, strict=True):
            yield DistinctRows.of(hashes[begin : begin + size]) if self._hashes.columns else None

    def _numbers(self, values: NDArray[np.float64]) -> Iterator[NumberProfile]:
        finite = np.isfinite(values)
        if finite.all():  # as most columns are: several passes over all rows are spared
            kept, counts, missing = values, self.sizes, np.zeros(len(self.sizes), dtype=np.int64)
        else:
            kept, counts = values[finite], np.add.reduceat(finite, self._starts, dtype=np.int64)
            missing = np.add.reduceat(np.isnan(values), self._starts, dtype=np.int64)
        ends = np.cumsum(counts)
        means, squares = _moments(kept, counts)
        for place, size in enumerate(self.sizes):
            count, lacking = int(counts[place]), int(missing[place])
            yield NumberProfile(
                count=count,
                missing=lacking,
                infinite=int(size) - count - lacking,
                mean=float(means[place]) if count else math.nan,
                m2=float(squares[place]),
                sketch=sketch_of(kept[ends[place] - count : ends[place]]),
            )

    def _categories(self, names: Sequence[str], codes: NDArray[np.int64]) -> Iterator[CategoryProfile]:
        width = len(names) + 1
        group = np.repeat(np.arange(len(self.sizes)), self.sizes)
        cells, numbers = _counted(group * width + codes, len(self.sizes) * width)
        edges = np.searchsorted(cells, np.arange(len(self.sizes) + 1) * width)
        for begin, end in itertools.pairwise(edges):
            counted = {int(cell % width): int(n) for cell, n in zip(cells[begin:end], numbers[begin:end], strict=True)}
            missing = counted.pop(len(names), 0)
            yield CategoryProfile.of_counts({names[code]: number for code, number in counted.items()}, missing)


def _moments(values: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean, and sum of squares about it, of each group of so many values in turn; 0 of an empty group."""
    held = counts > 0
    means, squares = np.zeros(len(counts)), np.zeros(len(counts))
    if held.any():
        starts = (np.cumsum(counts) - counts)[held]
        means[held] = np.add.reduceat(values, starts) / counts[held]
        centred = values - np.repeat(means[held], counts[held])
        squares[held] = np.add.reduceat(np.square(centred, out=centred), starts)
    return means, squares


def _counted(cells: NDArray[np.int64], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which numbers from 0 up to ``most`` occur, ascending, and how often."""
    if most > 4 * len(cells):  # a table of them all would outgrow the rows
        return np.unique(cells, return_counts=True)
    counts = np.bincount(cells, minlength=most)
    found = np.flatnonzero(counts)
    return found, counts[found]
