"""Labelled rows of the lake, answered once more by a version's bundle, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import ColumnKind, Task
from trimtab.lake.feed_rules import quarantined_rows
from trimtab.lake.feeds import Interval
from trimtab.lake.labelled import labelled_rows
from trimtab.lake.zones import Lake
from trimtab.loop.model_files import ModelFiles
from trimtab.records.schema import FEATURE_PREFIX
from trimtab.registry.versions import ModelVersion
from trimtab.retraining.judged_rows import Judge, JudgedRows
from trimtab.retraining.ledger import PeriodLoss
from trimtab.retraining.twins import Rows

__all__ = ["PeriodRows", "SecondAnswers", "read_period"]

_MOST_ROWS = 20_000
_LEANT_ON = 3
_NUMBERS = {ColumnKind.INTEGER, ColumnKind.NUMBER}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PeriodRows:
    """Rows of a period with their outcomes, in order of event time and prediction id.

    ``table`` holds the features by their names, ``truth`` (n,) the outcomes as text or float64. Of more than 20 000
    rows every k-th is there, and ``weight`` is k.
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
) -> PeriodRows:
    """Return the labelled rows of ``start_us`` ≤ event time < ``end_us``, but for those of quarantined feeds.

    Raises:
        OSError: the lake cannot be read.
    """
    found = labelled_rows(lake, endpoint, start_us=start_us, end_us=end_us, known_until_us=known_until_us).table
    kept = np.ones(found.num_rows, dtype=bool)
    kept[list(quarantined_rows(found["source"].to_pylist(), found["event_us"].to_pylist(), intervals))] = False
    clean = found.filter(pa.array(kept))
    step = max(-(-clean.num_rows // _MOST_ROWS), 1)
    chosen = clean.take(pa.array(np.arange(0, clean.num_rows, step)))
    names = [name for name in chosen.column_names if name.startswith(FEATURE_PREFIX)]
    features = pa.table({name.removeprefix(FEATURE_PREFIX): chosen[name] for name in names})
    weight = clean.num_rows / max(chosen.num_rows, 1)
    event_us = np.asarray(chosen["event_us"].to_numpy(), dtype=np.int64)
    return PeriodRows(start_us, end_us, features, chosen["truth"], event_us, weight)


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
        numbers = [one.name for one in manifest.features if one.kind in _NUMBERS]
        self._leant_on = sorted(numbers, key=lambda name: (-abs(manifest.importance.get(name, 0.0)), name))[:_LEANT_ON]
        self._answered: dict[int, JudgedRows] = {}

    def losses(self, before: Sequence[PeriodRows], period: PeriodRows) -> tuple[PeriodLoss, dict[str, PeriodLoss]]:
        """Return the version's own loss on a period, and those of the twins that the rows ``before`` teach.

        Raises:
            TrimtabError: the rows lack what the version needs.
        """
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
        answers = found.labels if found.probabilities is None else found.probabilities
        columns = {name: _floats(period.table[name]) for name in self._leant_on if name in period.table.column_names}
        rows = Rows(np.asarray(answers, dtype=np.float64), self._truth(period.truth), columns)
        return JudgedRows(rows, period.event_us, period.start_us, period.end_us, period.weight)

    def _truth(self, truth: pa.ChunkedArray) -> Floats:
        if self._predictor.manifest.task is Task.REGRESSION:
            return _floats(truth)
        places = {name: float(place) for place, name in enumerate(self._predictor.manifest.classes)}
        return np.array([places.get(str(name), -1.0) for name in truth.to_pylist()], dtype=np.float64)


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
