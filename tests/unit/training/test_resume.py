"""A tuning that was interrupted goes on behind the last trial that it ended; hopeless trials are given up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.unit.training.test_job import HEART_CONTRACT, HEART_MODEL, heart_rows, request_for, runs_in
from tests.unit.training.test_tune import INPUTS, TARGET, task_for

from trimtab.loop.jobs import JobProcessState, SubprocessJobs
from trimtab.training.journal import TrialJournal
from trimtab.training.request import TrainingResult
from trimtab.training.trial import Trial
from trimtab.training.tune import Outcome, TuneTask, tune

HOPELESS: dict[str, object] = {"type": "logistic_regression", "space": {"C": {"low": 1e-9, "high": 10.0, "log": True}}}


def run(task: TuneTask, path: Path | None = None) -> Outcome:
    return tune(task, INPUTS, TARGET, lambda: None, TrialJournal(path))


def untimed(trials: tuple[Trial, ...]) -> list[tuple[Any, ...]]:
    return [(trial.number, trial.params, trial.metrics, trial.by_fold, trial.pruned) for trial in trials]


def test_trials_go_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    task = task_for(HOPELESS, trials=9)
    whole = run(task, path)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 9
    path.write_bytes(b"".join(lines[:6]) + lines[6][:40])  # killed in the middle of a line
    resumed = run(task, path)
    assert untimed(resumed.trials) == untimed(whole.trials)
    # Measured to the nanosecond: only what was not run again took the very same time.
    assert [trial.seconds for trial in resumed.trials[:6]] == [trial.seconds for trial in whole.trials[:6]]
    assert path.read_bytes().splitlines(keepends=True)[:6] == lines[:6]
    assert resumed.metrics == whole.metrics
    np.testing.assert_array_equal(resumed.held_out.raw, whole.held_out.raw)


@pytest.mark.parametrize("content", [b"", b"{", b"nonsense\n", b'{"number": 3}\n', b"\x00" * 50])
def test_journal_that_cannot_be_read_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_bytes(content)
    task = task_for({"type": "logistic_regression"}, trials=2)
    assert untimed(run(task, path).trials) == untimed(run(task).trials)
    assert [json.loads(line)["number"] for line in path.read_bytes().splitlines()] == [0, 1]


def test_trials_of_another_space_are_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    run(task_for({"type": "logistic_regression"}, trials=3), path)
    other = task_for({"type": "logistic_regression", "space": {"C": {"low": 5.0, "high": 6.0}}}, trials=3)
    outcome = run(other, path)
    assert all(5 <= float(trial.params["C"] or 0) <= 6 for trial in outcome.trials)
    assert untimed(outcome.trials) == untimed(run(other).trials)


def test_hopeless_trials_are_given_up_and_only_where_that_is_wanted() -> None:
    pruning = run(task_for(HOPELESS, trials=14))
    assert 0 < pruning.pruned < 14
    for trial in pruning.trials:
        assert trial.pruned == (not trial.metrics)
    assert not any(trial.pruned for trial in pruning.trials[:4])
    assert not pruning.best.pruned
    task = task_for(HOPELESS, trials=14)
    patient = run(TuneTask(**{name: getattr(task, name) for name in task.__slots__} | {"prune": False}))
    assert patient.pruned == 0
    assert all(trial.metrics for trial in patient.trials)


def test_job_that_was_killed_goes_on_with_the_trials_that_it_had_done(tmp_path: Path) -> None:
    space = {"n_estimators": {"choices": [30]}, "max_depth": {"choices": [4, 8]}}
    training = {"candidates": [{"type": "random_forest", "space": space}], "trials": 12, "explain_rows": 0}
    request = request_for(tmp_path, heart_rows(), HEART_MODEL, HEART_CONTRACT, training)
    out = Path(request["out_dir"])
    out.mkdir()
    path = tmp_path / "request.json"
    path.write_text(json.dumps(request))
    process = subprocess.Popen([sys.executable, "-m", "trimtab.training.job", str(path)], start_new_session=True)
    wait_for(lambda: len(trials_in(out)) >= 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)
    done = trials_in(out)
    assert 3 <= len(done) < 12
    jobs = SubprocessJobs()
    jobs.start(out, path.read_bytes())
    wait_for(lambda: jobs.state(out) is not JobProcessState.RUNNING)
    jobs.stop_all()  # has ended; this waits for its process
    result = msgspec.json.decode((out / "result.json").read_bytes(), type=TrainingResult)
    assert result.status == "succeeded", result
    assert result.candidates[0].trials == 12
    after = trials_in(out)
    assert len(after) == 12
    assert after[: len(done) - 1] == done[:-1]  # the last may have been half a line
    statuses = [run["status"] for run in runs_in(tmp_path)]
    assert "RUNNING" not in statuses


def trials_in(out: Path) -> list[bytes]:
    return [line for path in (out / "trials").glob("*.jsonl") for line in path.read_bytes().splitlines()]


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
