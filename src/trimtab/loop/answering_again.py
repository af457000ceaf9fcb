"""Labelled rows of the lake, answered once more by a version's bundle, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.manifest import Feature
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind, Task
from trimtab.lake.drawn import drawn_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.zones import Lake
from trimtab.loop.model_files import ModelFiles
from trimtab.records.schema import FEATURE_PREFIX
from trimtab.registry.versions import ModelVersion
from trimtab.retraining.judged_rows import LARGEST_VALUE, Judge, JudgedRows
from trimtab.retraining.ledger import PeriodLoss
from trimtab.retraining.twins import Rows

__all__ = ["PeriodRows", "SecondAnswers", "numbered", "read_period"]

_MOST_ROWS, _MOST_CHANCES = 20_000, 2_000_000
_LEANT_ON = 3
_NUMBERS = {ColumnKind.INTEGER, ColumnKind.NUMBER}
_HOUR_US, _HOURS = 3_600_000_000, 24

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PeriodRows:
    """Rows of a period with their outcomes, in order of event time and prediction id.

    ``table`` holds the features by their names, ``truth`` (n,) the outcomes as text or float64. Of more than 20 000
    rows (fewer with more than a hundred classes) as many are drawn, each of which stands for ``weight``.
    """

    start_us: int
    end_us: int
    table: pa.Table
    truth: pa.ChunkedArray
    event_us: NDArray[np.int64]
    weight: float


def read_period(
    lake: Lake,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    known_until_us: int,
    intervals: Mapping[str, Sequence[Interval]],
    classes: int,
) -> PeriodRows:
    """Return the labelled rows of ``start_us`` ≤ event time < ``end_us``, but for those of quarantined feeds.

    ``classes`` is how many chances each of them will be answered with: that and no more is held in memory.

    Raises:
        BackendError: the lake failed.
        OSError: it cannot be read.
    """
    found = drawn_rows(
        lake,
        endpoint,
        start_us=start_us,
        end_us=end_us,
        known_until_us=known_until_us,
        intervals=intervals,
        most=min(_MOST_ROWS, _MOST_CHANCES // max(classes, 1)),
    )
    weight = found.rows / max(found.table.num_rows, 1)
    table = found.table
    if pa.types.is_floating(table["truth"].type):
        table = table.filter(pc.less_equal(pc.abs(table["truth"]), LARGEST_VALUE))
    names = [name for name in table.column_names if name.startswith(FEATURE_PREFIX)]
    features = pa.table({name.removeprefix(FEATURE_PREFIX): table[name] for name in names})
    event_us = np.asarray(table["event_us"].to_numpy(), dtype=np.int64)
    return PeriodRows(start_us, end_us, features, table["truth"], event_us, weight)


class SecondAnswers:
    """One version, asked again about rows of the lake."""

    def __init__(self, files: ModelFiles, version: ModelVersion) -> None:
        """Load the version's bundle.

        Raises:
            TrimtabError: it is not there, or not what it was.
        """
        self._predictor = Predictor.load(Path(version.bundle_path), expected_digest=version.digest)
        manifest = self._predictor.manifest
        self._judge = Judge(manifest.task, files.model.main_metric, manifest.classes)
        shown = [one for one in manifest.features if _is_told_apart(one)]
        self._leant_on = sorted(shown, key=lambda one: (-abs(manifest.importance.get(one.name, 0.0)), one.name))
        self._leant_on = self._leant_on[:_LEANT_ON]
        self._answered: dict[int, JudgedRows] = {}

    @property
    def classes(self) -> int:
        """How many chances it answers a row with; 1 where it answers a number."""
        return max(len(self._predictor.manifest.classes), 1)

    def losses(self, before: Sequence[PeriodRows], period: PeriodRows) -> tuple[PeriodLoss, dict[str, PeriodLoss]]:
        """Return the version's own loss on a period, and those of the twins that the rows ``before`` teach.

        Raises:
            TrimtabError: the rows lack what the version needs.
        """
        needed = {one.start_us for one in (*before, period)}
        # The rows of all periods, answered with all chances, would not fit into memory.
        self._answered = {start_us: found for start_us, found in self._answered.items() if start_us in needed}
        judged = self._judged(period)
        own = self._judge.period(judged, judged.rows.answers)
        past = _joined([self._judged(one).rows for one in before if len(one.event_us)])
        return own, {} if past is None or not len(judged) else self._judge.twins(past, judged)

    def _judged(self, period: PeriodRows) -> JudgedRows:
        if period.start_us not in self._answered:
            self._answered[period.start_us] = self._answer(period)
        return self._answered[period.start_us]

    def _answer(self, period: PeriodRows) -> JudgedRows:
        found = self._predictor.predict(self._predictor.encoder.encode_table(period.table))
        answers = np.asarray(found.labels if found.probabilities is None else found.probabilities, dtype=np.float64)
        answers = np.clip(answers, -LARGEST_VALUE, LARGEST_VALUE)
        known = {*period.table.column_names, *(one.name for one in self._leant_on if one.is_event_time)}
        columns = {one.name: numbered(one, period) for one in self._leant_on if one.name in known}
        rows = Rows(answers, self._truth(period.truth), columns)
        return JudgedRows(rows, period.event_us, period.start_us, period.end_us, period.weight)

    def _truth(self, truth: pa.ChunkedArray) -> Floats:
        if self._predictor.manifest.task is Task.REGRESSION:
            return _floats(truth)
        places = {name: float(place) for place, name in enumerate(self._predictor.manifest.classes)}
        return np.array([places.get(str(name), -1.0) for name in truth.to_pylist()], dtype=np.float64)


def _is_told_apart(feature: Feature) -> bool:
    """Return whether rows can be parted by a feature: numbers, categories, and when they happened."""
    return feature.kind in _NUMBERS or feature.kind is ColumnKind.CATEGORY or feature.is_event_time


def numbered(feature: Feature, period: PeriodRows) -> Floats:
    """Return a feature (n,) as numbers that rows are parted by; NaN where it is missing or not known.

    A category is the place that it has in the bundle, and when a row happened the hour of the day, in UTC.
    """
    if feature.is_event_time:
        return np.asarray(period.event_us // _HOUR_US % _HOURS, dtype=np.float64)
    column = period.table[feature.name]
    if feature.kind is ColumnKind.CATEGORY:
        column = pc.index_in(column.cast(pa.string()), value_set=pa.array(feature.categories, pa.string()))
    return _floats(column)


def _joined(rows: Sequence[Rows]) -> Rows | None:
    """Return the rows together, without those whose class the version does not know: they cannot teach it."""
    if not rows:
        return None
    truth = np.concatenate([one.truth for one in rows])
    answers = np.concatenate([one.answers for one in rows])
    names = set.intersection(*(set(one.features) for one in rows))
    features = {name: np.concatenate([one.features[name] for one in rows]) for name in sorted(names)}
    known = truth >= 0 if answers.ndim == 2 else np.ones(len(truth), dtype=bool)
    return Rows(answers[known], truth[known], {name: column[known] for name, column in features.items()})


def _floats(column: pa.ChunkedArray) -> Floats:
    values = column.cast(pa.float64(), safe=False)
    return np.asarray(values.to_numpy(), dtype=np.float64)
