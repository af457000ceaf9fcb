"""The load: wrk for throughput (closed loop), h2load for latency at a given rate (open loop)."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.serving.frozen import HERE
from bench.serving.servers import Server

__all__ = ["Closed", "Open", "check_tools", "closed_loop", "open_loop"]

_OPEN_RATE_PER_CONNECTION = 31
_PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}


@dataclass(frozen=True, slots=True)
class Closed:
    """What a closed loop saw. ``failed``: answers other than 2xx or 3xx, and connections that broke or timed out."""

    requests_s: float
    requests: int
    failed: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Open:
    """What an open loop saw, from each request's sending to its last byte. ``rate_s`` is what was sent indeed."""

    asked_s: float
    rate_s: float
    failed: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    period_ms: float


def check_tools() -> None:
    """Stop when a generator is absent, and say where it comes from.

    Raises:
        SystemExit: one is.
    """
    absent = [package for tool, package in _PACKAGES.items() if shutil.which(tool) is None]
    if absent:
        raise SystemExit(f"error: load generators are absent; on Debian: apt-get install {' '.join(absent)}")


def closed_loop(server: Server, *, connections: int, seconds: float) -> Closed:
    """Ask as fast as answers come, over ``connections`` that stay open, from one thread."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(server.body)
        body.flush()
        length = f"{max(1, round(seconds))}s"
        command = ["wrk", "-t1", f"-c{connections}", f"-d{length}", "--timeout", "10s", "-s", str(HERE / "post.lua")]
        output = _run([*command, server.url, "--", body.name], seconds + 60)
    result = json.loads(
        next(line for line in output.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT ")
    )
    return Closed(
        requests_s=result["requests"] / (result["duration_us"] / 1e6),
        requests=result["requests"],
        failed=result["refused"] + result["broken"],
        p50_ms=result["p50_us"] / 1e3,
        p99_ms=result["p99_us"] / 1e3,
    )


def open_loop(server: Server, *, rate_s: float, seconds: float) -> Open:
    """Ask at ``rate_s``, whether answers come or not, over connections that each send about thirty requests a second.

    A connection waits for its answer, so a standstill longer than ``period_ms`` delays what it would have sent next:
    where ``longest_ms`` is below that, no request was kept back.
    """
    connections = max(1, math.ceil(rate_s / _OPEN_RATE_PER_CONNECTION))
    each_s = max(1, round(rate_s / connections))
    with tempfile.TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        body.write_bytes(server.body)
        command = [
            "h2load", "--h1", "-t1", f"-c{connections}", f"--rps={each_s}",
            f"-n{connections * round(each_s * seconds)}",
            # One connection a millisecond: begun all at once, they would send all at once for ever.
            "-r1", "--rate-period=1ms",
            f"--data={body}", "--header=content-type: application/json", f"--log-file={log}", server.url,
        ]  # fmt: skip
        _run(command, seconds * 3 + 60)
        lines = [line.split("\t") for line in log.read_text().splitlines()]
    sent = sorted(int(line[0]) for line in lines)
    took = sorted(int(line[2]) for line in lines if line[1] == "200")
    # Without its head and tail, where not all connections send.
    middle = sent[len(sent) // 20 : -(len(sent) // 20)]
    return Open(
        asked_s=connections * each_s,
        rate_s=(len(middle) - 1) / (middle[-1] - middle[0]) * 1e6,
        failed=len(lines) - len(took),
        p50_ms=_quantile(took, 0.5) / 1e3,
        p99_ms=_quantile(took, 0.99) / 1e3,
        p999_ms=_quantile(took, 0.999) / 1e3,
        longest_ms=took[-1] / 1e3,
        period_ms=1e3 / each_s,
    )


def _quantile(ordered: Sequence[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _run(command: Sequence[str], timeout_s: float) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
    if done.returncode != 0:
        raise SystemExit(f"error: {command[0]} ended with exit code {done.returncode}: {done.stderr[-300:]}")
    return done.stdout
