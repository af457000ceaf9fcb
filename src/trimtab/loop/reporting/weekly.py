"""What the weekly digest shows: the seven days before a midnight (UTC), of all models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, or_, select

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import (
    action_request,
    audit_entry,
    check_result,
    delivery,
    event_delivery,
    incident,
    notification,
    verification,
)
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.subjects import day_of
from trimtab.remediation.actions import ActionState
from trimtab.reports.weekly import Unlisted, WeeklyAction, WeeklyCase, WeeklyModel, WeeklyQuality, WeeklyReportData
from trimtab.rollout import endpoint_store
from trimtab.rollout.store import list_rollouts

__all__ = ["weekly_data"]

_WEEK: Final = timedelta(days=7)
_MOST_ROWS: Final = 40
_QUALITY: Final = "model_quality"


@dataclass(frozen=True, slots=True)
class _Week:
    """From ``start_us`` up to, not including, ``end_us``."""

    start_us: int
    end_us: int

    def holds(self, column: ColumnElement[int]) -> ColumnElement[bool]:
        """Return whether a moment lies in it, as a condition."""
        return (column >= self.start_us) & (column < self.end_us)


def weekly_data(platform: Platform, subject: str) -> WeeklyReportData:
    """Return what is shown of the seven days before ``subject``, a day such as ``2030-01-07``.

    A week that is not over is told as far as it has come, and says so.

    Raises:
        ConfigError: it is no day, or the week has not begun.
    """
    end, now = day_of(subject), platform.clock.now()
    if end - _WEEK > now:
        raise ConfigError(
            f"weekly report: the week before {subject} begins on {end - _WEEK:%Y-%m-%d}, and today is {now:%Y-%m-%d}; "
            f"expected a day up to {now + _WEEK:%Y-%m-%d}; name the day that the week ends before"
        )
    week = _Week(to_micros(end - _WEEK), to_micros(end))
    with platform.database.reading() as connection:
        models = tuple(_model(connection, platform, name, week) for name in platform.project.model_names)
        dead = [
            connection.execute(select(func.count()).select_from(table).where(table.c.state == "dead")).scalar_one()
            for table in (event_delivery, notification)
        ]
        entries = select(func.count()).select_from(audit_entry).where(week.holds(audit_entry.c.at_us))
        return WeeklyReportData(
            project=platform.project.config.project,
            generated_us=platform.now_us(),
            start_us=week.start_us,
            end_us=week.end_us,
            models=models,
            dead_letters=sum(dead),
            audit_entries=connection.execute(entries).scalar_one(),
        )


def _model(connection: Connection, platform: Platform, name: str, week: _Week) -> WeeklyModel:
    try:
        endpoint, unread = platform.files(name).endpoint, ""
    except TrimtabError as error:
        endpoint, unread = name, str(error)
    came = _came(connection, name, endpoint, week)
    counted = (
        select(check_result.c.verdict, func.count())
        .where(check_result.c.model == name, week.holds(check_result.c.at_us))
        .group_by(check_result.c.verdict)
    )
    return WeeklyModel(
        model=name,
        serves=_serves(connection, endpoint, week),
        answered=came["records"][0],
        delivered=came["table"][0],
        quarantined=came["records"][1] + came["table"][1],
        verdicts={Verdict(verdict): count for verdict, count in connection.execute(counted).all()},
        quality=_quality(connection, name, endpoint, week),
        cases=_cases(connection, name, week),
        actions=_actions(connection, name, week),
        releases=_releases(connection, name, week),
        waiting=_waiting(connection, name),
        unread=unread,
        unlisted=_unlisted(connection, name, week),
    )


def _came(connection: Connection, model: str, endpoint: str, week: _Week) -> dict[str, tuple[int, int]]:
    """Return how many rows came, and how many of them are in quarantine: of records, and of delivered tables."""
    found = {"records": (0, 0), "table": (0, 0)}
    query = (
        select(delivery.c.kind, func.sum(delivery.c.rows), func.sum(delivery.c.rows_quarantined))
        .where(or_(delivery.c.model == model, delivery.c.endpoint == endpoint), week.holds(delivery.c.received_us))
        .group_by(delivery.c.kind)
    )
    for kind, rows, quarantined in connection.execute(query).all():
        if kind in found:
            found[kind] = (int(rows or 0), int(quarantined or 0))
    return found


def _serves(connection: Connection, endpoint: str, week: _Week) -> str:
    found = endpoint_store.generation_at(connection, endpoint, week.end_us - 1)
    if found is None:
        return ""
    shares = [(one.model_version, f"{one.weight_pct.normalize():f} %") for one in found.spec.variants]
    return ", ".join(f"version {number}: {share}" for number, share in shares)


def _serving(connection: Connection, endpoint: str, at_us: int) -> int | None:
    """Return the version that answered most callers at a moment; None where none did."""
    found = endpoint_store.generation_at(connection, endpoint, at_us)
    live = () if found is None else found.spec.live
    return max(live, key=lambda one: one.weight_pct).model_version if live else None


def _quality(connection: Connection, model: str, endpoint: str, week: _Week) -> tuple[WeeklyQuality, ...]:
    """Return the figures of what served: a canary's or a shadow's are not the model's."""
    column = check_result.c
    now = _newest(connection, model, endpoint, week.end_us - 1, column.at_us >= week.start_us)
    before = _newest(connection, model, endpoint, week.start_us - 1)
    return tuple(
        WeeklyQuality(
            metric=metric,
            now=row.value,
            before=before[metric].value if metric in before else None,
            limit=row.threshold,
            verdict=Verdict(row.verdict),
        )
        for metric, row in now.items()
    )


