"""What one run of the bench found, and on what: written as JSON, read again for tables and the plot."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
from bench.serving.footprint import Footprint
from bench.serving.frozen import HERE
from bench.serving.rounds import Pair
from bench.serving.swaps import Swaps

__all__ = ["Machine", "Results", "machine", "pins", "read_results", "write_results"]

_OURS = ("onnxruntime", "uvicorn", "uvloop", "httptools", "msgspec", "numpy")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was run. ``load_average``: of the minute before it began; beyond about 0.5 somebody else was at work."""

    cores: int
    processor: str
    kernel: str
    python: str
    load_average: float
    began: str
    packages: dict[str, str]


@dataclass(slots=True)
class Results:
    """Everything that a run measured; what was not asked for is absent."""

    machine: Machine
    seconds: float
    rounds: int
    throughput: list[Pair] = field(default_factory=list)
    latency: Pair | None = None
    latency_floor: Pair | None = None
    swaps: Swaps | None = None
    footprint: Footprint | None = None

    def pairs(self, left: str, right: str) -> list[Pair]:
        """Return the pairs of two servers, by their load."""
        return [pair for pair in self.throughput if (pair.left, pair.right) == (left, right)]


def machine() -> Machine:
    """Return what this machine is, and what it does now."""
    return Machine(
        cores=os.cpu_count() or 0,
        processor=_processor(),
        kernel=platform.release().partition("-")[0],
        python=platform.python_version(),
        load_average=round(os.getloadavg()[0], 2),
        began=datetime.now(UTC).isoformat(timespec="minutes"),
        packages={name: version(name) for name in _OURS},
    )


def pins(peer: str) -> str:
    """Return the peer's own package and version, as its requirements name it first."""
    first = (HERE / "peers" / "requirements" / f"{peer}.txt").read_text().splitlines()[0]
    return first.replace("==", " ").replace("[serve]", " Serve")


def write_results(results: Results, path: Path) -> None:
    """Write ``results`` as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")


def read_results(path: Path) -> Results:
    """Return what `write_results` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
