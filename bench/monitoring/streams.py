"""Streams in which nothing changes: a reference, and windows after it, of rows with memory, a daily wave, or bursts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import lfilter

__all__ = ["HOUR_US", "SYNTHETIC", "Stream", "real_streams", "synthetic"]

HOUR_US = 3_600_000_000
_WARM_UP = 500


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """``times_us`` ``(n,)`` ascend; rows before ``begin_us`` are the reference. ``values`` has shape ``(n, c)``."""

    name: str
    times_us: NDArray[np.int64]
    values: NDArray[np.float64]
    begin_us: int
    length_us: int

    @property
    def reference(self) -> NDArray[np.float64]:
        """The rows of the reference, ``(m, c)``."""
        return self.values[self.times_us < self.begin_us]

    def windows(self) -> Iterator[tuple[int, slice]]:
        """Yield each window's start and its rows, one after the other."""
        for start in range(self.begin_us, int(self.times_us[-1]) + HOUR_US - self.length_us + 1, self.length_us):
            first, last = np.searchsorted(self.times_us, [start, start + self.length_us])
            yield start, slice(int(first), int(last))


def _ar1(phi: float) -> Callable[[int, int, Generator], NDArray[np.float64]]:
    def drawn(rows: int, columns: int, rng: Generator) -> NDArray[np.float64]:
        steps = rng.normal(size=(rows + _WARM_UP, columns))
        return np.asarray(lfilter([np.sqrt(1 - phi**2)], [1, -phi], steps, axis=0)[_WARM_UP:])

    return drawn


def _diurnal(rows: int, columns: int, rng: Generator) -> NDArray[np.float64]:
    wave = 2 * np.sin(np.arange(rows) / 24 * 2 * np.pi)
    return np.asarray(_ar1(0.9)(rows, columns, rng) + wave[:, None], dtype=np.float64)


def _bursts(rows: int, columns: int, rng: Generator) -> NDArray[np.float64]:
    """Every 300 hours or so all columns rise by three standard deviations, for 20 hours or so."""
    values, hour = _ar1(0.9)(rows, columns, rng), 0
    while hour < rows:
        begin = hour + int(rng.exponential(300))
        hour = begin + 1 + int(rng.exponential(20))
        values[begin:hour] += 3
    return values


SYNTHETIC: dict[str, Callable[[int, int, Generator], NDArray[np.float64]]] = {
    "independent": _ar1(0.0),
    "AR(1), 0.5": _ar1(0.5),
    "AR(1), 0.9": _ar1(0.9),
    "daily wave": _diurnal,
    "bursts": _bursts,
}


def synthetic(
    name: str, rng: Generator, *, weeks: int = 26, windows: int = 25, hours: int = 168, columns: int = 20
) -> Stream:
    """Return an hourly stream: ``weeks`` of reference, then ``windows`` of ``hours``."""
    before = weeks * 168
    values = SYNTHETIC[name](before + windows * hours, columns, rng)
    times = np.arange(len(values), dtype=np.int64) * HOUR_US
    return Stream(name, times, values, before * HOUR_US, hours * HOUR_US)


def real_streams(folder: Path) -> Iterator[Stream]:
    """Yield what ``hourly_bikesharing.csv``, ``adult.csv`` and ``hourly_parking.csv`` in ``folder`` hold, if present.

    Bike sharing: weather and calendar of two years, then the weeks of the next one, for each year from 2013 to 2018 and
    four phases (weeks that begin on four days): the same hours are in several streams, though never in both parts of
    one. Adult: its rows in forty random orders, 500 a day, forty days and then day by day; categories are numbered.
    Parking: how full each of 20 car parks is, 45 days and then day by day; real, so nobody knows whether nothing
    changed.
    """
    bikes, people, parking = (folder / f"{name}.csv" for name in ("hourly_bikesharing", "adult", "hourly_parking"))
    if bikes.is_file():
        yield from _weather(pa_csv.read_csv(bikes))
    if people.is_file():
        yield from _people(pa_csv.read_csv(people))
    if parking.is_file():
        yield _parking(pa_csv.read_csv(parking))


def _weather(table: pa.Table) -> Iterator[Stream]:
    times = _micros(table["ts"])
    hour, weekday = times // HOUR_US % 24, times // (24 * HOUR_US) % 7
    weather = [table[name].cast(pa.float64()).to_numpy() for name in ("tmin", "tmax", "pn")]
    values = np.column_stack([hour, weekday, *weather]).astype(np.float64)
    for year in range(2011, 2017):
        for day in (0, 2, 4, 6):
            first, begin, last = (_moment(year + step) + day * 24 * HOUR_US for step in (0, 2, 3))
            kept = (times >= first) & (times < last)
            yield Stream("bike sharing, weather", times[kept], values[kept], begin, 168 * HOUR_US)


def _people(table: pa.Table, orders: int = 40, a_day: int = 500) -> Iterator[Stream]:
    columns = [
        column.cast(pa.float64()).to_numpy()
        if pa.types.is_integer(column.type)
        else column.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.float64)
        for column in table.columns
    ]
    times = (np.arange(table.num_rows) * 24 * HOUR_US // a_day).astype(np.int64)
    for seed in range(orders):
        order = np.random.default_rng([2, seed]).permutation(table.num_rows)
        yield Stream("Adult, shuffled", times, np.column_stack(columns)[order], 40 * 24 * HOUR_US, 24 * HOUR_US)


def _parking(table: pa.Table) -> Stream:
    hours = _micros(table["LastUpdated"]) // HOUR_US
    names, place = np.unique(np.array(table["SystemCodeNumber"].to_pylist()), return_inverse=True)
    full = table["Occupancy"].to_numpy() / table["Capacity"].to_numpy()
    most = np.argsort(-np.bincount(place), kind="stable")[:20]
    moments = np.unique(hours)
    values = np.full((len(moments), len(names)), np.nan)
    values[np.searchsorted(moments, hours), place] = full
    start = int(moments[0]) // 24 * 24
    return Stream("parking", moments * HOUR_US, values[:, most], (start + 45 * 24) * HOUR_US, 24 * HOUR_US)


def _micros(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(pc.cast(column.cast(pa.timestamp("us")), pa.int64()).to_numpy(), dtype=np.int64)


def _moment(year: int) -> int:
    return int(np.datetime64(f"{year}-01-01", "us").astype(np.int64))
