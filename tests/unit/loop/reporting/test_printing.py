"""Reports become PDFs beside everything else: one at a time, once a page, and what cannot be printed says so."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.core.enums import Role
from trimtab.core.errors import BackendError, ConflictError, NotFoundError
from trimtab.loop import lanes
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform
from trimtab.loop.reporting.making import make_report
from trimtab.loop.reporting.printing import _PRINTING, print_due, print_page, print_report
from trimtab.reports.store import ReportFormat, ReportKind, find_report, report_file

_OPERATOR = Actor("otto", Role.OPERATOR)
_PRINTS = pytest.mark.skipif(
    importlib.util.find_spec("weasyprint") is None, reason="the extra 'reports' is not installed"
)
_PROJECT = "project: clinic\nreports: {pdf: true}\n"


@pytest.fixture
def printing(tmp_path: Path) -> World:
    """A project that wants PDFs."""
    return make_world(tmp_path / "project", trimtab=_PROJECT)


@_PRINTS
def test_a_page_is_printed_once_and_again_when_it_is_written_anew(printing: World) -> None:
    platform = printing.platform
    report = make_report(platform, ReportKind.DRIFT, MODEL)
    assert ReportFormat.PDF not in report.files
    assert print_due(platform)
    assert not print_due(platform)
    printed = platform.database.read(lambda connection: find_report(connection, report.id))
    path = report_file(platform.project.reports, printed, ReportFormat.PDF)
    assert path.read_bytes().startswith(b"%PDF-")
    assert path.stat().st_size == printed.files[ReportFormat.PDF].size_bytes
    printing.version(1)
    make_report(platform, ReportKind.DRIFT, MODEL)
    again = make_report(platform, ReportKind.MODEL_CARD, MODEL)
    told = perform(platform, _OPERATOR, "reports.show", {"report_id": again.id})
    assert (told["formats"], told["unprinted"]) == (["html"], None)
    with pytest.raises(NotFoundError, match="there is no PDF of it"):
        perform(platform, _OPERATOR, "reports.file", {"report_id": again.id, "format": "pdf"})


def test_a_project_that_wants_none_gets_none(world: World) -> None:
    make_report(world.platform, ReportKind.DRIFT, MODEL)
    assert not print_due(world.platform)
    assert list(world.platform.project.reports.rglob("*.pdf")) == []


def test_without_the_extra_the_page_stays_and_it_is_said_what_to_install(
    printing: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # An interpreter that has no packages: the real one, with a folder of its own.
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(bare))
    asked = {"kind": "drift", "subject": MODEL, "pdf": True}
    told = perform(printing.platform, _OPERATOR, "reports.make", asked)
    assert told["formats"] == ["html"]
    assert "pip install 'trimtab[reports]'" in told["unprinted"]
    assert (printing.platform.project.reports / told["path"]).is_file()
    assert not print_due(printing.platform), "the same page is not tried again"
    with pytest.raises(NotFoundError, match=r"trimtab\[reports\]"):
        perform(printing.platform, _OPERATOR, "reports.file", {"report_id": told["report_id"], "format": "pdf"})


def test_one_page_is_printed_at_a_time(printing: World) -> None:
    report = make_report(printing.platform, ReportKind.DRIFT, MODEL)
    with _PRINTING:
        with pytest.raises(ConflictError, match="ask again"):
            print_report(printing.platform, report)
        assert not print_due(printing.platform)
    found = printing.platform.database.read(lambda connection: find_report(connection, report.id))
    assert found.unprinted is None, "it stays due"


def test_a_process_that_hangs_is_ended(printing: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    report = make_report(printing.platform, ReportKind.DRIFT, MODEL)
    page = report_file(printing.platform.project.reports, report, ReportFormat.HTML)
    with pytest.raises(BackendError, match=r"more than 0\.2 s"):
        print_page(page, tmp_path / "out.pdf", timeout_s=0.2)
    slow.write_text("#!/bin/sh\necho killed >&2\nexit 9\n")
    with pytest.raises(BackendError, match="ended without a result \\(killed\\)"):
        print_page(page, tmp_path / "out.pdf")
    assert print_due(printing.platform)
    told = perform(printing.platform, _OPERATOR, "reports.show", {"report_id": report.id})
    assert "ended without a result" in told["unprinted"]


def test_a_page_that_is_gone_is_told_of(printing: World) -> None:
    report = make_report(printing.platform, ReportKind.DRIFT, MODEL)
    report_file(printing.platform.project.reports, report, ReportFormat.HTML).unlink()
    with pytest.raises(NotFoundError, match="not there any more"):
        print_report(printing.platform, report)
    assert not print_due(printing.platform)


def test_printing_has_a_lane_of_its_own(printing: World) -> None:
    by_name = {lane.name: lane for lane in lanes.of(printing.platform)}
    assert len(by_name["reports"].workers) == 2
    assert "reports" not in lanes.LANE_OF.values()


@_PRINTS
def test_whoever_waits_for_the_turn_takes_what_was_printed_meanwhile(
    printing: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = make_report(printing.platform, ReportKind.DRIFT, MODEL)
    first = print_report(printing.platform, report)
    # Printing again would fail.
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert print_report(printing.platform, report, wait_s=60) == first
