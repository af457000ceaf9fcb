"""Answered rows and their outcomes from the lake, as monitors want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.bundle.manifest import MANIFEST_NAME, Manifest
from trimtab.bundle.writer import decode_manifest
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.core.errors import TrimtabError
from trimtab.lake.deliveries import processed_since
from trimtab.lake.labelled import times_told, window_rows
from trimtab.loop.groups import with_delivered
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.answered import AnsweredRows, ExpectedLosses, LabelledRows, PastLabels, PastRows
from trimtab.monitoring.check import Window
from trimtab.monitoring.quality.past import MOST_AT_ONCE, LooksBack, PastQuestion
from trimtab.monitoring.registry import monitor_of
from trimtab.monitoring.settings import MonitoringConfig

if TYPE_CHECKING:
    from trimtab.bundle.loss_predictor import LossPredictor

__all__ = ["answers_of", "labelled_of", "past_labels"]

_SLACK_US: Final = 600_000_000
"""So much before the newest delivery that was seen is looked through again: transactions end in another order."""

_MOST_ESTIMATED: Final = 20_000


def labelled_of(
    platform: Platform, files: ModelFiles, variant: str, version: int, window: Window, *, known_until_us: int
) -> LabelledRows:
    """Return what ``version`` answered as ``variant`` in ``window``, where the outcome was known by ``known_until_us``.

    With the rows come the columns that a monitor wants, when each outcome was known, and the rows without one.
    """
    wanted = _wanted_features(files)
    table = window_rows(
        platform.lake,
        files.endpoint,
        start_us=window.start_us,
        end_us=window.end_us,
        variant=variant,
        model_version=version,
        known_until_us=known_until_us,
        features=wanted,
    )
    table, delivered = with_delivered(platform, files, table)
    wanted = [*wanted, *delivered]
    known = pc.is_valid(table["truth"])
    labelled, others = table.filter(known), table.filter(pc.invert(known))
    task = files.model.task
    prediction, probability = _predictions(labelled, task)
    return LabelledRows(
        truth=_numbers(labelled["truth"]) if task is Task.REGRESSION else _texts(labelled["truth"]),
        prediction=prediction,
        probability=probability,
        event_us=_whole(labelled["event_us"]),
        answered=table.num_rows,
        known_us=_whole(labelled["labelled_us"]),
        columns=_features(labelled, wanted),
        unlabelled=_answered(others, task, wanted),
    )


def answers_of(
    platform: Platform,
    files: ModelFiles,
    variant: str,
    version: int,
    window: Window,
    *,
    bundle: Path,
    manifest: Manifest,
) -> AnsweredRows | None:
    """Return all rows that ``version`` answered as ``variant`` in ``window``; None if no monitor wants them.

    Where the answers are numbers, the loss model of the (verified) ``bundle`` tells of at most 20 000 of them, drawn at
    random, which errors to expect.
    """
    if not any(settings.wants_answers for settings in files.monitoring.monitors):
        return None
    task = files.model.task
    wanted = _wanted_features(files)
    features = [feature.name for feature in manifest.features] if task is Task.REGRESSION else []
    table = window_rows(
        platform.lake,
        files.endpoint,
        start_us=window.start_us,
        end_us=window.end_us,
        variant=variant,
        model_version=version,
        known_until_us=window.end_us,
        features=dict.fromkeys([*features, *wanted]),
    )
    table, delivered = with_delivered(platform, files, table)
    rows = _answered(table, task, [*wanted, *delivered])
    return rows if task is not Task.REGRESSION else _with_losses(rows, table, bundle, manifest)


def _wanted_features(files: ModelFiles) -> list[str]:
    return sorted({name for settings in files.monitoring.monitors for name in settings.row_columns})


def _with_losses(rows: AnsweredRows, table: pa.Table, bundle: Path, manifest: Manifest) -> AnsweredRows:
    model = _loss_predictor(bundle, manifest.digest)
    if model is None:
        return replace(rows, no_losses="the version was made before versions had a loss model: retrain once")
    # A fixed seed: the same window gets the same estimate.
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:_MOST_ESTIMATED])
    known = chosen[np.isfinite(rows.prediction[chosen])]
    try:
        absolute, squares = model.expected(table.take(pa.array(known)), rows.prediction[known])
    except TrimtabError as error:
        return replace(rows, no_losses=f"the loss model cannot judge the rows: {error}")
    return replace(rows, losses=ExpectedLosses(rows.event_us[known], absolute, squares, rows.prediction[known]))


@lru_cache(maxsize=4)
def _loss_predictor(bundle: Path, digest: str) -> LossPredictor | None:
    """Load the loss model once for each bundle, which never changes and was verified against ``digest``."""
    # Start-up cost: ONNX Runtime is needed only where numbers are estimated.
    from trimtab.bundle.loss_predictor import LossPredictor

    return LossPredictor.load(bundle, decode_manifest((bundle / MANIFEST_NAME).read_bytes(), bundle))


def past_labels(
    platform: Platform,
    files: ModelFiles,
    variant: str,
    version: int,
    config: MonitoringConfig,
    states: Mapping[str, JsonObject],
    window: Window,
) -> dict[str, PastLabels]:
    """Return, for each monitor that looks back, the past windows whose outcomes it should look at again.

    ``states`` are what the monitors remember, by title. A monitor that remembers nothing begins with what comes in
    from now on.
    """
    found = {}
    for settings in config.monitors:
        monitor = monitor_of(settings)
        if not isinstance(monitor, LooksBack):
            continue
        state = states.get(settings.title)
        length_us = config.window_of(settings) // timedelta(microseconds=1)
        own = Window(window.end_us - length_us, window.end_us)
        reached_us, touched = _news(platform, files, own, state)
        question = PastQuestion(state, touched, own, length_us, files.model.label_delay // timedelta(microseconds=1))
        wanted = monitor.past_windows(question)
        rows = (
            PastRows(past, labelled_of(platform, files, variant, version, past, known_until_us=window.end_us))
            for past in wanted[:MOST_AT_ONCE]
        )
        found[settings.title] = PastLabels(
            reached_us, tuple(past for past in rows if past.labelled.answered), wanted[MOST_AT_ONCE:]
        )
    return found


def _news(
    platform: Platform, files: ModelFiles, window: Window, state: JsonObject | None
) -> tuple[int, NDArray[np.int64]]:
    """Return until when deliveries have been looked through, and the event times that the new ones touch."""
    if state is None or "reached_us" not in state:
        return window.end_us, np.array([], dtype=np.int64)
    before_us = int(state["reached_us"])
    with platform.database.reading() as connection:
        segments = processed_since(connection, before_us - _SLACK_US)
    touched = times_told(platform.lake, files.endpoint, segments, before_us=window.end_us, known_until_us=window.end_us)
    # A look as of a moment in the past sees no outcome known later: what has come since then is for the next one.
    return max(before_us, min(max(segments.values(), default=0), window.end_us)), touched


def _answered(table: pa.Table, task: Task, features: Sequence[str]) -> AnsweredRows:
    prediction, probability = _predictions(table, task)
    return AnsweredRows(_whole(table["event_us"]), prediction, probability, _features(table, features))


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
