"""The streams that rules are tried on: recorded ones, and made ones of which is known what happens in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

__all__ = ["AS_INIT_TRAINS", "BEGAN_US", "MADE", "RECORDED", "Stream", "made", "recorded"]

BEGAN_US = 1_893_456_000_000_000
"""2030, UTC: none of the streams needs to know better."""
_DAY_US = 86_400_000_000
_HOURS, _WINDOW, _MEMORY = 168, 26, 0.9
AS_INIT_TRAINS = ", as init trains"
MADE = ("stationary", "abrupt", "gradual", "recurring", "flip", "noise")
RECORDED = ("bike-sharing", "parking", "adult", "adult-flipped")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Rows in order of time: ``features`` (n, k), ``target`` (n,), cut into chunks by ``starts`` (chunks + 1,).

    The first version learns ``window`` chunks, a later one as many, or with ``learns_all`` all there are. A chunk is
    one decision period, of ``period_us``. ``classes``: the target is 0 or 1, and the loss the log loss; else it is the
    absolute error.
    """

    name: str
    features: NDArray[np.float32]
    target: NDArray[np.float64]
    starts: NDArray[np.intp]
    window: int
    classes: bool = False
    learns_all: bool = False
    period_us: int = 7 * _DAY_US

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return len(self.starts) - 1

    def rows(self, first: int, last: int | None = None) -> slice:
        """Return the rows of the chunks ``first`` … ``last`` (not included); of ``first`` alone by default."""
        return slice(int(self.starts[first]), int(self.starts[first + 1 if last is None else last]))

    def moment(self, chunk: int) -> int:
        """Return when a chunk begins, in microseconds since 1970."""
        return BEGAN_US + chunk * self.period_us

    def days(self) -> NDArray[np.float64]:
        """Return when each row happened (n,), in days since the first; rows are even within a chunk."""
        ends = np.arange(len(self.starts)) * (self.period_us / _DAY_US)
        return np.asarray(np.interp(np.arange(len(self.target)), self.starts, ends), dtype=np.float64)

    def as_init_trains(self) -> Stream:
        """Return the stream as init's ``training_config.yaml`` has it learnt: all rows, and the days elapsed besides.

        A tree can then part the rows of today from those of years ago.
        """
        features = np.column_stack([self.features, self.days().astype(np.float32)])
        name = f"{self.name}{AS_INIT_TRAINS}"
        return replace(self, name=name, features=features, learns_all=True)

    def scale(self, first: int) -> float:
        """Return what losses from chunk ``first`` on are shares of: Σ|y|, or the rows of classes."""
        rows = self.target[self.starts[first] : self.starts[-1]]
        return float(len(rows)) if self.classes else float(np.abs(rows).sum())


def recorded(name: str, folder: Path) -> Stream:
    """Read a recorded stream from its CSV file in ``folder``.

    Raises:
        SystemExit: the file is not there.
    """
    file, read = _READERS[name]
    path = folder / file
    if not path.is_file():
        raise SystemExit(f"error: {path}: not there; the README in bench/triggers says where to get it")
    return read(path)


