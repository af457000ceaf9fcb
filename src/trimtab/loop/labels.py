"""Answered rows and their outcomes from the lake, read when a monitor asks for them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.manifest import MANIFEST_NAME, Manifest
from trimtab.bundle.writer import decode_manifest
from trimtab.core.enums import Task
from trimtab.core.errors import TrimtabError
from trimtab.lake.answered_windows import Answerer, LabelledSpan, drawn_rows, labelled_spans, sizes_of
from trimtab.lake.deliveries import processed_since
from trimtab.lake.labelled import times_told
from trimtab.loop.groups import with_delivered
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.answered import AnsweredRows, ExpectedLosses, LabelledRows, PastLabels, PastRows
from trimtab.monitoring.check import Window
from trimtab.monitoring.quality.past import LooksBack, PastMemory, PastQuestion
from trimtab.monitoring.registry import monitor_of
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

if TYPE_CHECKING:
    from trimtab.bundle.loss_predictor import LossPredictor

__all__ = ["GroupRows", "RowReader"]

_SLACK_US: Final = 600_000_000
"""So much before the newest delivery that was seen is looked through again: transactions end in another order."""

_LOOK_BACK_US: Final = 180 * 86_400_000_000
"""Windows that ended so long before the newest outcomes are due are over for good: else one outcome that nobody's
answer belongs to would have all answers there ever were asked for its row."""

_MOST_BYTES: Final = 256 << 20
"""So much of the lake is read for past windows in one look, or one window: the time limit is for all of them."""

_NAME: Final = 16
"""So many characters of a segment's name tell it from any other, and keep states small."""

_MOST_ANSWERS: Final = 200_000
_MOST_ESTIMATED: Final = 20_000
_KEPT_WINDOWS: Final = 2


@dataclass(slots=True, eq=False)
class RowReader:
    """Reads the rows that the monitors of one model ask for in one look, as known at its moment ``at_us``.

    What several monitors ask for is read once.
    """

    platform: Platform
    files: ModelFiles
    at_us: int
    _told: dict[frozenset[str], NDArray[np.int64]] = field(default_factory=dict)

    def of(self, variant: str, version: int, *, bundle: Path, manifest: Manifest) -> GroupRows:
        """Return what reads the rows that ``version`` answered as ``variant``; ``bundle`` is its verified folder."""
        return GroupRows(self, Answerer(self.files.endpoint, variant, version), bundle, manifest)

    @property
    def wanted(self) -> list[str]:
        """The features that monitors want of each row."""
        return sorted({name for settings in self.files.monitoring.monitors for name in settings.row_columns})

    def times_told(self, segments: Collection[str]) -> NDArray[np.int64]:
        """Return the event times that these segments tell something new of, none that is over for good."""
        news = frozenset(segments)
        if news not in self._told:
            delay_us = _micros(self.files.model.label_delay)
            since_us = self.at_us - delay_us - _micros(self.files.monitoring.longest_window) - _LOOK_BACK_US
            self._told[news] = times_told(
                self.platform.lake,
                self.files.endpoint,
                news,
                since_us=since_us,
                before_us=self.at_us,
                known_until_us=self.at_us,
            )
        return self._told[news]


