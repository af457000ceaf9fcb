"""Labelled rows from the lake, as monitors want them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trimtab.core.enums import Task
from trimtab.lake.labelled import LabelledTable, labelled_rows
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.check import Window
from trimtab.monitoring.window import LabelledRows

__all__ = ["labelled_of"]


def labelled_of(
    platform: Platform, files: ModelFiles, variant: str, window: Window, *, known_until_us: int
) -> LabelledRows:
    """Return the rows of ``variant`` that happened in ``window`` and whose outcome was known by ``known_until_us``."""
    found = labelled_rows(
        platform.lake,
        files.endpoint,
        start_us=window.start_us,
        end_us=window.end_us,
        variant=variant,
        known_until_us=known_until_us,
    )
    return _arrays(found, files.model.task)


def _arrays(found: LabelledTable, task: Task) -> LabelledRows:
    table = found.table.sort_by("event_us") if found.table.num_rows else found.table
    if task is Task.REGRESSION:
        truth = np.asarray(pc.cast(table["truth"], pa.float64()).to_numpy(zero_copy_only=False))
        prediction = np.asarray(pc.cast(table["prediction"], pa.float64()).to_numpy(zero_copy_only=False))
        probability = None
    else:
        truth = np.asarray(table["truth"].to_numpy(zero_copy_only=False), dtype=np.str_)
        prediction = np.asarray(table["prediction"].to_numpy(zero_copy_only=False), dtype=np.str_)
        probability = np.asarray(table["probability"].to_numpy(zero_copy_only=False), dtype=np.float64)
    event_us = np.asarray(table["event_us"].to_numpy(zero_copy_only=False), dtype=np.int64)
    return LabelledRows(truth, prediction, probability, event_us, found.answered)
