"""Reports: make them, list them, fetch them; have Evidently make one."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import AwareDatetime, Field, field_validator

from trimtab.audit import log as audit
from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import BackendError, ConfigError
from trimtab.db.paging import Place
from trimtab.loop.actor import Actor
from trimtab.loop.drill_down import drill_down
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.making import written
from trimtab.loop.reporting.printing import print_report
from trimtab.loop.requests import Id, ModelRequest, Paged
from trimtab.reports.store import ReportFormat, ReportKind, StoredReport, find_report, report_file, reports

_TURN_S: Final = 15.0
"""How long another page is waited for: with the time that printing may take, less than whoever asks waits."""


class Reports(Paged):
    """Perhaps of one kind only."""

    kind: ReportKind | None = Field(default=None, description="Only reports of this kind.")


@operation("reports.list", "GET", "/api/reports", Role.VIEWER, Reports)
def list_reports(platform: Platform, _actor: Actor, request: Reports) -> JsonObject:
    """List the newest reports, newest first."""
    with platform.database.reading() as connection:
        found = reports(connection, kind=request.kind, after=request.place, limit=request.one_more)
    shown, further = request.page(found, lambda one: Place(one.at_us, one.id))
    return {"reports": [_told(one) for one in shown], "next": further}


class OneReport(Strict):
    """Names a report."""

    report_id: Id


@operation("reports.show", "GET", "/api/reports/{report_id}", Role.VIEWER, OneReport)
def show_report(platform: Platform, _actor: Actor, request: OneReport) -> JsonObject:
    """Say what a report is about, when it was written, and in which formats it is there."""
    with platform.database.reading() as connection:
        return _told(find_report(connection, request.report_id))


class ReportFile(OneReport):
    """Names a report's file."""

    format: ReportFormat = Field(default=ReportFormat.HTML, description="html or pdf.")


@operation("reports.file", "GET", "/api/reports/{report_id}/file", Role.VIEWER, ReportFile)
def fetch_report(platform: Platform, _actor: Actor, request: ReportFile) -> JsonObject:
    """Fetch a report's file: over HTTP its bytes, in process where it lies."""
    with platform.database.reading() as connection:
        found = find_report(connection, request.report_id)
    path = report_file(platform.project.reports, found, request.format)
    return {"path": str(path), "name": path.name, "content_type": request.format.content_type, "kind": found.kind.value}


class MakeReport(Strict):
    """Which report, about what."""

    kind: ReportKind = Field(description="Which report; 'evidently' is made otherwise.")
    subject: str = Field(
        min_length=1,
        max_length=200,
        description=(
            "What it is about: an incident's id (incident), a rollout's (deployment), MODEL or MODEL@OLD..NEW "
            "(comparison), MODEL (drift), the day before which the week ends, e.g. 2030-01-07 (weekly), MODEL or "
            "MODEL@VERSION (model-card, technical-documentation)."
        ),
    )
    pdf: bool = Field(default=False, description="Print it, too; needs the extra 'reports'.")


@operation("reports.make", "POST", "/api/reports", Role.OPERATOR, MakeReport)
def make_one(platform: Platform, actor: Actor, request: MakeReport) -> JsonObject:
    """Write a report as things stand now, in place of an earlier one on the same subject."""
    enter = written(platform, request.kind, request.subject)
    with platform.database.transaction() as connection:
        report = enter(connection)
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action="report.made",
            subject=f"report:{report.id}",
            after={
                "kind": report.kind.value,
                "about": report.subject,
                "digest": report.files[ReportFormat.HTML].digest,
            },
        )
    return _told(_printed(platform, report) if request.pdf else report)


def _printed(platform: Platform, report: StoredReport) -> StoredReport:
    """Return the report with its PDF; where it cannot be printed it stays, and says why."""
    try:
        return print_report(platform, report, wait_s=_TURN_S)
    except (ConfigError, BackendError):
        with platform.database.reading() as connection:
            return find_report(connection, report.id)


class DrillDown(ModelRequest):
    """A window of a model's endpoint."""

    window: Duration = Field(default="7d", validate_default=True, description="How long the window is.")
    until: AwareDatetime | None = Field(default=None, description="Where it ends, in event time; default: now.")
    variant: str | None = Field(default=None, max_length=63, description="Which variant; default: the first live one.")

    @field_validator("window")
    @classmethod
    def _some(cls, window: timedelta) -> timedelta:
        if not timedelta(0) < window <= timedelta(days=3660):
            raise ValueError("window must be more than 0s and at most ten years; e.g. '7d'")
        return window


@operation("reports.evidently", "POST", "/api/models/{model}/evidently", Role.OPERATOR, DrillDown)
def make_drill_down(platform: Platform, _actor: Actor, request: DrillDown) -> JsonObject:
    """Have Evidently compare what an endpoint was asked in a window with what its version learnt."""
    until = request.until or platform.clock.now()
    files = platform.files(request.model)
    return drill_down(platform, files, window=request.window, until=until, variant=request.variant)


def _told(report: StoredReport) -> JsonObject:
    return {
        "report_id": report.id,
        "kind": report.kind.value,
        "subject": report.subject,
        "at_us": report.at_us,
        "path": str(report.path),
        "formats": [wanted.value for wanted in report.files] or [ReportFormat.HTML.value],
        "digest": report.files[ReportFormat.HTML].digest if report.files else None,
        "unprinted": report.unprinted,
    }
