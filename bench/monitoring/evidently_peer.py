"""Evidently's default drift preset on the windows of files; run by an interpreter that has Evidently alone.

Its plots are not drawn: they take four fifths of its time, and no verdict hangs on them.
"""

from __future__ import annotations

import json
import sys
import warnings

import numpy as np
import pandas as pd
from evidently import Report
from evidently.metrics.column_statistics import ValueDriftCalculation
from evidently.presets import DataDriftPreset


def main(paths: list[str]) -> None:
    """Print how many windows could be judged, in how many a column had drifted, and in how many the data set had."""
    warnings.simplefilter("ignore")
    ValueDriftCalculation._render = DataDriftPreset.render = lambda *_: []  # noqa: SLF001 - no switch for it is offered
    totals = np.zeros(3, dtype=np.int64)
    for path in paths:
        totals += judged(path)
    print(json.dumps(totals.tolist()))


def judged(path: str) -> list[int]:
    """Return the three numbers of one file: a reference, and windows after it."""
    content = np.load(path)
    names = [f"x{place}" for place in range(content["values"].shape[1])]
    reference = pd.DataFrame(content["reference"], columns=names)
    judged_windows = any_column = data_set = 0
    for first, last in content["windows"].tolist():
        window = pd.DataFrame(content["values"][first:last], columns=names)
        try:
            found = Report([DataDriftPreset()]).run(window, reference).dict()
        except ValueError:  # it judges no window in which a column is empty
            continue
        judged_windows += 1
        drifted = next(one["value"] for one in found["metrics"] if "DriftedColumnsCount" in one["metric_name"])
        any_column += drifted["count"] > 0
        data_set += drifted["share"] >= 0.5
    return [judged_windows, any_column, data_set]


if __name__ == "__main__":
    main(sys.argv[1:])