def _newest(
    connection: Connection, model: str, endpoint: str, at_us: int, *which: ColumnElement[bool]
) -> dict[str, Any]:
    """Return by metric the newest check until ``at_us`` of the version that served then."""
    number = _serving(connection, endpoint, at_us)
    if number is None:
        return {}
    column = check_result.c
    metric = column.spec[("detail", "metric")].as_string()
    order = (column.at_us.desc(), column.id.desc())
    newest = func.row_number().over(partition_by=metric, order_by=order).label("place")
    mine = (
        column.model == model,
        column.endpoint == endpoint,
        column.model_version == number,
        column.kind == _QUALITY,
        column.value.is_not(None),
        column.at_us <= at_us,
        # What is said of segments has none.
        metric.is_not(None),
    )
    ranked = select(column.id, newest).where(*mine, *which).subquery()
    query = select(check_result).join(ranked, ranked.c.id == column.id).where(ranked.c.place == 1)
    return {str(row.spec["detail"]["metric"]): row for row in connection.execute(query.order_by(*order)).all()}


def _was_open(model: str, week: _Week) -> tuple[ColumnElement[bool], ...]:
    overlaps = incident.c.closed_us.is_(None) | (incident.c.closed_us >= week.start_us)
    return incident.c.model == model, incident.c.opened_us < week.end_us, overlaps


def _asked(model: str, week: _Week) -> tuple[ColumnElement[bool], ...]:
    return action_request.c.model == model, week.holds(action_request.c.created_us)


def _waits(model: str) -> tuple[ColumnElement[bool], ...]:
    return action_request.c.model == model, action_request.c.state == ActionState.WAITING_APPROVAL.value


def _unlisted(connection: Connection, model: str, week: _Week) -> Unlisted:
    """Return how many more there are of what is listed up to `_MOST_ROWS`, by counting all of it."""
    cases = _was_open(model, week)
    listed = select(incident.c.closed_us).where(*cases).order_by(incident.c.opened_us.desc()).limit(_MOST_ROWS)
    listed_open = sum(closed_us is None for closed_us in connection.execute(listed).scalars())
    return Unlisted(
        cases=max(_count(connection, *cases) - _MOST_ROWS, 0),
        open_cases=_count(connection, *cases, incident.c.closed_us.is_(None)) - listed_open,
        actions=max(_count(connection, *_asked(model, week)) - _MOST_ROWS, 0),
        waiting=max(_count(connection, *_waits(model)) - _MOST_ROWS, 0),
    )


def _count(connection: Connection, *which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(*which)).scalar_one()


def _cases(connection: Connection, model: str, week: _Week) -> tuple[WeeklyCase, ...]:
    query = select(incident).where(*_was_open(model, week)).order_by(incident.c.opened_us.desc())
    return tuple(
        WeeklyCase(
            title=row.title,
            state=row.state,
            opened_us=row.opened_us,
            closed_us=row.closed_us,
            diagnosis=row.diagnosis,
            severity=row.severity,
        )
        for row in connection.execute(query.limit(_MOST_ROWS)).all()
    )


def _actions(connection: Connection, model: str, week: _Week) -> tuple[WeeklyAction, ...]:
    query = (
        select(action_request, verification.c.verdict)
        .outerjoin(verification, verification.c.action_id == action_request.c.id)
        .where(*_asked(model, week))
        .order_by(action_request.c.created_us.desc())
    )
    return tuple(
        WeeklyAction(
            at_us=row.created_us,
            kind=row.kind,
            state=row.state,
            by=row.decided_by or "",
            outcome=str(row.spec.get("outcome") or row.spec.get("purpose") or ""),
            helped=None if row.verdict is None else Verdict(row.verdict),
        )
        for row in connection.execute(query.limit(_MOST_ROWS)).all()
    )


def _releases(connection: Connection, model: str, week: _Week) -> tuple[str, ...]:
    return tuple(
        f"version {one.spec.candidate.number} {one.state.phase.value.replace('_', ' ')}"
        for one in reversed(list_rollouts(connection, model=model))
        if one.finished_us is not None and week.start_us <= one.finished_us < week.end_us
    )


def _waiting(connection: Connection, model: str) -> tuple[str, ...]:
    query = select(action_request).where(*_waits(model)).order_by(action_request.c.created_us)
    return tuple(
        f"{row.kind.replace('_', ' ')}: {row.spec.get('purpose', '')}"
        for row in connection.execute(query.limit(_MOST_ROWS)).all()
    )
