"""Runs what is due by the calendar: monitors, as ``monitoring_config.yaml`` says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import insert, select, update

from trimtab.core.clock import from_micros, to_micros
from trimtab.core.errors import BackendError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import schedule_run
from trimtab.loop.actor import CONDUCTOR
from trimtab.loop.checks import run_checks_of
from trimtab.loop.platform import Platform

__all__ = ["is_due", "run_due_monitors"]

_log = structlog.get_logger(__name__)

_PASSING = (BackendError, ConflictError, OSError)
"""What may pass by itself, so that the run stays due; after anything else the schedule's next moment is waited for."""


def is_due(cron: str, last: datetime, now: datetime) -> bool:
    """Return whether a moment of ``cron`` (five fields, UTC) lies after ``last`` and not after ``now``.

    >>> noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    >>> is_due("0 * * * *", noon, noon + timedelta(minutes=59)), is_due("0 * * * *", noon, noon + timedelta(hours=1))
    (False, True)
    """
    due = CronTrigger.from_crontab(cron, timezone=UTC).get_next_fire_time(None, last + timedelta(microseconds=1))
    return due is not None and due <= now


def run_due_monitors(platform: Platform) -> bool:
    """Run the monitors of each model whose schedule is due, once for however many moments were missed."""
    ran = False
    for model in platform.project.model_names:
        try:
            ran = _run_if_due(platform, model) or ran
        except NotFoundError:
            continue
        except TrimtabError as error:
            _log.warning("monitors.failed", model=model, error=str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of one model: the others are monitored all the same
            _log.error("monitors.failed", model=model, error=str(error), exc_info=error)
    return ran


def _run_if_due(platform: Platform, model: str) -> bool:
    files = platform.files(model)
    name = f"monitors:{model}"
    now = platform.clock.now()
    with platform.database.reading() as connection:
        last_us = connection.execute(
            select(schedule_run.c.last_us).where(schedule_run.c.name == name)
        ).scalar_one_or_none()
    if last_us is not None and not is_due(files.monitoring.schedule, from_micros(last_us), now):
        return False
    if last_us is None:
        with platform.database.transaction() as connection:
            connection.execute(insert(schedule_run).values(name=name, last_us=to_micros(now)))
        return False

    def has_run(connection: Connection) -> None:
        known = schedule_run.c.name == name, schedule_run.c.last_us == last_us
        if connection.execute(update(schedule_run).where(*known).values(last_us=to_micros(now))).rowcount != 1:
            raise ConflictError(f"schedule {name!r}: another process ran it meanwhile; nothing is left to do")

    try:
        # In the transaction of the checks: a process that dies over them leaves the schedule due.
        run_checks_of(platform, files, at=now, actor=CONDUCTOR.name, beside=has_run)
    except _PASSING:
        raise
    except Exception:
        with platform.database.transaction() as connection:
            has_run(connection)
        raise
    return True
