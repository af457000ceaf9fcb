"""Evidently's report of one window against another, made by a process of its own: ``python -m … REQUEST.json``.

Evidently takes seconds to import and gigabytes for large tables, and may want other versions of libraries than the
platform: so it runs in a process that ends, on samples, and nothing of the platform imports it. What is asked of it and
what it leaves are files; this module needs nothing of Trimtab, so that any interpreter that has Evidently can run it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

__all__ = ["MODULE", "REPORT_NAME", "RESULT_NAME", "main"]

MODULE: Final = "trimtab.reports.evidently"
RESULT_NAME: Final = "result.json"
REPORT_NAME: Final = "report.html"


def main(request_path: Path) -> None:
    """Make the report that the file asks for, and leave ``report.html`` and ``result.json`` beside it.

    The request names ``reference`` and ``current``, two Parquet files of the same columns, and which of those are
    ``numbers`` and ``categories``. The result is ``{"drifted": n, "columns": m, "by_column": {…}}``, or why there
    is none: ``{"missing": …}`` without Evidently, ``{"error": …}`` where it failed.
    """
    request = json.loads(request_path.read_bytes())
    # Before the import, which reads it: nothing is told to anybody.
    os.environ |= {"DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1"}
    try:
        result = _report(request, request_path.parent)
    except ImportError as error:
        result = {"missing": str(error)[:300]}
    except Exception as error:  # noqa: BLE001 - a boundary: whoever waits is told, whatever it is
        result = {"error": f"{type(error).__name__}: {str(error)[:500]}"}
    (request_path.parent / RESULT_NAME).write_text(json.dumps(result), encoding="utf-8")


def _report(request: dict[str, Any], folder: Path) -> dict[str, Any]:
    # An optional extra, and only in this process.
    import pandas as pd

    library, presets = importlib.import_module("evidently"), importlib.import_module("evidently.presets")
    definition = library.DataDefinition(numerical_columns=request["numbers"], categorical_columns=request["categories"])
    columns = [*request["numbers"], *request["categories"]]
    tables = {name: pd.read_parquet(folder / request[name])[columns] for name in ("reference", "current")}
    data = {name: library.Dataset.from_pandas(table, data_definition=definition) for name, table in tables.items()}
    snapshot = library.Report([presets.DataDriftPreset()]).run(
        current_data=data["current"], reference_data=data["reference"]
    )
    snapshot.save_html(str(folder / REPORT_NAME))
    return _summary(snapshot.dict())


def _summary(content: dict[str, Any]) -> dict[str, Any]:
    """Return how many columns Evidently calls drifted, and its number for each."""
    counted: dict[str, Any] = {"drifted": 0, "columns": 0, "by_column": {}}
    for metric in content["metrics"]:
        value = metric["value"]
        if isinstance(value, dict) and "count" in value:
            counted["drifted"] = int(value["count"])
        elif "column" in metric.get("config", {}):
            counted["by_column"][metric["config"]["column"]] = float(value)
    counted["columns"] = len(counted["by_column"])
    return counted


if __name__ == "__main__":
    main(Path(sys.argv[1]))
