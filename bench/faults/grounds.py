"""The data sets that faults are planted into: their rows are dealt out at random, so nothing else happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.core.errors import NotFoundError

__all__ = ["AT", "DAY_US", "GROUNDS", "HELD_OUT", "START_US", "Ground", "ground_of"]

AT = "at"
"""The column that says when a row happened, in every data set."""
DAY_US = 86_400_000_000
START_US = 1_861_920_000_000_000
"""2029-01-01, a Monday: the first day of all histories."""
_DEMO = Path(__file__).parents[2] / "examples" / "demo" / "data"
HELD_OUT = ("german", "hourly_parking")
"""Whoever tunes never plays these."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """A table without times, and how it is dealt out: ``per_day`` rows a day, windows of ``window_days``.

    The first ``history_days`` days are learnt from. Later rows are drawn from the rest, within a window each at most
    once: no version has seen them. ``group``: the column that a fairness monitor groups by.
    """

    name: str
    rows: pa.Table
    target: str
    per_day: int
    history_days: int
    window_days: int = 1
    positive: str | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table that is too small for what is asked of it."""
        needed = self.per_day * (self.history_days + self.window_days)
        if self.rows.num_rows < needed:
            raise NotFoundError(f"data set {self.name}: {self.rows.num_rows} rows, {needed} needed; name a larger file")

    @property
    def features(self) -> tuple[str, ...]:
        """All columns but the target."""
        return tuple(name for name in self.rows.column_names if name != self.target)

    @property
    def window_us(self) -> int:
        """How long a window is."""
        return self.window_days * DAY_US

    @property
    def begin_us(self) -> int:
        """When serving begins: behind the history."""
        return START_US + self.history_days * DAY_US

    def history(self) -> pa.Table:
        """Return the rows that the first version learns from, with times."""
        count = self.per_day * self.history_days
        return _timed(self.rows.slice(0, count), START_US, self.history_days * DAY_US, np.random.default_rng(0))

    def window(self, number: int, seed: int) -> pa.Table:
        """Return the rows of the ``number``-th window after the history, with times."""
        rng = np.random.default_rng([seed, number])
        unseen = self.rows.slice(self.per_day * self.history_days)
        drawn = rng.permutation(unseen.num_rows)[: self.per_day * self.window_days]
        return _timed(unseen.take(pa.array(drawn)), self.begin_us + number * self.window_us, self.window_us, rng)

    def drawn(self, chosen: NDArray[np.bool_], count: int, rng: np.random.Generator) -> pa.Table:
        """Return ``count`` unseen rows among those where ``chosen`` ``(unseen,)``, without times."""
        places = np.flatnonzero(chosen)
        return self.unseen.take(pa.array(rng.choice(places, count, replace=len(places) < count)))

    @property
    def unseen(self) -> pa.Table:
        """The rows behind the history, without times."""
        return self.rows.slice(self.per_day * self.history_days)


def _timed(rows: pa.Table, start_us: int, span_us: int, rng: np.random.Generator) -> pa.Table:
    # Even in number, so that no window has more than another; uneven within, so that no two rows share a moment.
    step = span_us // rows.num_rows
    at = start_us + np.arange(rows.num_rows) * step + rng.integers(0, step, rows.num_rows)
    return rows.append_column(AT, pa.array(at, pa.timestamp("us", tz="UTC")))


def ground_of(name: str, folder: Path | None) -> Ground:
    """Return a data set by name; ``folder`` holds the files of those that are not in the repository.

    Raises:
        NotFoundError: there is no such data set, or its file is absent.
    """
    if name not in GROUNDS:
        raise NotFoundError(f"data set {name!r}: is none of {', '.join(GROUNDS)}; name one of them")
    return GROUNDS[name](folder or Path())


def _file(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.is_file():
        raise NotFoundError(f"{path}: is not there; docs/fault-suite.md says where it comes from")
    return path


def _dealt(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))


def _bikes(_folder: Path) -> Ground:
    rows = pq.read_table(_DEMO / "bikes-year-2.parquet").drop_columns(["hour_id", "time"])
    return Ground("bikes", _dealt(rows), "count", per_day=200, history_days=20)


