"""Reports as PDF: one at a time, by a process of its own, under limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from trimtab.core.canonical import JsonObject
from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, ConfigError, ConflictError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.files import sha256_of_file
from trimtab.loop.platform import Platform
from trimtab.notify.store import let_go
from trimtab.reports import pdf
from trimtab.reports.store import (
    ReportFormat,
    StoredFile,
    StoredReport,
    find_report,
    note_printed,
    report_file,
    unprinted,
)

__all__ = ["MOST_ATTACHED_BYTES", "print_due", "print_page", "print_report"]

_log = structlog.get_logger(__name__)

MOST_ATTACHED_BYTES: Final = 5_000_000
"""A larger file is told of, and not attached: mail servers would refuse it, and the message with it."""

_LIMIT_S: Final = 40.0
"""Less than whoever asks over HTTP waits for."""
_PRINTING = threading.Lock()


def print_due(platform: Platform) -> bool:
    """Print one report whose page is newer than its PDF, where the project wants PDFs; return whether there was one.

    A page that cannot be printed is not tried again until it is written anew; what is wrong stands with the report.
    """
    if not platform.project.config.reports.pdf:
        return False
    due = platform.database.read(unprinted)
    if due is None:
        return False
    try:
        print_report(platform, due)
    except ConflictError:
        # Somebody else prints just now, or the page was written anew: it stays due.
        return False
    except TrimtabError as error:
        _log.warning("report.unprinted", report_id=due.id, kind=due.kind.value, error=str(error))
    return True


def print_report(platform: Platform, stored: StoredReport, *, wait_s: float = 0.0) -> StoredReport:
    """Print the page of ``stored`` and return the report as it is then; whether it can be is noted with it.

    One page is printed at a time, since each takes a core and some 100 MB: its turn is waited for ``wait_s``. A page
    that somebody else has printed meanwhile is not printed again.

    Raises:
        NotFoundError: its page is gone.
        ConflictError: another report is being printed, or the page was written anew meanwhile.
        ConfigError: WeasyPrint, or a library that it needs, is not installed.
        BackendError: the process failed, or took too long.
    """
    with _turn(wait_s):
        now = platform.database.read(lambda connection: find_report(connection, stored.id))
        if now.files.get(ReportFormat.HTML) == stored.files[ReportFormat.HTML] and ReportFormat.PDF in now.files:
            return now
        return _printed_now(platform, stored)


def print_page(page: Path, target: Path, *, timeout_s: float = _LIMIT_S) -> JsonObject:
    """Write the HTML file ``page`` to ``target`` as PDF; return its ``pages`` and ``size_bytes``.

    The process sees neither the network nor what this one knows: no environment, no open file, no more memory, time
    or disk than `trimtab.reports.pdf` says.

    Raises:
        ConfigError: WeasyPrint, or a library that it needs, is not installed.
        BackendError: the process failed, or took too long.
    """
    found = _answer(page, target, timeout_s)
    if "missing" in found:
        raise ConfigError(
            f"reports as PDF: WeasyPrint cannot be used here ({found['missing']}); expected it and Pango; "
            "pip install 'trimtab[reports]', and Pango by your system's packages"
        )
    if "error" in found:
        raise BackendError(f"report {page.name}: cannot be printed ({found['error']}); read the page itself")
    return found


@contextmanager
def _turn(wait_s: float) -> Iterator[None]:
    if not _PRINTING.acquire(timeout=wait_s):
        raise ConflictError("printing: another report is printed just now; expected to be the only one; ask again")
    try:
        yield
    finally:
        _PRINTING.release()


def _printed_now(platform: Platform, stored: StoredReport) -> StoredReport:
    error, file = None, None
    try:
        page = report_file(platform.project.reports, stored, ReportFormat.HTML)
        target = page.with_suffix(".pdf")
        print_page(page, target)
        file = StoredFile(target.stat().st_size, sha256_of_file(target))
    except TrimtabError as failed:
        error = failed
    # Killed here, it is printed once more: the same page gives the same bytes.
    reached("report.printed")
    with platform.database.transaction() as connection:
        after = note_printed(connection, stored, file=file, error=None if error is None else str(error))
        _let_mail_go(connection, after)
    if error is not None:
        raise error
    return after


def _let_mail_go(connection: Connection, report: StoredReport) -> None:
    """Have the messages leave that waited for this: with the PDF, or with the page where there is none that fits."""
    file = report.files.get(ReportFormat.PDF)
    fits = file is not None and file.size_bytes <= MOST_ATTACHED_BYTES
    page, printed = (str(report.path_of(one)) for one in (ReportFormat.HTML, ReportFormat.PDF))
    let_go(connection, page, instead=printed if fits else None)


def _answer(page: Path, target: Path, timeout_s: float) -> JsonObject:
    said = b""
    try:
        done = subprocess.run(
            [sys.executable, "-I", pdf.__file__, str(page), str(target)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            # Fonts are looked up below HOME; without a language, names of files would be read as ASCII.
            env={"HOME": str(page.parent), "LANG": "C.UTF-8", "PATH": os.defpath},
        )
        said = done.stderr
        found: JsonObject = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise BackendError(
            f"report {page.name}: printing took more than {timeout_s:g} s; expected a PDF; read the page itself"
        ) from error
    except (OSError, ValueError, IndexError) as error:
        why = " ".join(said.decode(errors="replace").split())[-300:] or "it said nothing"
        raise BackendError(
            f"report {page.name}: the printing process ended without a result ({why}); expected a PDF within "
            f"{pdf.CPU_S} s and {pdf.MEMORY_BYTES >> 20} MiB; read the page itself"
        ) from error
    return found
