"""What a shadow costs the live answer: ``python -m bench.shadow``. Rounds without one and with one take turns.

The processor's time is told beside what the load generator sees: other work on the machine hardly changes it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import msgspec
from bench.serving.loads import Closed, check_tools, closed_loop
from bench.serving.ours import clear_journal, endpoint_spec, our_server, put_spec, write_bundles
from bench.serving.servers import Server, free_port, running

from trimtab.bundle.writer import read_manifest
from trimtab.core.enums import VariantRole
from trimtab.serving.spec import EndpointSpec, VariantSpec

_SHARES = (0, 10, 100)
_CONNECTIONS = 16
_SETTLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Round:
    """What the generator saw, and microseconds of processor time a request: of the event loop, and of the rest."""

    seen: Closed
    loop_us: float
    beside_us: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Measure what a shadow costs the live answer.")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each share")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    options = parser.parse_args(arguments)
    check_tools()
    with tempfile.TemporaryDirectory(prefix="trimtab-shadow-") as name:
        found = _measured(Path(name), options.rounds, options.seconds)
    print(f"{'copies':>8} {'requests/s':>12} {'p50':>8} {'p99':>8} {'loop, us':>10} {'beside, us':>12}")
    for share, rounds in found.items():
        cells = [_against(rounds, found[0], name) for name in ("requests_s", "p50_ms", "p99_ms")]
        loop_us = statistics.median(one.loop_us for one in rounds)
        beside_us = statistics.median(one.beside_us for one in rounds)
        print(f"{share:>6} % {cells[0]:>12} {cells[1]:>8} {cells[2]:>8} {loop_us:>10.1f} {beside_us:>12.1f}")


def _measured(work: Path, rounds: int, seconds: float) -> dict[int, list[Round]]:
    live, dark = write_bundles(work)
    state, port = work / "state", free_port()
    state.mkdir()
    for share in _SHARES:
        put_spec(state, _spec(f"copied-{share}", live, dark, share))
    servers = {share: our_server(state, f"copied-{share}", port) for share in _SHARES}
    found: dict[int, list[Round]] = {share: [] for share in _SHARES}
    with running(servers[0], work / "logs") as process:
        for server in servers.values():
            closed_loop(server, connections=_CONNECTIONS, seconds=1)
        for number in range(rounds):
            for share in _SHARES if number % 2 else reversed(_SHARES):
                found[share].append(_round(servers[share], process.pid, seconds))
            clear_journal(state)
    return found


def _round(server: Server, pid: int, seconds: float) -> Round:
    time.sleep(_SETTLE_S)
    before = _processor_us(pid)
    seen = closed_loop(server, connections=_CONNECTIONS, seconds=seconds)
    # What waits for the shadow is part of the bill.
    time.sleep(_SETTLE_S)
    after = _processor_us(pid)
    if seen.failed:
        raise SystemExit(f"error: {seen.failed} requests failed; see the server's log")
    spent = {thread: value - before.get(thread, 0.0) for thread, value in after.items()}
    return Round(seen, spent.pop(pid) / seen.requests, sum(spent.values()) / seen.requests)


def _processor_us(pid: int) -> dict[int, float]:
    """Return the processor time that each thread has had; the event loop's has the number of the process."""
    tasks = Path(f"/proc/{pid}/task")
    return {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e3 for task in tasks.iterdir()}


def _against(rounds: Sequence[Round], base: Sequence[Round], name: str) -> str:
    ratios = (getattr(one.seen, name) / getattr(other.seen, name) for one, other in zip(rounds, base, strict=True))
    return f"{statistics.median(ratios):.2f}"


def _spec(endpoint: str, live: Path, dark: Path, share: int) -> EndpointSpec:
    spec = endpoint_spec(endpoint, live)
    if not share:
        return spec
    shadow = VariantSpec(
        name="shadow",
        model="heart",
        model_version=2,
        bundle_path=str(dark),
        bundle_digest=read_manifest(dark).digest,
        weight_pct=Decimal(share),
        role=VariantRole.SHADOW,
    )
    return msgspec.structs.replace(spec, variants=(*spec.variants, shadow))


if __name__ == "__main__":
    main()
