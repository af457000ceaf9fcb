"""Forgets what is measured anew all the time, once it is old: else the database grows with every look."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, Table, and_, delete, exists, select, tuple_
from sqlalchemy.sql.elements import KeyedColumnElement

from trimtab.core.clock import to_micros
from trimtab.core.errors import TrimtabError
from trimtab.core.ids import id_before
from trimtab.db.tables import (
    check_result,
    monitor_state,
    profile,
    retraining_event,
    rollout,
    rollout_look,
    version_loss,
)
from trimtab.lake.profile_rollup import fold_days
from trimtab.loop.platform import Platform

__all__ = ["forget_old"]

_log = structlog.get_logger(__name__)

_AT_ONCE = 1_000
"""Rows that go in one transaction: a longer one would hold up everybody who writes."""
_PERIODS_KEPT = timedelta(days=35)
_MICROSECOND = timedelta(microseconds=1)


def forget_old(platform: Platform, *, machine_us: int) -> bool:
    """Do a part of what is due by `RetentionConfig`; return whether there was anything, so that more may be due.

    Old is what is about a time long past and was written long ago, by the machine's time: rows of last year that are
    told today, and a look at that year, are new. A few days of each model, and `_AT_ONCE` rows of each table, at a
    call. Safe to repeat, and to run in two processes.

    Raises:
        BackendError: the database cannot be reached.
    """
    kept, now, windows = platform.project.config.retention, platform.clock.now(), list(_windows(platform))

    def written_before(age: timedelta) -> str:
        return id_before(machine_us - age // _MICROSECOND)

    done = 0
    for endpoint, window in windows:
        age = max(_PERIODS_KEPT, 2 * window)
        until_us = to_micros(now - age)
        done += fold_days(platform.database, endpoint, until_us=until_us, id_below=written_before(age))
    if kept.profiles is not None:
        age = max([kept.profiles, *(2 * window for _, window in windows)])
        old = and_(profile.c.id < written_before(age), profile.c.start_us < to_micros(now - age))
        done += _deleted(platform, profile, old)
    if kept.checks is not None:
        judgements = _old_judgements(to_micros(now - kept.checks), written_before(kept.checks))
        done += sum(_deleted(platform, table, old) for table, old in judgements)
    if done:
        _log.info("retention.forgotten", done=done)
    return done > 0


def _windows(platform: Platform) -> Iterator[tuple[str, timedelta]]:
    """Yield each endpoint that is watched, and its longest window; a model whose files are at fault is left out."""
    for model in platform.project.model_names:
        try:
            files = platform.files(model)
        except TrimtabError as error:
            _log.warning("retention.left_out", model=model, error=str(error))
            continue
        yield files.endpoint, files.monitoring.longest_window


def _old_judgements(limit_us: int, id_below: str) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    """Yield of each table which rows go."""
    yield check_result, and_(check_result.c.id < id_below, check_result.c.at_us < limit_us)
    # What a monitor remembers of a version that serves is of a newer window.
    yield monitor_state, monitor_state.c.window_end_us < limit_us
    fired = retraining_event.c.held | retraining_event.c.action_id.is_not(None)
    yield retraining_event, and_(retraining_event.c.id < id_below, retraining_event.c.at_us < limit_us, ~fired)
    ended = select(rollout.c.id).where(~rollout.c.active, rollout.c.finished_us < limit_us)
    yield rollout_look, rollout_look.c.rollout_id.in_(ended)
    # A ledger goes as a whole: the first periods of a version that is judged still are what its loss is held against.
    later = version_loss.alias()
    judged_since = exists().where(
        *(later.c[name] == version_loss.c[name] for name in ("model", "endpoint", "model_version")),
        later.c.end_us >= limit_us,
    )
    yield version_loss, and_(version_loss.c.end_us < limit_us, ~judged_since)


def _deleted(platform: Platform, table: Table, old: ColumnElement[bool]) -> int:
    """Delete at most `_AT_ONCE` rows; return how many it were."""
    key: list[KeyedColumnElement[object]] = list(table.primary_key.columns)
    with platform.database.reading() as connection:
        found = connection.execute(select(*key).where(old).limit(_AT_ONCE)).all()
    if not found:
        return 0
    with platform.database.transaction() as connection:
        named = (
            key[0].in_([row[0] for row in found]) if len(key) == 1 else tuple_(*key).in_([tuple(row) for row in found])
        )
        return connection.execute(delete(table).where(named, old)).rowcount
