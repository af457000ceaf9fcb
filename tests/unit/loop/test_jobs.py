"""A job's process: started once, known by its lock, taken for gone only when it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from trimtab.loop.jobs import JobProcessState, SubprocessJobs

_JOB = """
import json, os, signal, sys, time
from pathlib import Path

request = Path(sys.argv[1])
out, asked = request.parent, json.loads(request.read_bytes())

def leave(status):
    (out / "result.tmp").write_text(json.dumps({"status": status}))
    os.replace(out / "result.tmp", out / "result.json")
    sys.exit(0)

signal.signal(signal.SIGTERM, lambda *_: leave("cancelled"))
with (out / "progress.jsonl").open("a") as stream:
    stream.write(json.dumps({"at_share": 0.5, "message": asked["do"], "pid": os.getpid()}) + "\\n")
    stream.write('{"at_share": 0.')
if asked["do"] == "wait":
    time.sleep(60)
if asked["do"] == "finish":
    leave("succeeded")
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SubprocessJobs]:
    (tmp_path / "tiny_job.py").write_text(_JOB)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    jobs = SubprocessJobs("tiny_job")
    yield jobs
    jobs.stop_all()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "jobs" / "one"


def _request(do: str) -> bytes:
    return json.dumps({"do": do}).encode()


def _until(what: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, f"in 10 s: {why}"
        time.sleep(0.01)


def _is_at_work(jobs: SubprocessJobs, out: Path) -> bool:
    return jobs.progress(out) is not None


def test_a_job_leaves_its_result_and_is_not_started_again(jobs: SubprocessJobs, out: Path) -> None:
    assert (jobs.state(out), jobs.result(out), jobs.progress(out)) == (JobProcessState.GONE, None, None)
    jobs.start(out, _request("finish"))
    _until(lambda: jobs.state(out) is JobProcessState.FINISHED, "no result")
    assert jobs.result(out) == {"status": "succeeded"}
    before = (out / "progress.jsonl").read_bytes()
    jobs.start(out, _request("finish"))
    time.sleep(0.2)
    assert (out / "progress.jsonl").read_bytes() == before


def test_starting_twice_starts_once_also_from_two_starters(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    jobs.start(out, _request("wait"))
    SubprocessJobs("tiny_job").start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    time.sleep(0.2)
    assert (out / "progress.jsonl").read_text().count('"pid"') == 1
    assert jobs.state(out) is JobProcessState.RUNNING


def test_half_a_line_of_progress_is_not_told(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    progress = jobs.progress(out)
    assert progress is not None
    assert progress["message"] == "wait"


def test_only_the_process_holds_its_lock_so_a_killed_one_is_gone(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    os.kill(int((out / "pid").read_text()), signal.SIGKILL)
    _until(lambda: jobs.state(out) is JobProcessState.GONE, "still taken for alive")
    jobs.start(out, _request("finish"))
    _until(lambda: jobs.state(out) is JobProcessState.FINISHED, "not taken up again")


def test_a_job_that_is_cancelled_leaves_a_result_that_says_so(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    jobs.cancel(out)
    _until(lambda: jobs.state(out) is JobProcessState.FINISHED, "no result")
    assert jobs.result(out) == {"status": "cancelled"}
    jobs.cancel(out)


def test_cancelling_what_does_not_run_signals_nobody(jobs: SubprocessJobs, out: Path) -> None:
    jobs.cancel(out)
    out.mkdir(parents=True)
    # The number of a living process that is not the job: this one.
    (out / "pid").write_text(str(os.getpid()))
    (out / "lock").touch()
    jobs.cancel(out)
    assert jobs.state(out) is JobProcessState.GONE


def test_a_job_survives_a_starter_that_is_killed_and_is_found_by_the_next(jobs: SubprocessJobs, out: Path) -> None:
    starter = (
        "import os, signal; from pathlib import Path; from trimtab.loop.jobs import SubprocessJobs;"
        f"SubprocessJobs('tiny_job').start(Path({str(out)!r}), {_request('wait')!r});"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    code = subprocess.run([sys.executable, "-c", starter], check=False, timeout=30).returncode
    assert code == -signal.SIGKILL
    try:
        _until(lambda: _is_at_work(jobs, out), "it died with its starter")
        assert jobs.state(out) is JobProcessState.RUNNING
        jobs.start(out, _request("wait"))
        assert (out / "progress.jsonl").read_text().count('"pid"') == 1
    finally:
        jobs.cancel(out)
    _until(lambda: jobs.state(out) is JobProcessState.FINISHED, "no result")


def test_stopping_kills_what_was_started_here_and_leaves_no_result(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    jobs.stop_all()
    assert (jobs.state(out), jobs.result(out)) == (JobProcessState.STOPPED, None)


def test_a_new_attempt_starts_in_a_clean_folder(jobs: SubprocessJobs, out: Path) -> None:
    jobs.start(out, _request("wait"))
    _until(lambda: _is_at_work(jobs, out), "no progress")
    (out / "bundle").mkdir()
    (out / "bundle" / "half").write_text("written")
    jobs.stop_all()
    jobs.start(out, _request("finish"))
    _until(lambda: jobs.state(out) is JobProcessState.FINISHED, "no result")
    assert not (out / "bundle").exists()
    assert (out / "progress.jsonl").read_text().count('"pid"') == 1
