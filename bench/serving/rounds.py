"""Interleaved rounds: both sides of a pair within seconds, so that what else the machine does falls on both."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.serving.loads import Closed, Open, closed_loop, open_loop
from bench.serving.servers import Server

__all__ = ["CONNECTIONS", "Pair", "latency_pair", "throughput_pair", "warm_up"]

CONNECTIONS = (1, 16)
_WARM_UP_S = 1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two servers under the same load. Lists have one entry a round; ``ratio`` is the median of left over right."""

    left: str
    right: str
    load: str
    left_rounds: list[dict[str, Any]]
    right_rounds: list[dict[str, Any]]
    ratio: float
    ratio_low: float
    ratio_high: float

    def median(self, side: str, measure: str) -> float:
        """Return the median of a measure of the ``left`` or the ``right`` side."""
        entries = self.left_rounds if side == "left" else self.right_rounds
        return float(statistics.median(entry[measure] for entry in entries))


def throughput_pair(
    left: Server, right: Server, *, connections: int, rounds: int, seconds: float, between: Callable[[], None]
) -> Pair:
    """Return requests a second of both, over ``connections``; ``between`` is called after each measurement."""

    def measure(server: Server) -> Closed:
        found = closed_loop(server, connections=connections, seconds=seconds)
        between()
        return found

    return _pair(left, right, f"{connections} connections", rounds, measure, "requests_s")


def latency_pair(
    left: Server, right: Server, *, rate_s: float, rounds: int, seconds: float, between: Callable[[], None]
) -> Pair:
    """Return latencies of both at ``rate_s``; the ratio is that of the 99th percentiles."""

    def measure(server: Server) -> Open:
        found = open_loop(server, rate_s=rate_s, seconds=seconds)
        between()
        return found

    return _pair(left, right, f"{rate_s:.0f} requests/s, open loop", rounds, measure, "p99_ms")


def warm_up(servers: Sequence[Server]) -> None:
    """Let each answer for a moment, unmeasured."""
    for server in servers:
        closed_loop(server, connections=4, seconds=_WARM_UP_S)


def _pair(
    left: Server, right: Server, load: str, rounds: int, measure: Callable[[Server], Closed | Open], ratio_of: str
) -> Pair:
    found: dict[str, list[dict[str, Any]]] = {left.name: [], right.name: []}
    warm_up([left, right])
    for number in range(rounds):
        # Who comes first alternates: the second one inherits what the first one left in caches and clock rates.
        for server in (left, right) if number % 2 == 0 else (right, left):
            found[server.name].append(asdict(measure(server)))
    ratios = sorted(
        one[ratio_of] / other[ratio_of] for one, other in zip(found[left.name], found[right.name], strict=True)
    )
    return Pair(
        left.name,
        right.name,
        load,
        found[left.name],
        found[right.name],
        statistics.median(ratios),
        ratios[0],
        ratios[-1],
    )
