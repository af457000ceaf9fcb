"""What monitoring keeps in the database: checks. Profiles are kept by ``lake``, which ingests segments."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, literal, select, tuple_

from trimtab.core.clock import to_micros
from trimtab.core.enums import Severity, Verdict
from trimtab.db.engine import Connection
from trimtab.db.paging import Place
from trimtab.db.tables import check_result
from trimtab.monitoring.check import Check, Window

__all__ = ["StoredCheck", "checks_as_of", "recent_checks", "run_checks", "save_checks"]


@dataclass(frozen=True, slots=True)
class StoredCheck:
    """A check, and the moment as of which its run was made, in microseconds UTC."""

    check: Check
    at_us: int
    place: Place


def save_checks(
    connection: Connection,
    checks: Sequence[Check],
    *,
    at: datetime,
    ids: Callable[[], str],
    run_id: str | None = None,
) -> str:
    """Store the checks of one run and return its id; a run that is stored already stays as it is."""
    run = run_id or ids()
    if checks and not connection.scalar(select(exists().where(check_result.c.run_id == run))):
        at_us = to_micros(at)
        connection.execute(insert(check_result), [_check_row(check, run, ids(), at_us) for check in checks])
    return run


def recent_checks(
    connection: Connection,
    model: str,
    limit: int | None = 100,
    *,
    endpoint: str | None = None,
    monitor: str | None = None,
    verdict: Verdict | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    which: ColumnElement[bool] | None = None,
    after: Place | None = None,
) -> list[StoredCheck]:
    """Return the latest checks of ``model``, newest run first, within a run in the order they were made.

    ``limit``: None for all. ``since_us`` ≤ moment of the run ≤ ``until_us``. ``which``: a condition on the table.
    ``after``: only those behind it.
    """
    query = select(check_result).where(check_result.c.model == model)
    if which is not None:
        query = query.where(which)
    if endpoint is not None:
        query = query.where(check_result.c.endpoint == endpoint)
    if monitor is not None:
        query = query.where(check_result.c.monitor == monitor)
    if verdict is not None:
        query = query.where(check_result.c.verdict == verdict.value)
    if since_us is not None:
        query = query.where(check_result.c.at_us >= since_us)
    if until_us is not None:
        query = query.where(check_result.c.at_us <= until_us)
    if after is not None:
        query = query.where(_is_behind(after))
    query = query.order_by(check_result.c.at_us.desc(), check_result.c.run_id.desc(), check_result.c.id).limit(limit)
    return [
        StoredCheck(_check(row), row["at_us"], Place(row["at_us"], f"{row['run_id']} {row['id']}"))
        for row in connection.execute(query).mappings()
    ]


def _is_behind(place: Place) -> ColumnElement[bool]:
    run_id, _, row_id = place.id.partition(" ")
    run = (check_result.c.at_us == place.at) & (check_result.c.run_id == run_id)
    earlier = tuple_(check_result.c.at_us, check_result.c.run_id) < tuple_(literal(place.at), literal(run_id))
    return earlier | (run & (check_result.c.id > row_id))


def run_checks(connection: Connection, run_id: str) -> list[Check]:
    """Return the checks of one run, in the order they were made; none if there is no such run."""
    query = select(check_result).where(check_result.c.run_id == run_id).order_by(check_result.c.id)
    return [_check(row) for row in connection.execute(query).mappings()]


def checks_as_of(connection: Connection, run_id: str, monitors: Collection[str]) -> list[Check]:
    """Return the checks of one run, and of each of ``monitors`` that was not due in it those of its last run before.

    Monitors may have schedules of their own: what is known of a model at a moment is more than what one run said.
    """
    checks = run_checks(connection, run_id)
    lacking = sorted(set(monitors) - {check.monitor for check in checks})
    first = connection.execute(select(check_result).where(check_result.c.run_id == run_id).limit(1)).first()
    if first is None or not lacking:
        return checks
    mine = (
        check_result.c.model == first.model,
        check_result.c.endpoint == first.endpoint,
        check_result.c.at_us <= first.at_us,
    )
    for monitor in lacking:
        its_own = select(check_result.c.run_id).where(*mine, check_result.c.monitor == monitor)
        newest = its_own.order_by(check_result.c.at_us.desc(), check_result.c.run_id.desc()).limit(1)
        earlier = connection.execute(newest).scalar_one_or_none()
        if earlier is not None:
            checks += [check for check in run_checks(connection, earlier) if check.monitor == monitor]
    return checks


def _check_row(check: Check, run_id: str, row_id: str, at_us: int) -> dict[str, Any]:
    return {
        "id": row_id,
        "run_id": run_id,
        "model": check.model,
        "endpoint": check.endpoint,
        "variant": check.variant,
        "model_version": check.model_version,
        "monitor": check.monitor,
        "kind": check.kind,
        "column": check.column,
        "window_start_us": check.window.start_us,
        "window_end_us": check.window.end_us,
        "value": check.value,
        "threshold": check.threshold,
        "effect": check.effect,
        "verdict": check.verdict.value,
        "severity": check.severity.value,
        "at_us": at_us,
        "spec": {"explanation": check.explanation, "detail": check.detail, "opens": check.opens},
    }


def _check(row: Any) -> Check:
    return Check(
        monitor=row["monitor"],
        kind=row["kind"],
        model=row["model"],
        endpoint=row["endpoint"],
        variant=row["variant"],
        model_version=row["model_version"],
        column=row["column"],
        window=Window(row["window_start_us"], row["window_end_us"]),
        value=row["value"],
        threshold=row["threshold"],
        effect=row["effect"],
        verdict=Verdict(row["verdict"]),
        severity=Severity(row["severity"]),
        explanation=row["spec"]["explanation"],
        detail=row["spec"]["detail"],
        opens=row["spec"].get("opens", True),
    )
