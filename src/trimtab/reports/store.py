"""Where reports lie, and the row that finds them again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any, Final

from sqlalchemy import Row, insert, select, update

from trimtab.core.canonical import JsonObject, digest_of
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import report
from trimtab.files import sha256_of_file, write_atomically

__all__ = [
    "ReportFormat",
    "ReportKind",
    "StoredFile",
    "StoredReport",
    "find_report",
    "note_printed",
    "record_report",
    "report_file",
    "reports",
    "unprinted",
    "write_report",
]

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME_CHARS = 80
_MAX_SUBJECT_CHARS: Final = 200


class ReportKind(StrEnum):
    """What a report tells of."""

    INCIDENT = "incident"
    DEPLOYMENT = "deployment"
    EVIDENTLY = "evidently"
    COMPARISON = "comparison"
    DRIFT = "drift"
    WEEKLY = "weekly"
    MODEL_CARD = "model-card"
    TECHNICAL = "technical-documentation"


class ReportFormat(StrEnum):
    """What a report is written as."""

    HTML = "html"
    PDF = "pdf"

    @property
    def content_type(self) -> str:
        """How it is told of over HTTP."""
        return "text/html; charset=utf-8" if self is ReportFormat.HTML else "application/pdf"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of a report as it was written: its size and SHA-256."""

    size_bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A report that was written at ``at_us`` (microseconds UTC), for ``subject``.

    ``path`` is its page's, below the folder of reports. ``files`` has the formats in which there is one *of this page*:
    a PDF of an earlier page is not among them. ``unprinted``: why there is no PDF, where one was wanted.
    """

    id: str
    kind: ReportKind
    subject: str
    path: PurePosixPath
    at_us: int
    files: Mapping[ReportFormat, StoredFile] = field(default_factory=dict)
    unprinted: str | None = None

    def path_of(self, wanted: ReportFormat) -> PurePosixPath:
        """Return where it lies in that format, below the folder of reports."""
        return self.path.with_suffix(f".{wanted.value}")


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
    """Enter the report of ``kind`` on ``subject`` as it lies at ``path``, in place of an earlier one, and return it.

    A longer subject than the table takes is kept by its beginning and a hash.
    """
    kept = subject if len(subject) <= _MAX_SUBJECT_CHARS else f"{subject[:130]}#{digest_of(subject)}"
    same = (report.c.kind == kind.value, report.c.subject == kept)
    earlier = connection.execute(select(report).where(*same)).first()
    page = StoredFile(path.stat().st_size, sha256_of_file(path))
    spec: JsonObject = {} if earlier is None else dict(earlier.spec or {})
    spec["html"] = {"size_bytes": page.size_bytes, "digest": page.digest}
    values = {"path": str(_below(path)), "at_us": at_us, "digest": page.digest, "spec": spec}
    if earlier is None:
        connection.execute(insert(report).values(id=new_id(), kind=kind.value, subject=kept, **values))
    else:
        connection.execute(update(report).where(*same).values(**values))
    return _stored(connection.execute(select(report).where(*same)).one())


def note_printed(
    connection: Connection, printed: StoredReport, *, file: StoredFile | None = None, error: str | None = None
) -> StoredReport:
    """Enter that the page of ``printed`` is there as PDF, too, or why it is not; return the report.

    Raises:
        ConflictError: the page was written anew meanwhile.
    """
    page = printed.files[ReportFormat.HTML]
    row = connection.execute(select(report).where(report.c.id == printed.id, report.c.digest == page.digest)).first()
    if row is None:
        raise ConflictError(f"report {printed.id}: was written anew while it was printed; print the new one")
    pdf = None if file is None else {"size_bytes": file.size_bytes, "digest": file.digest}
    spec = {**(row.spec or {}), "pdf": pdf, "printed": page.digest, "unprinted": error}
    connection.execute(update(report).where(report.c.id == printed.id).values(spec=spec))
    return find_report(connection, printed.id)


def reports(
    connection: Connection,
    *,
    kind: ReportKind | None = None,
    subject: str | None = None,
    after: Place | None = None,
    limit: int = 100,
) -> list[StoredReport]:
    """Return the newest ``limit`` reports, newest first; only those of ``kind``, ``subject``, behind ``after``."""
    query = newest(select(report), report.c.at_us, report.c.id, after=after, limit=limit)
    if kind is not None:
        query = query.where(report.c.kind == kind.value)
    if subject is not None:
        query = query.where(report.c.subject == subject)
    return [_stored(row) for row in connection.execute(query).all()]


def find_report(connection: Connection, report_id: str) -> StoredReport:
    """Return the report.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = connection.execute(select(report).where(report.c.id == report_id)).first()
    if row is None:
        raise NotFoundError(f"report {report_id!r}: not known; see 'trimtab reports list'")
    return _stored(row)


def unprinted(connection: Connection, *, limit: int = 100) -> StoredReport | None:
    """Return the oldest of the newest ``limit`` reports whose page nobody has tried to print; None if there is none.

    Evidently's pages are none of ours: they are programs, and look like nothing on paper.
    """
    found = [
        row
        for row in connection.execute(select(report).order_by(report.c.at_us.desc()).limit(limit)).all()
        if row.kind != ReportKind.EVIDENTLY and row.digest is not None and (row.spec or {}).get("printed") != row.digest
    ]
    return _stored(found[-1]) if found else None


def report_file(folder: Path, found: StoredReport, wanted: ReportFormat) -> Path:
    """Return the file of ``found`` below ``folder``, the project's folder of reports, as it lies there.

    What the row says counts only for the last folder's and the file's name, so that no row leads elsewhere; and what is
    there has to be a plain file.

    Raises:
        NotFoundError: it was not written in this format, or its file is gone.
    """
    at = found.path_of(wanted)
    path = folder / found.kind.value / at.name
    if wanted is ReportFormat.PDF and wanted not in found.files:
        why = f" ({found.unprinted})" if found.unprinted else ""
        raise NotFoundError(
            f"report {found.id}: there is no PDF of it{why}; make one with 'trimtab reports make "
            f"{found.kind} {found.subject} --pdf'"
        )
    plain = path.is_file() and not path.is_symlink() and not path.parent.is_symlink()
    if not plain or path.resolve().parent.parent != folder.resolve():
        raise NotFoundError(f"report {found.id}: its file {at} is not there any more; make it again")
    return path


def _stored(row: Row[Any]) -> StoredReport:
    spec = row.spec or {}
    files: dict[ReportFormat, StoredFile] = {}
    if row.digest is not None and "html" in spec:
        files[ReportFormat.HTML] = StoredFile(**spec["html"])
    current = spec.get("printed") == row.digest
    if current and spec.get("pdf"):
        files[ReportFormat.PDF] = StoredFile(**spec["pdf"])
    return StoredReport(
        id=row.id,
        kind=ReportKind(row.kind),
        subject=row.subject,
        path=_below(Path(row.path)),
        at_us=row.at_us,
        files=files,
        unprinted=spec.get("unprinted") if current else None,
    )


def _below(path: Path) -> PurePosixPath:
    """Return ``path`` as seen from the folder of reports: it is always ``<kind>/<file>``.

    >>> _below(Path("/srv/project/.trimtab/reports/incident/a.html"))
    PurePosixPath('incident/a.html')
    """
    return PurePosixPath(*path.parts[-2:])


def _file_name(subject: str) -> str:
    safe = _UNSAFE.sub("-", subject).strip("-")[:_MAX_NAME_CHARS]
    return safe if safe == subject else f"{safe}-{digest_of(subject)[:10]}".lstrip("-")