def _heart(_folder: Path) -> Ground:
    parts = [pa_csv.read_csv(_DEMO / f"heart-{name}.csv") for name in ("delivery-1", "delivery-2", "visits-1")]
    rows = pa.concat_tables([_plain(part, ("visit_id", "visit_time")) for part in parts], promote_options="permissive")
    return Ground("heart", _dealt(rows.drop_null()), "disease", 25, 8, window_days=2, positive="yes", group="sex")


def _plain(part: pa.Table, without: tuple[str, ...]) -> pa.Table:
    part = part.drop_columns([name for name in without if name in part.column_names])
    return part.set_column(
        part.column_names.index("resting_bp"), "resting_bp", pc.cast(_numbers(part["resting_bp"]), pa.int64())
    )


def _numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    is_number = pc.match_substring_regex(column, r"^\d+$")
    return pc.cast(pc.if_else(is_number, column, pa.scalar(None, pa.string())), pa.int64())


def _churn(_folder: Path) -> Ground:
    """Return customers of two regions, whose leaving hangs on six of eight columns."""
    rng, count = np.random.default_rng(7), 12_000
    tenure = np.round(rng.gamma(2.0, 14.0, count)).clip(0, 120)
    spend = np.round(rng.lognormal(3.4, 0.45, count), 2)
    calls = rng.poisson(2.0, count)
    age = np.round(rng.normal(46, 14, count)).clip(18, 90)
    usage = np.round(spend * rng.lognormal(-0.3, 0.35, count), 2)
    distance = np.round(rng.exponential(8.0, count), 1)
    plan = rng.choice(["basic", "plus", "family", "trial"], count, p=[0.45, 0.3, 0.17, 0.08])
    region = rng.choice(["north", "south"], count, p=[0.6, 0.4])
    by_plan = np.select([plan == "trial", plan == "basic", plan == "plus"], [1.6, 0.5, -0.3], -0.9)
    score = 2.2 * np.exp(-tenure / 18) + 0.55 * (calls - 2) + 0.05 * (spend - 32) - 0.04 * (usage - 25) + by_plan
    score += 0.5 * ((age < 28) & (calls > 2)) - 0.9
    leaves = rng.random(count) < 1 / (1 + np.exp(-1.7 * score))
    columns: Mapping[str, object] = {
        "tenure": tenure.astype(int),
        "spend": spend,
        "calls": calls,
        "age": age.astype(int),
        "usage": usage,
        "distance": distance,
        "plan": plan,
        "region": region,
        "churned": np.where(leaves, "yes", "no"),
    }
    rows = pa.table(columns)
    return Ground("churn", rows, "churned", per_day=250, history_days=16, positive="yes", group="region")


def _adult(folder: Path) -> Ground:
    rows = pa_csv.read_csv(_file(folder, "adult.csv"))
    rows = rows.drop_columns(["fnlwgt", "education-num", "native-country"])
    named = {"income-per-year": "income", "hours-per-week": "hours", "marital-status": "marital"}
    rows = rows.rename_columns([named.get(name, name.replace("-", "_")) for name in rows.column_names])
    return Ground("adult", _dealt(rows), "income", per_day=400, history_days=16, positive=">50K", group="sex")


def _german(folder: Path) -> Ground:
    rows = pa_csv.read_csv(_file(folder, "german.csv"))
    good = pc.if_else(pc.equal(rows["credit"], 1), "good", "bad")
    rows = rows.set_column(rows.column_names.index("credit"), "credit", good)
    return Ground("german", _dealt(rows), "credit", per_day=50, history_days=12, window_days=2, positive="bad")


def _hourly_parking(folder: Path) -> Ground:
    rows = pa_csv.read_csv(_file(folder, "hourly_parking.csv"))
    at = rows["LastUpdated"]
    columns = {
        "place": rows["SystemCodeNumber"],
        "capacity": rows["Capacity"],
        "minute": pc.add(pc.multiply(pc.hour(at), 60), pc.minute(at)),
        "weekday": pc.day_of_week(at),
        "week": pc.iso_week(at),
        "occupancy": rows["Occupancy"],
    }
    return Ground("hourly_parking", _dealt(pa.table(columns)), "occupancy", per_day=300, history_days=20)


GROUNDS: Mapping[str, Callable[[Path], Ground]] = {
    "bikes": _bikes,
    "heart": _heart,
    "churn": _churn,
    "adult": _adult,
    "german": _german,
    "hourly_parking": _hourly_parking,
}
"""Every data set by name."""
