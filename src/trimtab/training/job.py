"""``python -m trimtab.training.job REQUEST.json``: one training as a process; leaves ``result.json`` and a bundle.

Exit code 0 means that the training came to an end (a gate may have rejected it), 1 that it failed or was cancelled.
"""

from __future__ import annotations

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
from trimtab.config.process import setting, silence_telemetry
from trimtab.core.clock import SystemClock
from trimtab.core.crashpoints import arm, reached
from trimtab.core.errors import ConfigError, TrimtabError
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


class _CancelledError(BaseException):
    """SIGTERM or Ctrl-C reached the job."""


def main() -> None:
    """Run the job named on the command line and leave with its exit code."""
    try:
        if len(sys.argv) != 2:
            raise ConfigError(f"{len(sys.argv) - 1} arguments; expected the path of a request; pass REQUEST.json")
        arm(setting("crash_at"))
        request = read_request(Path(sys.argv[1]))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
    code = run_job(request)
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
        result = train(request, now=SystemClock().now(), report=report, available_bytes=available_bytes())
        report(1.0, f"{result.status}: {result.algorithm}")
    except _CancelledError:
        result = _failed(request, _too_long(request) if limit.is_over else _CANCELLED, began)
    except TrimtabError as error:
        result = _failed(request, str(error), began)
    except MemoryError:
        result = _failed(request, "training: out of memory; use fewer rows, fewer workers, or a larger machine", began)
    except Exception as error:  # noqa: BLE001 - the process boundary: whoever waits gets one sentence
        traceback.print_exc()
        reason = (str(error).splitlines() or ["no reason given"])[0][:300]
        result = _failed(request, f"training: {type(error).__name__}: {reason}; see the job's log", began)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit.stop()
    write_result(out / RESULT_NAME, result)
    reached("training.result_written")
    return 1 if result.status == "failed" else 0


def _cancel(_number: int, _frame: FrameType | None) -> None:
    # Once: a second signal must not interrupt the writing of the result.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise _CancelledError


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
