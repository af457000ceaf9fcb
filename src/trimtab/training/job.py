"""``python -m trimtab.training.job REQUEST.json``: one training as a process; leaves ``result.json`` and a bundle.

Exit code 0 means that the training came to an end (a gate may have rejected it), 1 that it failed or was cancelled,
75 that something outside hinders it: it has left no result but what it waits for, and is to be started again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from datetime import timedelta
from pathlib import Path
from types import FrameType

import msgspec

from trimtab.config.durations import format_duration
from trimtab.config.memory import available_bytes
from trimtab.config.process import end_quickly, setting, silence_telemetry
from trimtab.core.clock import SystemClock, from_micros
from trimtab.core.crashpoints import arm, reached
from trimtab.core.errors import ConfigError, TrimtabError
from trimtab.files.disk import is_of_the_disk, probe_room
from trimtab.training.hindrance import Hindrance, TrackerAwayError, leave_hindrance
from trimtab.training.request import (
    PROGRESS_NAME,
    RESULT_NAME,
    Progress,
    TrainingRequest,
    TrainingResult,
    read_request,
    write_result,
)
from trimtab.training.time_limit import TimeLimit

__all__ = ["main", "run_job"]

_CANCELLED = "cancelled"
_TRY_LATER = os.EX_TEMPFAIL


class _CancelledError(BaseException):
    """SIGTERM or Ctrl-C reached the job."""


def main() -> None:
    """Run the job named on the command line and leave with its exit code."""
    end_quickly()
    try:
        if len(sys.argv) != 2:
            raise ConfigError(f"{len(sys.argv) - 1} arguments; expected the path of a request; pass REQUEST.json")
        arm(setting("crash_at"))
        request = read_request(Path(sys.argv[1]))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    code = run_job(request)
    with contextlib.suppress(OSError):  # the log may lie on a disk that is full
        sys.stdout.flush()
        sys.stderr.flush()
    if code:
        # At once: worker processes end when this one does, and nothing may wait for a thread that is still at work.
        os._exit(code)


def run_job(request: TrainingRequest) -> int:
    """Train, write progress and result, and return the exit code."""
    began = time.perf_counter()
    silence_telemetry()
    out = Path(request.out_dir)
    out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _cancel)
    signal.signal(signal.SIGINT, _cancel)

    def give_up() -> None:
        write_result(out / RESULT_NAME, _failed(request, _too_long(request), began))

    limit = TimeLimit(request.time_limit_s, give_up)
    limit.start()

    def report(share: float, message: str) -> None:
        line = msgspec.json.encode(Progress(at_share=round(share, 3), message=message)) + b"\n"
        with (out / PROGRESS_NAME).open("ab") as stream:
            stream.write(line)

    try:
        from trimtab.training.pipeline import train  # so that a cancelled start leaves a result, too

        report(0.0, "started")
        now = SystemClock().now() if request.now_us is None else from_micros(request.now_us)
        result = train(request, now=now, report=report, available_bytes=available_bytes())
        report(1.0, f"{result.status}: {result.algorithm}")
    except _CancelledError:
        result = _ended_early(request, limit, began)
    except TrackerAwayError as error:
        return _hindered(out, Hindrance.of_mlflow(str(error)), limit)
    except MemoryError:
        result = _failed(request, "training: out of memory; use fewer rows, fewer workers, or a larger machine", began)
    except Exception as error:  # noqa: BLE001 - the process boundary: whoever waits gets one sentence
        if _was_cancelled():
            result = _ended_early(request, limit, began)
        elif (refused := _refused_by_disk(out, error)) is not None:
            return _hindered(out, Hindrance.of_the_disk(out, str(refused)), limit)
        else:
            result = _failed(request, _told(error), began)
    _hear_no_more(limit)
    try:
        write_result(out / RESULT_NAME, result)
    except OSError as error:
        return _hindered(out, Hindrance.of_the_disk(out, str(error)), limit)
    reached("training.result_written")
    return 1 if result.status == "failed" else 0


def _hindered(out: Path, hindrance: Hindrance, limit: TimeLimit) -> int:
    """Leave what the training waits for, and no result."""
    _hear_no_more(limit)
    leave_hindrance(out, hindrance)
    return _TRY_LATER


def _hear_no_more(limit: TimeLimit) -> None:
    """See that what is written last is not interrupted."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit.stop()


def _refused_by_disk(out: Path, error: Exception) -> Exception | None:
    """Return what the disk said, if it is the disk that ended the training; libraries tell it in many ways."""
    if is_of_the_disk(error):
        return error
    if isinstance(error, TrimtabError):
        return None
    try:
        probe_room(out)
    except OSError as refused:
        return refused
    return None


def _told(error: Exception) -> str:
    if isinstance(error, TrimtabError):
        return str(error)
    traceback.print_exception(error)
    reason = (str(error).splitlines() or ["no reason given"])[0][:300]
    return f"training: {type(error).__name__}: {reason}; see the job's log"


def _cancel(_number: int, _frame: FrameType | None) -> None:
    # Once: a second signal must not interrupt the writing of the result.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise _CancelledError


def _was_cancelled() -> bool:
    """Return whether `_cancel` was called: native code may tell its error in other words."""
    return signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def _ended_early(request: TrainingRequest, limit: TimeLimit, began: float) -> TrainingResult:
    return _failed(request, _too_long(request) if limit.is_over else _CANCELLED, began)


def _too_long(request: TrainingRequest) -> str:
    limit = format_duration(timedelta(seconds=request.time_limit_s or 0.0))
    return (
        f"training: took longer than time_limit {limit}, expected it to end before; raise time_limit in "
        "training_config.yaml, or set fewer trials, candidates or tuning_rows"
    )


def _failed(request: TrainingRequest, error: str, began: float) -> TrainingResult:
    return TrainingResult(job_id=request.job_id, status="failed", error=error, seconds=time.perf_counter() - began)


if __name__ == "__main__":
    main()