@dataclass(slots=True, eq=False)
class GroupRows:
    """The rows that one version answered behind one variant, for `WindowData`."""

    reader: RowReader
    who: Answerer
    bundle: Path
    manifest: Manifest
    _labelled: dict[Window, LabelledRows] = field(default_factory=dict)
    _answers: dict[Window, AnsweredRows] = field(default_factory=dict)

    def labelled(self, window: Window) -> LabelledRows:
        """Return what was answered in ``window`` and has an outcome by now; of the rest how many were answered how.

        With the rows come the columns that a monitor wants, and when each outcome was known.
        """
        if window not in self._labelled:
            (rows,) = self._labelled_in([window])
            _remember(self._labelled, window, rows)
        return self._labelled[window]

    def answers(self, window: Window) -> AnsweredRows:
        """Return all rows of ``window``; of more than 200 000 that many, drawn at random.

        Where the answers are numbers, the bundle's loss model tells of at most 20 000 of them which errors to expect.
        """
        if window not in self._answers:
            _remember(self._answers, window, self._answers_in(window))
        return self._answers[window]

    def past(self, settings: MonitorSettings, data: WindowData) -> PastLabels | None:
        """Return the past windows whose outcomes a monitor should look at again; None where it never looks back.

        A monitor that remembers nothing begins with what comes in from now on.
        """
        monitor = monitor_of(settings)
        if not isinstance(monitor, LooksBack):
            return None
        memory, touched = self._news(PastMemory.of(data.state))
        length_us = data.window.end_us - data.window.start_us
        question = PastQuestion(data.state, touched, data.window, length_us, data.label_delay_us)
        turn, memory = memory.turn(monitor.past_windows(question))
        chosen = self._affordable(turn)
        memory = memory.with_waiting((*turn[len(chosen) :], *memory.waiting))
        rows = zip(chosen, self._labelled_in(chosen), strict=True)
        return PastLabels(
            memory.to_json(),
            tuple(PastRows(window, labelled) for window, labelled in rows),
            len(memory.waiting),
            memory.left_out,
        )

    def _news(self, memory: PastMemory | None) -> tuple[PastMemory, NDArray[np.int64]]:
        """Return what has been looked through by now, and the event times that what is new of it touches."""
        at_us, platform = self.reader.at_us, self.reader.platform
        if memory is None:
            return PastMemory(at_us), np.array([], dtype=np.int64)
        with platform.database.reading() as connection:
            segments = processed_since(connection, memory.reached_us - _SLACK_US)
        # A look as of a moment in the past sees no outcome known later: what has come since then is for the next one.
        reached_us = max(memory.reached_us, min(max(segments.values(), default=0), at_us))
        before = frozenset(memory.seen)
        touched = self.reader.times_told([name for name in segments if name[:_NAME] not in before])
        seen = sorted(name[:_NAME] for name, when in segments.items() if reached_us - _SLACK_US <= when <= at_us)
        return replace(memory, reached_us=reached_us, seen=tuple(seen)), touched

    def _affordable(self, windows: Sequence[Window]) -> Sequence[Window]:
        """Return the first ones, as many as may be read in one look: one at least."""
        spans = [(window.start_us, window.end_us) for window in windows]
        sizes = accumulate(sizes_of(self.reader.platform.lake, self.who.endpoint, spans))
        return windows[: max(sum(size_bytes <= _MOST_BYTES for size_bytes in sizes), 1)]

    def _labelled_in(self, windows: Sequence[Window]) -> list[LabelledRows]:
        found = labelled_spans(
            self.reader.platform.lake,
            self.who,
            [(window.start_us, window.end_us) for window in windows],
            known_until_us=self.reader.at_us,
            features=self.reader.wanted,
        )
        return [self._as_labelled(span) for span in found]

    def _as_labelled(self, span: LabelledSpan) -> LabelledRows:
        table, delivered = with_delivered(self.reader.platform, self.reader.files, span.table)
        task = self.reader.files.model.task
        prediction, probability = _predictions(table, task)
        return LabelledRows(
            truth=_numbers(table["truth"]) if task is Task.REGRESSION else _texts(table["truth"]),
            prediction=prediction,
            probability=probability,
            event_us=_whole(table["event_us"]),
            answered=span.answered,
            known_us=_whole(table["labelled_us"]),
            columns=_features(table, [*self.reader.wanted, *delivered]),
            answered_as={str(name): count for name, count in span.answered_as.items()},
            broke=span.left_out.broke,
            of_feeds=span.left_out.of_feeds,
        )

    def _answers_in(self, window: Window) -> AnsweredRows:
        lake, files = self.reader.platform.lake, self.reader.files
        span, wanted = (window.start_us, window.end_us), self.reader.wanted
        table, answered = drawn_rows(lake, self.who, span, most=_MOST_ANSWERS, features=wanted)
        table, delivered = with_delivered(self.reader.platform, files, table)
        prediction, probability = _predictions(table, files.model.task)
        columns = _features(table, [*wanted, *delivered])
        rows = AnsweredRows(_whole(table["event_us"]), prediction, probability, columns, drawn_from=answered)
        return rows if files.model.task is not Task.REGRESSION else self._with_losses(rows, span)

    def _with_losses(self, rows: AnsweredRows, span: tuple[int, int]) -> AnsweredRows:
        model = _loss_predictor(self.bundle, self.manifest.digest)
        if model is None:
            return replace(rows, no_losses="the version was made before versions had a loss model: retrain once")
        features = [feature.name for feature in self.manifest.features]
        lake = self.reader.platform.lake
        table, _ = drawn_rows(lake, self.who, span, most=_MOST_ESTIMATED, features=features)
        prediction = _numbers(table["prediction"])
        known = np.flatnonzero(np.isfinite(prediction))
        try:
            absolute, squares = model.expected(table.take(pa.array(known)), prediction[known])
        except TrimtabError as error:
            return replace(rows, no_losses=f"the loss model cannot judge the rows: {error}")
        losses = ExpectedLosses(_whole(table["event_us"])[known], absolute, squares, prediction[known])
        return replace(rows, losses=losses)


def _remember(kept: dict[Window, Any], window: Window, rows: object) -> None:
    """Keep the rows for the other monitors of the look; not those of many windows at once."""
    while len(kept) >= _KEPT_WINDOWS:
        kept.pop(next(iter(kept)))
    kept[window] = rows


@lru_cache(maxsize=4)
def _loss_predictor(bundle: Path, digest: str) -> LossPredictor | None:
    """Load the loss model once for each bundle, which never changes and was verified against ``digest``."""
    # Start-up cost: ONNX Runtime is needed only where numbers are estimated.
    from trimtab.bundle.loss_predictor import LossPredictor

    return LossPredictor.load(bundle, decode_manifest((bundle / MANIFEST_NAME).read_bytes(), bundle))


def _predictions(table: pa.Table, task: Task) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    if task is Task.REGRESSION:
        return _numbers(table["prediction"]), None
    return _texts(table["prediction"]), _numbers(table["probability"])


def _features(table: pa.Table, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    return {
        name: np.asarray(table[name].to_numpy(zero_copy_only=False)) for name in names if name in table.column_names
    }


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)


def _texts(column: pa.ChunkedArray) -> NDArray[Any]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.str_)


def _whole(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)


def _micros(span: timedelta) -> int:
    return span // timedelta(microseconds=1)
