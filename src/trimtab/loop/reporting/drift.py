"""What the drift analysis of an endpoint shows: the stored checks of a period, and the causes that were found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Row, select

from trimtab.bundle.writer import read_manifest
from trimtab.core.enums import Verdict
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import check_result
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.loop.releases import serving_version
from trimtab.loop.reporting.subjects import model_of
from trimtab.reports.drift import DriftedCause, DriftReportData, DriftSeries
from trimtab.rollout.store import list_rollouts

__all__ = ["drift_data"]

_KINDS: Final = ("data_drift", "prediction_drift")
_SPAN_US: Final = 30 * 86_400_000_000
_MOST_CAUSES: Final = 20


def drift_data(platform: Platform, subject: str) -> DriftReportData:
    """Return what is shown of a model's production endpoint: the checks of its newest 30 days, by their windows.

    Raises:
        ConfigError: ``subject`` is no model's name.
        NotFoundError: there is no such model.
    """
    files = platform.files(model_of(subject))
    with platform.database.reading() as connection:
        rows = _checks(connection, files)
        weights, method = _weights(connection, files)
        ends = [row.window_end_us for row in rows]
        start_us, end_us = (min(ends), max(ends)) if ends else (platform.now_us(), platform.now_us())
        rollouts = list_rollouts(connection, model=files.model.name)
    return DriftReportData(
        project=platform.project.config.project,
        model=files.model.name,
        endpoint=files.endpoint,
        generated_us=platform.now_us(),
        start_us=start_us,
        end_us=end_us,
        series=tuple(_series(rows)),
        causes=tuple(_causes(rows)),
        releases=tuple(
            (one.finished_us, f"v{one.spec.candidate.number}")
            for one in reversed(rollouts)
            if one.finished_us is not None and start_us <= one.finished_us <= end_us and one.state.phase == "promoted"
        ),
        weights=weights,
        weighed_by=method,
    )


def _checks(connection: Connection, files: ModelFiles) -> Sequence[Row[Any]]:
    of_endpoint = (check_result.c.model == files.model.name, check_result.c.endpoint == files.endpoint)
    known = select(check_result).where(*of_endpoint, check_result.c.kind.in_(_KINDS))
    newest = connection.execute(known.order_by(check_result.c.window_end_us.desc()).limit(1)).first()
    if newest is None:
        return []
    since = check_result.c.window_end_us > newest.window_end_us - _SPAN_US
    return connection.execute(
        known.where(since).order_by(check_result.c.window_end_us, check_result.c.at_us, check_result.c.id)
    ).all()


def _series(rows: Sequence[Row[Any]]) -> Iterable[DriftSeries]:
    """Yield one series for each monitor and column: of the newest version that it judged."""
    groups: dict[tuple[str, str, str | None], list[Row[Any]]] = {}
    for row in rows:
        groups.setdefault((row.monitor, row.kind, row.column), []).append(row)
    for (monitor, kind, column), found in groups.items():
        newest = found[-1]
        same = [row for row in found if row.model_version == newest.model_version]
        # A window that was judged again counts as it was judged last.
        latest = {int(row.window_end_us): row.value for row in same}
        yield DriftSeries(
            monitor=monitor,
            kind=kind,
            column=column,
            version=newest.model_version,
            points=tuple(latest.items()),
            threshold=newest.threshold,
            verdict=Verdict(newest.verdict),
            explanation=newest.spec["explanation"],
            breaches=sum(row.verdict == Verdict.BREACH for row in same),
        )


def _causes(rows: Sequence[Row[Any]]) -> list[DriftedCause]:
    found: dict[tuple[str, str], DriftedCause] = {}
    for row in rows:
        for cause in row.spec["detail"].get("causes", ()):
            key = (str(cause.get("kind")), str(cause.get("column")))
            found[key] = DriftedCause(row.at_us, *key, str(cause.get("explanation", "")))
    return sorted(found.values(), key=lambda one: -one.at_us)[:_MOST_CAUSES]


def _weights(connection: Connection, files: ModelFiles) -> tuple[Mapping[str, float], str]:
    """Return how much each feature weighs with the version that serves, and by what; nothing if unreadable."""
    version = serving_version(connection, files.model.name, files.endpoint)
    if version is None:
        return {}, ""
    try:
        return read_manifest(Path(version.bundle_path), expected_digest=version.digest).weights
    except TrimtabError:
        return {}, ""
