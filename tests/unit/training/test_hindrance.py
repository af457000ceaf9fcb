"""What keeps a job from going on for now: it leaves no result but what it waits for, and the next attempt ends well."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.full_disk import no_file_above
from tests.unit.training.test_job import HEART_CONTRACT, HEART_MODEL, heart_rows, request_for

from trimtab.loop.jobs import JobProcessState, SubprocessJobs
from trimtab.training.beside import NotesBeside
from trimtab.training.hindrance import Hindrance, leave_hindrance, read_hindrance, write_spare
from trimtab.training.request import TrainingResult

_TRAINING = {"candidates": [{"type": "logistic_regression"}], "trials": 1, "workers": 1, "explain_rows": 0}
_ROOM_BYTES = 16_384
"""Enough for a request and for words, and for no matrix of the rows."""


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 150
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _ended(jobs: SubprocessJobs, out: Path) -> JobProcessState:
    _wait_for(lambda: jobs.state(out) is not JobProcessState.RUNNING)
    return jobs.state(out)


def test_mlflow_that_is_away_is_no_failure(tmp_path: Path) -> None:
    request = request_for(tmp_path, heart_rows(), HEART_MODEL, HEART_CONTRACT, _TRAINING)
    # A file where its folder should be: nothing answers there, whoever asks.
    request["mlflow_uri"] = "sqlite:////dev/null/mlflow/mlflow.db"
    (tmp_path / "request.json").write_text(json.dumps(request))
    command = [sys.executable, "-m", "trimtab.training.job", str(tmp_path / "request.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    out = Path(request["out_dir"])
    assert (done.returncode, (out / "result.json").exists(), (out / "bundle").exists()) == (75, False, False)
    hindrance = read_hindrance(out)
    assert hindrance is not None
    assert hindrance.waits_for == "MLflow"
    assert "MLflow at sqlite" in hindrance.error
    assert "Traceback" not in done.stderr + hindrance.error


def test_a_job_without_room_on_its_disk_is_hindered_and_goes_on_when_there_is_some(tmp_path: Path) -> None:
    request = request_for(tmp_path, heart_rows(4000), HEART_MODEL, HEART_CONTRACT, _TRAINING)
    out, jobs = Path(request["out_dir"]), SubprocessJobs()
    content = json.dumps(request).encode()
    with no_file_above(_ROOM_BYTES):
        jobs.start(out, content)  # its process inherits what is refused here
    assert _ended(jobs, out) is JobProcessState.HINDERED, (out / "log.txt").read_text()
    hindrance = jobs.hindrance(out)
    assert hindrance is not None
    assert hindrance.waits_for == "room on the disk"
    assert "make room on its disk" in hindrance.error

    jobs.start(out, content)
    assert _ended(jobs, out) is JobProcessState.FINISHED, (out / "log.txt").read_text()
    result = msgspec.json.decode((out / "result.json").read_bytes(), type=TrainingResult)
    assert result.status == "succeeded", result
    assert jobs.hindrance(out) is None
    jobs.stop_all()


def test_what_is_waited_for_is_told_even_when_the_disk_takes_no_word(tmp_path: Path) -> None:
    write_spare(tmp_path)
    assert read_hindrance(tmp_path) is None
    with no_file_above(0):
        leave_hindrance(tmp_path, Hindrance.of_the_disk(tmp_path, "no space left on device"))
    found = read_hindrance(tmp_path)
    assert found is not None
    assert found.waits_for == "room on the disk"


@pytest.mark.parametrize("content", [b"", b"{", b"null"])
def test_a_word_that_cannot_be_read_is_waited_for_all_the_same(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hindrance.json").write_bytes(content)
    found = read_hindrance(tmp_path)
    assert found is not None
    assert str(tmp_path) in found.error


def test_a_look_that_fails_becomes_a_note() -> None:
    def fail() -> tuple[str, ...]:
        raise ValueError("a column of lists")

    assert NotesBeside(fail, missing="not looked for").notes() == ("not looked for (ValueError: a column of lists)",)
    assert NotesBeside(lambda: ("age tells all",), missing="not looked for").notes() == ("age tells all",)


_CANCELLED = """
import sys, threading
from trimtab.training.beside import NotesBeside
NotesBeside(lambda: threading.Event().wait() or (), missing="not looked for")
sys.exit(3)
"""


def test_whoever_ends_a_training_does_not_wait_for_a_look_that_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", _CANCELLED], timeout=100, check=False)
    assert done.returncode == 3
