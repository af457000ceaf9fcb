"""What a killed process said of itself is not believed, also when its number is somebody else's by now."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from tests.unit.loop.projects import make_project

from trimtab.cli.client import running_control_plane
from trimtab.files.processes import started_ticks
from trimtab.serving.address import server_url

_URL = "http://127.0.0.1:4711"


def _addresses(root: Path, content: bytes) -> tuple[str | None, str | None]:
    project = make_project(root)
    for path in (project.state / "control-plane.json", project.serving / "server.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return running_control_plane(project), server_url(project.serving)


def _told(pid: int, ticks: int) -> bytes:
    return json.dumps({"pid": pid, "start_ticks": ticks, "host": "127.0.0.1", "port": 4711}).encode()


def test_a_process_that_runs_is_found(tmp_path: Path) -> None:
    assert _addresses(tmp_path, _told(os.getpid(), started_ticks(os.getpid()))) == (_URL, _URL)
    assert running_control_plane(make_project(tmp_path / "another")) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells when a process started")
def test_another_process_of_the_same_number_is_not_taken_for_it(tmp_path: Path) -> None:
    assert _addresses(tmp_path, _told(os.getpid(), started_ticks(os.getpid()) - 1)) == (None, None)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"pid": null}', b'{"pid": 1, "host": "x"}', b"\xff"])
def test_a_file_that_says_nothing_names_no_address(tmp_path: Path, content: bytes) -> None:
    assert _addresses(tmp_path, content) == (None, None)
