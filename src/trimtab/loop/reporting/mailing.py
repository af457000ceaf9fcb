"""Writes the messages that carry a report, and the weekly digest when it is due."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import insert, select, update

from trimtab.config.cron import newest_moment
from trimtab.config.notifications import MessageKind
from trimtab.core.clock import from_micros, to_micros
from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError, ConflictError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.tables import schedule_run
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.making import make_report
from trimtab.loop.reporting.printing import MOST_ATTACHED_BYTES
from trimtab.notify.message import Message
from trimtab.notify.store import enqueue
from trimtab.reports.rendering import title_in
from trimtab.reports.store import ReportFormat, ReportKind, StoredReport, report_file

__all__ = ["mail_report", "write_weekly"]

_log = structlog.get_logger(__name__)

_PRINTED_WITHIN_S: Final = 120.0
"""How long a message waits for its PDF; then it leaves with the page."""
_SCHEDULE: Final = "reports:weekly"
_LATE: Final = timedelta(days=7)


def mail_report(connection: Connection, platform: Platform, report: StoredReport, *, model: str | None) -> None:
    """Store the message that carries ``report``, in the caller's transaction, where the project wants it mailed.

    Where the project wants PDFs it waits for that of this page, two minutes at most, and leaves with the page if there
    is none by then, or it cannot be printed. The same page is mailed once.
    """
    settings = platform.project.config.reports
    if report.kind.value not in settings.mailed or not settings.mail_to:
        return
    printed = ReportFormat.PDF in report.files
    wanted = ReportFormat.PDF if printed else ReportFormat.HTML
    file = report.files[wanted]
    fits = file.size_bytes <= MOST_ATTACHED_BYTES
    waits = settings.pdf and not printed and report.unprinted is None and fits
    lines = [f"trimtab reports show {report.id}"]
    if not fits:
        lines.append(f"It is not attached: {file.size_bytes} bytes, more than {MOST_ATTACHED_BYTES}.")
    for route in settings.mail_to:
        message = Message(
            title=_title_of(platform, report),
            body="\n".join(lines),
            severity=Severity.LOW,
            dedup_key=f"report:{report.id}:{report.files[ReportFormat.HTML].digest}",
            model=model,
            route=route,
            kind=MessageKind.REPORT,
            attachment=str(report.path_of(wanted)) if fits else None,
        )
        _tell(connection, platform, message, wait_s=_PRINTED_WITHIN_S if waits else 0.0)


def _title_of(platform: Platform, report: StoredReport) -> str:
    kind = f"{report.kind.value.replace('-', ' ')} report"
    try:
        title = title_in(report_file(platform.project.reports, report, ReportFormat.HTML))
    except (OSError, ValueError, NotFoundError):
        # Gone, or none of ours: the message must leave all the same.
        title = None
    return f"{kind}: {title or report.subject}"


def _tell(connection: Connection, platform: Platform, message: Message, *, wait_s: float = 0.0) -> None:
    named = [one for one in platform.project.config.notifications if one.name == message.route]
    enqueue(connection, message, named, at_us=platform.now_us(), wait_s=wait_s)


def write_weekly(platform: Platform) -> bool:
    """Write and mail the digest of the week before, if its moment has come; return whether it had.

    Moments are the project's time. Of several that were missed the newest is made up for, if it is not a week old; the
    first one is waited for from when the schedule is first seen. Killed on the way, it is written once more. What no
    second attempt would mend is told to those who wait for the digest.

    Raises:
        BackendError: the database or storage failed; the digest is still due.
        ConflictError: something changed meanwhile; the digest is still due.
        OSError: the page cannot be written now; the digest is still due.
    """
    cron = platform.project.config.reports.weekly
    if cron is None:
        return False
    now = platform.clock.now()
    query = select(schedule_run.c.last_us).where(schedule_run.c.name == _SCHEDULE)
    last_us = platform.database.read(lambda connection: connection.execute(query).scalar_one_or_none())
    if last_us is None:
        with platform.database.transaction() as connection:
            connection.execute(insert(schedule_run).values(name=_SCHEDULE, last_us=to_micros(now)))
        return False
    moment = newest_moment(cron, max(from_micros(last_us), now - _LATE), now)
    if moment is None:
        return False
    day = f"{moment:%Y-%m-%d}"
    report = _made(platform, day)
    with platform.database.transaction() as connection:
        taken = connection.execute(
            update(schedule_run)
            .where(schedule_run.c.name == _SCHEDULE, schedule_run.c.last_us == last_us)
            .values(last_us=to_micros(moment))
        )
        if taken.rowcount == 1 and isinstance(report, StoredReport):
            mail_report(connection, platform, report, model=None)
        elif taken.rowcount == 1:
            _mail_failure(connection, platform, day, str(report))
    return True


def _mail_failure(connection: Connection, platform: Platform, day: str, error: str) -> None:
    """Store what tells those who wait for the digest that there is none."""
    settings = platform.project.config.reports
    if ReportKind.WEEKLY.value not in settings.mailed:
        return
    for route in settings.mail_to:
        message = Message(
            title=f"weekly report: {day} could not be written",
            body=f"{error}\nOnce that is mended: trimtab reports make weekly {day}",
            severity=Severity.MEDIUM,
            dedup_key=f"report-failed:weekly:{day}",
            route=route,
            kind=MessageKind.REPORT,
        )
        _tell(connection, platform, message)


def _made(platform: Platform, day: str) -> StoredReport | TrimtabError:
    """Return the digest, or why it can never be written as things stand."""
    try:
        return make_report(platform, ReportKind.WEEKLY, day)
    except (BackendError, ConflictError):
        raise
    except TrimtabError as error:
        _log.error("report.failed", kind=ReportKind.WEEKLY.value, subject=day, error=str(error))
        return error
