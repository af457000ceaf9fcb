"""Where reports lie, and the row that finds them again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import insert, select, update

from trimtab.core.canonical import digest_of
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import report
from trimtab.files import write_atomically

__all__ = ["ReportKind", "StoredReport", "record_report", "reports", "write_report"]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME_CHARS = 80


class ReportKind(StrEnum):
    """What a report tells of."""

    INCIDENT = "incident"
    DEPLOYMENT = "deployment"
    EVIDENTLY = "evidently"


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report that was written: its file at ``path``, for ``subject``, at ``at_us`` (microseconds UTC)."""

    id: str
    kind: ReportKind
    subject: str
    path: Path
    at_us: int


def write_report(folder: Path, kind: ReportKind, subject: str, html: str) -> Path:
    """Write ``html`` to ``folder/<kind>/<subject>.html``, whole or not at all, and return that file.

    One file a subject: a newer report replaces the older one. Characters that are no good in a file name become
    hyphens, and then a hash of the subject keeps names apart, so no subject leads out of ``folder``.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / ReportKind(kind).value / f"{_file_name(subject)}.html"
    write_atomically(path, html.encode())
    return path


def record_report(connection: Connection, *, kind: ReportKind, subject: str, path: Path, at_us: int) -> StoredReport:
    """Enter the report of ``kind`` on ``subject``, in place of an earlier one, and return it."""
    same = (report.c.kind == kind.value, report.c.subject == subject)
    changed = connection.execute(update(report).where(*same).values(path=str(path), at_us=at_us))
    if changed.rowcount == 0:
        connection.execute(
            insert(report).values(id=new_id(), kind=kind.value, subject=subject, path=str(path), at_us=at_us)
        )
    return next(found for found in reports(connection, kind=kind, subject=subject))


def reports(
    connection: Connection, *, kind: ReportKind | None = None, subject: str | None = None, limit: int = 100
) -> list[StoredReport]:
    """Return the newest ``limit`` reports, newest first; only those of ``kind`` and ``subject`` where given."""
    query = select(report).order_by(report.c.at_us.desc(), report.c.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(report.c.kind == kind.value)
    if subject is not None:
        query = query.where(report.c.subject == subject)
    return [
        StoredReport(id=row.id, kind=ReportKind(row.kind), subject=row.subject, path=Path(row.path), at_us=row.at_us)
        for row in connection.execute(query).all()
    ]


def _file_name(subject: str) -> str:
    safe = _UNSAFE.sub("-", subject).strip("-")[:_MAX_NAME_CHARS]
    return safe if safe == subject else f"{safe}-{digest_of(subject)[:10]}".lstrip("-")
