"""The files of reports over HTTP: pages and PDFs, by the id of their report."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import FastAPI, Query, Response
from fastapi.responses import FileResponse

from trimtab.api.caller import Caller
from trimtab.loop.operation import OPERATIONS, perform
from trimtab.loop.platform import Platform
from trimtab.reports.store import ReportFormat, ReportKind

__all__ = ["add_report_files"]

_SANDBOX: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""A report shows what senders of tables wrote: in a browser it has no origin, no script, and reads nothing else."""


def add_report_files(app: FastAPI, platform: Platform) -> None:
    """Make ``app`` answer `reports.file` with the file itself."""
    asked = OPERATIONS["reports.file"]
    kinds = [wanted.content_type.partition(";")[0] for wanted in ReportFormat]
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}

    @app.get(
        asked.path,
        tags=["reports"],
        name=asked.name,
        operation_id="reports_file",
        summary=asked.summary,
        response_class=Response,
        responses={200: {"description": "The file.", "content": content}},
    )
    def file(
        actor: Caller,
        report_id: str,
        wanted: Annotated[ReportFormat, Query(alias="format", description="html or pdf.")] = ReportFormat.HTML,
    ) -> Response:
        """Needs role `viewer`. Evidently's pages are programs: they are given to be saved, not to be shown here."""
        found = perform(platform, actor, asked.name, {"report_id": report_id, "format": wanted.value})
        shown = found["kind"] != ReportKind.EVIDENTLY
        return FileResponse(
            found["path"],
            media_type=found["content_type"],
            filename=found["name"],
            content_disposition_type="inline" if shown else "attachment",
            headers={"content-security-policy": _SANDBOX},
        )
