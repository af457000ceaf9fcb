"""Runs what is due by the calendar: monitors, as ``monitoring_config.yaml`` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.audit import log as audit
from trimtab.config.cron import newest_moment
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.errors import BackendError, ConflictError, NotFoundError, TrimtabError
from trimtab.core.wording import counted
from trimtab.db.engine import Connection
from trimtab.db.tables import schedule_run
from trimtab.loop.actor import CONDUCTOR
from trimtab.loop.checks import CheckRun, run_checks_of
from trimtab.loop.missed import Missed, missed_moments
from trimtab.loop.model_files import ModelFiles
from trimtab.loop.platform import Platform
from trimtab.monitoring.settings import MonitorSettings

__all__ = ["run_due_monitors", "run_monitors_now"]

_log = structlog.get_logger(__name__)

_PASSING = (BackendError, ConflictError, OSError)
"""What may pass by itself, so that the run stays due; after anything else the schedule's next moment is waited for."""


_IN_ORDER = 3
"""Of so many missed moments, the present is known soon enough at the end."""


@dataclass(frozen=True, slots=True)
class _Schedule:
    """Monitors that run together: those with a schedule of their own alone, all others by the common one."""

    name: str
    cron: str
    monitors: tuple[MonitorSettings, ...]
    windows: frozenset[timedelta]

    @property
    def ahead(self) -> str:
        """Under which name it is noted which moment was looked at before those that came earlier were."""
        return f"ahead:{self.name}"


@dataclass(frozen=True, slots=True)
class _Turn:
    """A moment that is run; with its checks is stored that ``name`` has run until then, no longer ``before_us``."""

    schedule: _Schedule
    moment: datetime
    name: str
    before_us: int | None
    tell: Callable[[Connection], None] = lambda _connection: None

    def note(self, connection: Connection) -> None:
        """Store what goes with the checks."""
        _note(connection, self.name, to_micros(self.moment), before_us=self.before_us)
        self.tell(connection)


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


def run_monitors_now(platform: Platform, files: ModelFiles, *, at: datetime, actor: str) -> CheckRun:
    """Run all monitors of a model as of ``at``, between the moments of their schedules.

    Where such a moment has come before ``at`` and was not run yet, and where ``at`` has not come, nothing is counted:
    windows that are still to be run could not be counted after a later one.

    Raises:
        NotFoundError: the model serves nothing yet.
    """
    now = platform.clock.now()
    uncounted = [
        one.title
        for schedule in _schedules(files)
        for one in schedule.monitors
        if at > now or _waits(platform, schedule, at)
    ]
    return run_checks_of(platform, files, at=at, actor=actor, uncounted=uncounted)


def _waits(platform: Platform, schedule: _Schedule, until: datetime) -> bool:
    last_us = _moment_of(platform, schedule.name)
    return last_us is not None and newest_moment(schedule.cron, from_micros(last_us), until) is not None


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
    now, last_us = platform.clock.now(), _moment_of(platform, schedule.name)
    if last_us is None:
        with platform.database.transaction() as connection:
            _note(connection, schedule.name, to_micros(now), before_us=None)
        return False
    missed = missed_moments(schedule.cron, from_micros(last_us), now, schedule.windows)
    if not missed.moments:
        return False
    newest = missed.moments[-1]
    if len(missed.moments) > _IN_ORDER:
        ahead_us = _moment_of(platform, schedule.ahead)
        if ahead_us is None or ahead_us < to_micros(newest):
            # Of what has been going on for days, the present must not be told last.
            told = partial(_tell_left_out, platform, files, missed, last_us)
            _run(platform, files, _Turn(schedule, newest, schedule.ahead, ahead_us, told), now)
            return True
    _run(platform, files, _Turn(schedule, missed.moments[0], schedule.name, last_us), now)
    return True


def _run(platform: Platform, files: ModelFiles, turn: _Turn, now: datetime) -> None:
    schedule = turn.schedule
    titles = [one.title for one in schedule.monitors]
    # What is looked at ahead of its turn is counted when that comes.
    uncounted = titles if turn.name == schedule.ahead else ()
    try:
        # In the transaction of the checks: a process that dies over them leaves the schedule due.
        run_checks_of(
            platform,
            files,
            at=turn.moment,
            actor=CONDUCTOR.name,
            only=titles,
            uncounted=uncounted,
            beside=turn.note,
        )
    except _PASSING:
        raise
    except Exception as error:
        nothing_serves = isinstance(error, NotFoundError)
        with platform.database.transaction() as connection:
            if nothing_serves:
                # What serves nothing yet has missed nothing.
                skipped = newest_moment(schedule.cron, turn.moment, now)
                turn = _Turn(schedule, skipped or turn.moment, turn.name, turn.before_us)
            turn.note(connection)
        raise


def _moment_of(platform: Platform, name: str) -> int | None:
    query = select(schedule_run.c.last_us).where(schedule_run.c.name == name)
    return platform.database.read(lambda connection: connection.execute(query).scalar_one_or_none())


def _note(connection: Connection, name: str, moment_us: int, *, before_us: int | None) -> None:
    """Store until when ``name`` has run, in place of ``before_us``.

    Raises:
        ConflictError: another process has stored it meanwhile.
    """
    try:
        if before_us is None:
            connection.execute(insert(schedule_run).values(name=name, last_us=moment_us))
            return
        known = schedule_run.c.name == name, schedule_run.c.last_us == before_us
        if connection.execute(update(schedule_run).where(*known).values(last_us=moment_us)).rowcount == 1:
            return
    except IntegrityError as error:
        raise _overtaken(name) from error
    raise _overtaken(name)


def _overtaken(name: str) -> ConflictError:
    return ConflictError(
        f"schedule {name!r}: another process ran it meanwhile; expected it as it was; nothing is left to do"
    )


def _tell_left_out(platform: Platform, files: ModelFiles, missed: Missed, last_us: int, connection: Connection) -> None:
    if not missed.left_out:
        return
    since, model = from_micros(last_us), files.model.name
    windows = counted(missed.left_out, "window")
    _log.warning("monitors.left_out", model=model, windows=missed.left_out, since=since.isoformat())
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=CONDUCTOR.name,
        action="checks.left_out",
        subject=f"endpoint:{files.endpoint}",
        reason=f"nobody looked since {since.isoformat()}: {windows} left out, {len(missed.moments)} moments caught up",
        detail={"windows": missed.left_out, "since_us": last_us},
    )
