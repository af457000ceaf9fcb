"""Makes a report of any kind: gathers, writes the page, and enters it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from trimtab.core.errors import ConfigError, DataContractError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.loop.reporting.comparison import comparison_data
from trimtab.loop.reporting.deployment import deployment_data
from trimtab.loop.reporting.drift import drift_data
from trimtab.loop.reporting.incident import incident_data
from trimtab.loop.reporting.model_card import model_card_data
from trimtab.loop.reporting.technical import technical_data
from trimtab.loop.reporting.weekly import weekly_data
from trimtab.reports.comparison import comparison_report
from trimtab.reports.deployment import deployment_report
from trimtab.reports.drift import drift_report
from trimtab.reports.incident import incident_report
from trimtab.reports.model_card import model_card_report
from trimtab.reports.store import ReportKind, StoredReport, record_report, write_report
from trimtab.reports.technical import technical_report
from trimtab.reports.weekly import weekly_report

__all__ = ["MADE", "make_report", "page_of", "written"]

_ID: Final = re.compile(r"[0-9a-f-]{36}")

MADE: Mapping[ReportKind, str] = {
    ReportKind.INCIDENT: "INCIDENT_ID",
    ReportKind.DEPLOYMENT: "ROLLOUT_ID",
    ReportKind.COMPARISON: "MODEL or MODEL@OLD..NEW",
    ReportKind.DRIFT: "MODEL",
    ReportKind.WEEKLY: "YYYY-MM-DD, the day it ends before",
    ReportKind.MODEL_CARD: "MODEL or MODEL@VERSION",
    ReportKind.TECHNICAL: "MODEL or MODEL@VERSION",
}
"""The kinds that are made from what is stored, and what each is about."""

_PAGES: Mapping[ReportKind, Callable[[Platform, str], str]] = {
    ReportKind.INCIDENT: lambda platform, subject: incident_report(incident_data(platform, subject)),
    ReportKind.DEPLOYMENT: lambda platform, subject: deployment_report(deployment_data(platform, subject)),
    ReportKind.COMPARISON: lambda platform, subject: comparison_report(comparison_data(platform, subject)),
    ReportKind.DRIFT: lambda platform, subject: drift_report(drift_data(platform, subject)),
    ReportKind.WEEKLY: lambda platform, subject: weekly_report(weekly_data(platform, subject)),
    ReportKind.MODEL_CARD: lambda platform, subject: model_card_report(model_card_data(platform, subject)),
    ReportKind.TECHNICAL: lambda platform, subject: technical_report(technical_data(platform, subject)),
}


def make_report(platform: Platform, kind: ReportKind, subject: str) -> StoredReport:
    """Write the report of ``kind`` on ``subject`` as things stand now, in place of an earlier one, and return it.

    Raises:
        ConfigError: there is no such kind to be made, or ``subject`` is none of it.
        NotFoundError: nothing is stored of ``subject``.
        DataContractError: the page could not be made.
    """
    commit = written(platform, kind, subject)
    with platform.database.transaction() as connection:
        return commit(connection)


def written(platform: Platform, kind: ReportKind, subject: str) -> Callable[[Connection], StoredReport]:
    """Write the page, and return what enters it in a transaction; see `make_report`."""
    html = page_of(platform, kind, subject)
    path = write_report(platform.project.reports, kind, subject, html)
    at_us = platform.now_us()
    return lambda connection: record_report(connection, kind=kind, subject=subject, path=path, at_us=at_us)


def page_of(platform: Platform, kind: ReportKind, subject: str) -> str:
    """Return the report as HTML; see `make_report`."""
    if kind not in _PAGES:
        raise ConfigError(
            f"reports: {kind} is not made of what is stored; expected one of {', '.join(MADE)}; "
            "for Evidently's see 'trimtab reports evidently'"
        )
    by_id = kind in {ReportKind.INCIDENT, ReportKind.DEPLOYMENT}
    if by_id and not _ID.fullmatch(subject):
        raise ConfigError(f"{kind} report: found subject {subject[:80]!r}; expected {MADE[kind]}, as the lists show it")
    try:
        return _PAGES[kind](platform, subject)
    except TrimtabError:
        raise
    except Exception as error:
        # A boundary: one record that nobody thought of must not end the loop that wanted a page of it.
        raise DataContractError(
            f"{kind} report of {subject[:80]!r}: cannot be written ({type(error).__name__}: {str(error)[:200]}); "
            "everything it tells of is stored; ask for it again after an update"
        ) from error
