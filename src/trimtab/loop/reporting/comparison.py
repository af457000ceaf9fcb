"""What the comparison of two versions shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.core.canonical import JsonObject
from trimtab.loop.comparing import compared, pair_of
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.subjects import pair_in
from trimtab.loop.reporting.versions import comparison_of
from trimtab.reports.comparison import ComparedVersion, ComparisonReportData
from trimtab.reports.deployment import LineageData
from trimtab.reports.wording import number_text

__all__ = ["comparison_data"]


def comparison_data(platform: Platform, subject: str) -> ComparisonReportData:
    """Return what is shown of two versions: those named, else the one that serves and the newest.

    Raises:
        ConfigError: ``subject`` names no two versions, or there are none.
        NotFoundError: there is no such model or version.
        ArtifactUntrustedError: a bundle was changed.
    """
    model, first, second = pair_in(subject)
    files = platform.files(model)
    with platform.database.reading() as connection:
        old, new = pair_of(connection, files, first, second)
    found = compared(platform, files, old, new)
    return ComparisonReportData(
        project=platform.project.config.project,
        model=model,
        generated_us=platform.now_us(),
        primary_metric=found["primary_metric"],
        old=_side(found["versions"][0]),
        new=_side(found["versions"][1]),
        same_data=found["same_data"],
        comparison=tuple(comparison_of(found["same_rows"], files.model.task)),
        why_not=found["why_no_same_rows"],
    )


def _side(told: JsonObject) -> ComparedVersion:
    data, lineage = told["data"], told["lineage"]
    return ComparedVersion(
        number=told["number"],
        state=told["state"],
        aliases=told["aliases"],
        algorithm=told["algorithm"],
        created_us=told["created_us"],
        rows=data["rows"],
        span=(data["span_start_us"], data["span_end_us"]),
        held_out=told["held_out"],
        params=told["params"],
        importance=told["importance"],
        gates=[_gate(one) for one in told["gates"]],
        lineage=LineageData(
            bundle_digest=told["digest"],
            dataset_hash=lineage["dataset_hash"],
            config_hash=lineage["config_hash"],
            snapshot_id=lineage["snapshot_id"],
            run_id=lineage.get("run_id"),
            git_commit=lineage.get("git_commit"),
            job_id=lineage.get("job_id"),
        ),
    )


def _gate(gate: Mapping[str, Any]) -> str:
    value = "undefined" if gate["value"] is None else number_text(gate["value"])
    return f"{gate['metric']} {gate['limit']}: {value}, {'passed' if gate['passed'] else 'failed'}"