def made(kind: str, seed: int, *, chunks: int = 200) -> Stream:
    """Make a stream of ``chunks`` weeks of hours with AR(1) noise (φ = 0.9); what changes, does at 55 % of it.

    ``stationary``: nothing. ``abrupt``: level and daily swing. ``gradual``: one effect triples over the whole stream.
    ``recurring``: level and one effect change every 20 weeks, to and fro. ``flip``: the sign of one effect, so that
    the level stays. ``noise``: twice the noise, from which nothing can be learnt.
    """
    rng = np.random.default_rng([seed, MADE.index(kind)])
    count = _HOURS * chunks
    shocks, noise = rng.normal(size=count) * np.sqrt(1 - _MEMORY**2), np.zeros(count)
    for row in range(1, count):
        noise[row] = _MEMORY * noise[row - 1] + shocks[row]
    hour, share = np.arange(count) % 24, np.arange(count) / count
    features = np.column_stack([hour, rng.normal(size=(count, 4))])
    late = share > 0.55
    swings = (np.arange(count) // _HOURS // 20) % 2 == 1
    level, swing, effect, size = np.full(count, 20.0), np.full(count, 5.0), np.ones(count), np.full(count, 1.5)
    if kind == "abrupt":
        level, swing = np.where(late, 26.0, 20.0), np.where(late, 9.0, 5.0)
    elif kind == "gradual":
        effect = 1 + 2 * share
    elif kind == "recurring":
        level, effect = np.where(swings, 26.0, 20.0), np.where(swings, -0.5, 1.0)
    elif kind == "flip":
        effect = np.where(late, -1.0, 1.0)
    elif kind == "noise":
        size = np.where(late, 3.0, 1.5)
    shape = 3 * effect * features[:, 1] + 2 * features[:, 2] * features[:, 3]
    target = level + swing * np.sin(hour / 12 * np.pi) + shape + noise * size
    starts = np.arange(0, count + 1, _HOURS)
    return Stream(kind, features.astype(np.float32), target, starts, _WINDOW)


def _bike_sharing(path: Path) -> Stream:
    """Return hourly rides in weeks since the first day: what the time and the weather say of them."""
    table = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None).sort("ts")
    time = table["ts"]
    week = ((time - time[0].replace(hour=0)).dt.total_days() // 7).to_numpy()
    columns = [time.dt.hour(), time.dt.weekday() - 1, table["tmin"], table["tmax"], table["pn"], time.dt.month()]
    return _stream("bike-sharing", columns, table["count"], np.searchsorted(week, np.arange(week[-1] + 2)), 26)


def _parking(path: Path) -> Stream:
    """Return the occupancy of car parks in days."""
    table = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None).sort("LastUpdated", maintain_order=True)
    time = table["LastUpdated"]
    day = (time - time[0].replace(hour=0, minute=0, second=0)).dt.total_days().to_numpy()
    starts = np.append(np.searchsorted(day, np.unique(day)), len(day))
    place = table["SystemCodeNumber"].rank("dense")
    columns = [time.dt.hour() + time.dt.minute() / 60, time.dt.weekday() - 1, table["Capacity"], place]
    return replace(_stream("parking", columns, table["Occupancy"], starts, 14), period_us=_DAY_US)


def _adult(path: Path) -> Stream:
    """Return the census rows in the order of the file, 400 a chunk: they do not drift."""
    table = pl.read_csv(path, infer_schema_length=None).drop("fnlwgt")
    target = table["income-per-year"].str.strip_chars().str.starts_with(">").cast(pl.Float64)
    table = table.drop("income-per-year")
    columns = [one.rank("dense") if one.dtype == pl.String else one for one in table.get_columns()]
    return _stream("adult", columns, target, np.arange(0, len(target) + 1, 400), 26, classes=True)


def _adult_flipped(path: Path) -> Stream:
    """Return the same rows; after 60 % of them the answer turns round in two occupations."""
    plain = _adult(path)
    target = plain.target.copy()
    occupation = pl.read_csv(path)["occupation"].str.strip_chars()
    turned = occupation.is_in(["Craft-repair", "Prof-specialty"]).to_numpy()
    turned &= np.arange(len(target)) > 0.6 * len(target)
    target[turned] = 1 - target[turned]
    return Stream("adult-flipped", plain.features, target, plain.starts, plain.window, classes=True)


def _stream(
    name: str,
    columns: list[pl.Series],
    target: pl.Series,
    starts: NDArray[np.intp],
    window: int,
    *,
    classes: bool = False,
) -> Stream:
    features = np.column_stack([column.cast(pl.Float32).to_numpy() for column in columns])
    return Stream(name, features, target.cast(pl.Float64).to_numpy(), starts, window, classes)


_READERS: Mapping[str, tuple[str, Callable[[Path], Stream]]] = {
    "bike-sharing": ("hourly_bikesharing.csv", _bike_sharing),
    "parking": ("hourly_parking.csv", _parking),
    "adult": ("adult.csv", _adult),
    "adult-flipped": ("adult.csv", _adult_flipped),
}
