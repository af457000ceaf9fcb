"""Evidently's report of a window, for a person who wants to look closer; made by a process of its own, on samples."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import ColumnKind, VariantRole
from trimtab.core.errors import BackendError, ConfigError, DataContractError, NotFoundError
from trimtab.lake.broken_records import broken_window_rows
from trimtab.lake.labelled import window_rows
from trimtab.lake.snapshots import find_snapshot
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.registry import store as registry
from trimtab.reports import evidently
from trimtab.reports.store import ReportKind, record_report, write_report
from trimtab.rollout import endpoint_store
from trimtab.serving.spec import VariantSpec

__all__ = ["MOST_ROWS", "drill_down"]

MOST_ROWS: Final = 20_000
"""So many rows of each side are given to Evidently: of a million it would need minutes and gigabytes."""

_BROKE: Final = "@broke"
_LEAST_ROWS: Final = 2
_LIMIT_S: Final = 50.0
"""Less than whoever asks over HTTP waits for."""


def drill_down(
    platform: Platform, files: ModelFiles, *, window: timedelta, until: datetime, variant: str | None = None
) -> JsonObject:
    """Compare what a variant was asked in the ``window`` until ``until`` (event time) with what its version learnt.

    Rows that broke the contract are among what it was asked, as they are for the monitors of inputs; the answer says
    how many. What could not be read as its kind is missing there.

    Return where the report lies, and what Evidently found by column. Evidently's own defaults hold: no season, no
    memory, nothing held across looks.

    Raises:
        NotFoundError: no such variant serves.
        DataContractError: one side has too few rows, or no features in common.
        ConfigError: Evidently is not installed.
        BackendError: its process failed, or took too long.
    """
    served, reference, current, quarantined = _sides(platform, files, window, until, variant)
    shared = [name for name in files.features if name in reference.column_names and name in current.column_names]
    if not shared or min(len(reference), len(current)) < _LEAST_ROWS:
        raise DataContractError(
            f"model {files.model.name!r}: {len(current)} rows in the window and {len(reference)} learnt, with "
            f"{len(shared)} features in common; expected some of each; choose a longer window"
        )
    # On one disk with the reports, and gone with the request: rows are nobody's to keep here.
    folder = platform.project.reports / "evidently" / f".{platform.new_id()}"
    folder.mkdir(parents=True)
    try:
        found = _made(folder, files, reference.select(shared), current.select(shared))
        html = (folder / evidently.REPORT_NAME).read_text("utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    subject = f"{files.endpoint}-{served.name}-{until:%Y%m%dT%H%M}-{int(window.total_seconds())}s"
    path = write_report(platform.project.reports, ReportKind.EVIDENTLY, subject, html)
    with platform.database.transaction() as connection:
        kind, at_us = ReportKind.EVIDENTLY, platform.now_us()
        report = record_report(connection, kind=kind, subject=subject, path=path, at_us=at_us)
    rows = {"rows": len(current), "quarantined": quarantined, "reference_rows": len(reference)}
    told = {"report_id": report.id, "path": str(report.path)}
    return {**told, "variant": served.name, "version": served.model_version, **rows, **found}


def _sides(
    platform: Platform, files: ModelFiles, window: timedelta, until: datetime, variant: str | None
) -> tuple[VariantSpec, pa.Table, pa.Table, int]:
    """Return the variant, samples of what it learnt and was asked, and how many of the latter lay in quarantine."""
    with platform.database.reading() as connection:
        served = _served(endpoint_store.desired(connection, files.endpoint), files, variant)
        version = registry.get(connection, files.model.name, served.model_version)
        learnt = find_snapshot(connection, platform.lake, version.snapshot_id)
    start_us, end_us = to_micros(until - window), to_micros(until)
    passed = window_rows(
        platform.lake,
        files.endpoint,
        start_us=start_us,
        end_us=end_us,
        variant=served.name,
        model_version=served.model_version,
        known_until_us=end_us,
        features=files.features,
    )
    contracts = {name: files.contract.columns[name] for name in files.features if name in passed.column_names}
    broken = broken_window_rows(
        platform.lake, files.endpoint, start_us=start_us, end_us=end_us, variant=served.name, features=contracts
    )
    asked = pa.concat_tables([passed.select(broken.column_names), broken], promote_options="permissive")
    current = _sampled(asked.append_column(_BROKE, _marks(passed, broken)).sort_by("event_us"))
    return served, _sampled(pq.read_table(learnt.path)), current, int(pc.sum(current[_BROKE]).as_py() or 0)


def _marks(passed: pa.Table, broken: pa.Table) -> pa.Array:
    return pa.array([0] * len(passed) + [1] * len(broken), pa.int8())


def _served(spec: Any, files: ModelFiles, variant: str | None) -> VariantSpec:
    live: list[VariantSpec] = [] if spec is None else [one for one in spec.variants if one.role is VariantRole.LIVE]
    found = next((one for one in live if variant is None or one.name == variant), None)
    if found is None:
        names = ", ".join(one.name for one in live) or "none"
        raise NotFoundError(f"endpoint {files.endpoint!r}: no live variant {variant or ''!r}; it has: {names}")
    return found


def _sampled(table: pa.Table) -> pa.Table:
    """Return every so many-th row, so that all of the time is seen and the same report comes out each time."""
    step = -(-len(table) // MOST_ROWS)
    return table if step <= 1 else table.take(pa.array(range(0, len(table), step)))


def _made(folder: Path, files: ModelFiles, reference: pa.Table, current: pa.Table) -> JsonObject:
    numbers = {ColumnKind.NUMBER, ColumnKind.INTEGER}
    kinds = {name: files.contract.columns[name].type for name in reference.column_names}
    request = {
        "reference": "reference.parquet",
        "current": "current.parquet",
        "numbers": [name for name, kind in kinds.items() if kind in numbers],
        "categories": [name for name, kind in kinds.items() if kind not in numbers],
    }
    pq.write_table(reference, folder / "reference.parquet")
    pq.write_table(current, folder / "current.parquet")
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    done: subprocess.CompletedProcess[bytes] | None = None
    try:
        done = subprocess.run(
            [sys.executable, "-m", evidently.MODULE, str(folder / "request.json")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        found: JsonObject = json.loads((folder / evidently.RESULT_NAME).read_bytes())
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"Evidently took more than {_LIMIT_S:g} s; expected a report; ask for fewer rows") from error
    except (OSError, ValueError) as error:
        said = str(error) if done is None else done.stderr.decode(errors="replace").strip()[-300:]
        raise BackendError(f"Evidently's process left no result ({said}); expected a report; try again") from error
    if "missing" in found:
        raise ConfigError(f"Evidently cannot be imported ({found['missing']}); pip install 'trimtab[evidently]'")
    if "error" in found:
        raise BackendError(f"Evidently failed: {found['error']}; expected a report; install 0.7.23 or later")
    return found
