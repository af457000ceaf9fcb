"""Processes segments of ground truth: stored as they are, by endpoint; joined with predictions when they are read."""

from __future__ import annotations

from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from trimtab.lake.deliveries import Delivery
from trimtab.lake.outcome import Outcome, counted, write_or_remove, write_rows
from trimtab.lake.quarantine import broken_rows
from trimtab.lake.reasons import Broken
from trimtab.lake.zones import Lake, is_file_name

__all__ = ["process_truth"]


def process_truth(lake: Lake, delivery: Delivery, table: pa.Table) -> Outcome:
    """Write each endpoint's outcomes to its own file; rows that say nothing, or of nothing, are quarantined.

    Raises:
        OSError: the lake cannot be written.
    """
    wrong: dict[int, Broken] = {}
    rows: dict[str, list[int]] = defaultdict(list)
    columns = table.select(["endpoint", "prediction_id", "record_key", "truth"]).to_pydict()
    for row, values in enumerate(zip(*columns.values(), strict=True)):
        problem = _problem(*values)
        if problem is None:
            rows[values[0] or ""].append(row)
        else:
            wrong[row] = problem
    for endpoint, places in sorted(rows.items()):
        _write(lake, endpoint, delivery.digest, table.take(pa.array(places, pa.int64())))
    quarantine = lake.quarantined_truth(delivery.digest)
    kept = write_or_remove(
        lake, quarantine, broken_rows(table, {row: [problem.sentence] for row, problem in wrong.items()})
    )
    return Outcome(
        rows=table.num_rows,
        rows_passed=table.num_rows - len(wrong),
        reasons=counted([problem.rule_text] for problem in wrong.values()),
        quarantine_path=lake.relative(quarantine) if kept else None,
    )


def _problem(
    endpoint: str | None, prediction_id: str | None, record_key: str | None, truth: str | None
) -> Broken | None:
    unnamed = not endpoint and prediction_id is not None
    if not unnamed and (endpoint is None or not is_file_name(endpoint)):
        return Broken(f"endpoint: {(endpoint or '')[:60]!r} is no endpoint's name", "endpoint: no endpoint's name")
    if prediction_id is None and record_key is None:
        return Broken("prediction_id: neither it nor record_key is given", "prediction_id: missing")
    if truth is None or not truth.strip():
        return Broken("truth: is missing", "truth: missing")
    return None


def _write(lake: Lake, endpoint: str, segment_id: str, table: pa.Table) -> None:
    by_time = table["event_us"].null_count == 0 and table["prediction_id"].null_count == table.num_rows
    times = pc.min_max(table["event_us"]).as_py()
    known = pc.min_max(table["labelled_us"]).as_py()
    path = lake.processed_truth(
        endpoint,
        segment_id,
        labelled_us=(known["min"], known["max"]),
        span_us=(times["min"], times["max"]) if by_time else None,
    )
    write_rows(lake, path, table.replace_schema_metadata(None))
