"""Runs what is due by the calendar: monitors, as ``monitoring_config.yaml`` says."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import insert, select, update

from trimtab.config.cron import moment_after
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.errors import BackendError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import schedule_run
from trimtab.loop.actor import CONDUCTOR
from trimtab.loop.checks import run_checks_of
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.settings import MonitorSettings

__all__ = ["next_due", "run_due_monitors"]

_log = structlog.get_logger(__name__)

_PASSING = (BackendError, ConflictError, OSError)
"""What may pass by itself, so that the run stays due; after anything else the schedule's next moment is waited for."""


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Monitors that run together: those with a schedule of their own alone, all others by the common one."""

    name: str
    cron: str
    monitors: tuple[MonitorSettings, ...]
    windows: frozenset[timedelta]


def next_due(cron: str, last: datetime, now: datetime, windows: Collection[timedelta]) -> datetime | None:
    """Return the moment of ``cron`` (five fields, UTC) after ``last`` and not after ``now`` that is to be run next.

    Of several that were missed those are run, oldest first, by which another window has passed since ``last``, counting
    each window's length from 1970 on: what a monitor counts window by window misses none. The others are left out,
    but for the newest. None when no moment has come.
    """
    newest, before = None, last
    while (moment := moment_after(cron, before)) is not None and moment <= now:
        if any(_count(moment, length) > _count(last, length) for length in windows):
            return moment
        newest = before = moment
    return newest


def _count(moment: datetime, length: timedelta) -> int:
    return to_micros(moment) // (length // timedelta(microseconds=1))


def run_due_monitors(platform: Platform) -> bool:
    """Run the monitors of each model that are due; of each schedule one moment, so that other models take turns."""
    ran = False
    for model in platform.project.model_names:
        try:
            files = platform.files(model)
        except TrimtabError as error:
            _log.warning("monitors.failed", model=model, error=str(error))
            continue
        for schedule in _schedules(files):
            ran = _run_guarded(platform, files, schedule) or ran
    return ran


def _schedules(files: ModelFiles) -> Iterator[_Schedule]:
    config, name = files.monitoring, f"monitors:{files.model.name}"
    common = tuple(one for one in config.monitors if config.schedule_of(one) == config.schedule)
    if common:
        yield _Schedule(name, config.schedule, common, frozenset(map(config.window_of, common)))
    for one in config.monitors:
        if one not in common:
            yield _Schedule(f"{name}:{one.title}", config.schedule_of(one), (one,), frozenset({config.window_of(one)}))


def _run_guarded(platform: Platform, files: ModelFiles, schedule: _Schedule) -> bool:
    try:
        return _run_if_due(platform, files, schedule)
    except NotFoundError:
        return False
    except TrimtabError as error:
        _log.warning("monitors.failed", schedule=schedule.name, error=str(error))
    except Exception as error:  # noqa: BLE001 - the boundary of one schedule: the others are run all the same
        _log.error("monitors.failed", schedule=schedule.name, error=str(error), exc_info=error)
    return False


def _run_if_due(platform: Platform, files: ModelFiles, schedule: _Schedule) -> bool:
    name, now = schedule.name, platform.clock.now()
    with platform.database.reading() as connection:
        last_us = connection.execute(
            select(schedule_run.c.last_us).where(schedule_run.c.name == name)
        ).scalar_one_or_none()
    if last_us is None:
        with platform.database.transaction() as connection:
            connection.execute(insert(schedule_run).values(name=name, last_us=to_micros(now)))
        return False
    moment = next_due(schedule.cron, from_micros(last_us), now, schedule.windows)
    if moment is None:
        return False

    def has_run(connection: Connection, until: datetime = moment) -> None:
        known = schedule_run.c.name == name, schedule_run.c.last_us == last_us
        if connection.execute(update(schedule_run).where(*known).values(last_us=to_micros(until))).rowcount != 1:
            raise ConflictError(f"schedule {name!r}: another process ran it meanwhile; nothing is left to do")

    try:
        # In the transaction of the checks: a process that dies over them leaves the schedule due.
        titles = [one.title for one in schedule.monitors]
        run_checks_of(platform, files, at=moment, actor=CONDUCTOR.name, only=titles, beside=has_run)
    except _PASSING:
        raise
    except Exception as error:
        # What serves nothing yet has missed nothing.
        skipped = next_due(schedule.cron, moment, now, ()) if isinstance(error, NotFoundError) else None
        with platform.database.transaction() as connection:
            has_run(connection, skipped or moment)
        raise
    return True
