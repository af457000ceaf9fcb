"""The figures as text: a summary for the terminal, tables for the docs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.serving.results import Results, pins
from bench.serving.rounds import Pair

__all__ = ["full_text", "short_text", "summary"]


def summary(results: Results) -> str:
    """Return every aim with what was found, one a line."""
    return "\n".join(f"{'met ' if met else 'MISS'}  {text}" for text, met in _aims(results))


def full_text(results: Results) -> str:
    """Return the tables for docs/benchmarks.md."""
    host = results.machine
    packages = ", ".join(f"{name} {number}" for name, number in host.packages.items())
    lines = [
        f"Run of {host.began[:10]}: {host.cores} cores ({host.processor}), Linux {host.kernel}, CPython {host.python}, "
        f"{packages}; load average of the minute before it: {host.load_average}. {results.rounds} interleaved rounds "
        f"of {results.seconds:g} s each; medians, and the lowest and highest ratio of a round.",
        "",
        "![requests a second of each server](benchmarks/serving.svg)",
        "",
        *_throughput_table(results),
        "",
        *_latency_table(results),
        "",
        *_aims_table(results),
    ]
    return "\n".join(lines)


def short_text(results: Results) -> str:
    """Return the table for README.md."""
    rows = [
        f"| {_name(pair.right)} | {_count(pair.median('right', 'requests_s'))} | {pair.ratio:.3g} × |"
        for pair in _at(results, 16)
        if pair.right != "ours-unlogged"
    ]
    ours = _at(results, 16)[0].median("left", "requests_s") if _at(results, 16) else float("nan")
    return "\n".join(
        [
            "## Measured",
            "",
            "The inference server beside others, on one machine in one run "
            "([how, and how to repeat it](docs/benchmarks.md)):",
            "",
            "| one row, one worker, 16 connections | requests/s | Trimtab is |",
            "|---|---|---|",
            f"| Trimtab: log, metrics, routing on | {_count(ours)} | |",
            *rows,
        ]
    )


def _aims(results: Results) -> list[tuple[str, bool]]:
    return [*_throughput_aims(results), *_latency_aims(results), *_other_aims(results)]


def _throughput_aims(results: Results) -> Iterator[tuple[str, bool]]:
    for pair in results.throughput:
        if pair.right == "floor":
            yield f"throughput, {pair.load}: {pair.ratio:.0%} of the floor, aim ≥ 60 %", pair.ratio >= 0.6
        elif pair.right == "ours-unlogged":
            yield f"the log costs {1 - pair.ratio:.1%} of throughput, {pair.load}, aim ≤ 10 %", pair.ratio >= 0.9
        else:
            aim = 40 if pair.right == "mlflow" else 1
            text = f"throughput, {pair.load}: {pair.ratio:.1f} × {pins(pair.right)}, aim {'≥ 40' if aim > 1 else '> 1'}"
            yield text, pair.ratio >= aim


def _latency_aims(results: Results) -> Iterator[tuple[str, bool]]:
    pair = results.latency
    if pair is not None:
        p99 = pair.median("left", "p99_ms")
        beside = results.latency_floor
        floors = "" if beside is None else f" (the floor's: {beside.median('right', 'p99_ms'):.2f} ms)"
        yield f"p99 at half load: {p99:.2f} ms{floors}, aim < 2 ms", p99 < 2
        yield f"p99 at half load, log on against off: {pair.ratio:.2f}, aim ≤ 1.3", pair.ratio <= 1.3


def _other_aims(results: Results) -> Iterator[tuple[str, bool]]:
    swaps, small = results.swaps, results.footprint
    if swaps is not None:
        text = (
            f"{swaps.load.failed} of {swaps.load.requests} requests failed while {swaps.asked} versions were swapped "
            f"in ({swaps.served} seen served, the slowest after {swaps.slowest_ms:.0f} ms), aim 0"
        )
        # The server may take two specs that come within one of its looks as one.
        yield text, swaps.load.failed == 0 and swaps.served >= swaps.asked - 1
    if small is not None:
        yield f"start to the first answer: {small.start_s:.2f} s, aim < 1.5 s", small.start_s < 1.5
        yield f"resident memory with one model: {small.resident_mb:.0f} MB, aim < 200 MB", small.resident_mb < 200


def _aims_table(results: Results) -> list[str]:
    return ["| found, and the aim | met |", "|---|---|"] + [
        f"| {text} | {'yes' if met else '**no**'} |" for text, met in _aims(results)
    ]


def _throughput_table(results: Results) -> list[str]:
    lines = ["| beside | connections | requests/s, theirs | ours | ours / theirs | p99 ms, theirs / ours |"]
    lines.append("|---|---|---|---|---|---|")
    for pair in results.throughput:
        theirs, ours = pair.median("right", "requests_s"), pair.median("left", "requests_s")
        lines.append(
            f"| {_name(pair.right)} | {pair.load.split()[0]} | {_count(theirs)} | {_count(ours)} | {pair.ratio:.3g} "
            f"({pair.ratio_low:.3g}–{pair.ratio_high:.3g}) | "
            f"{pair.median('right', 'p99_ms'):.2f} / {pair.median('left', 'p99_ms'):.2f} |"
        )
    return lines


def _latency_table(results: Results) -> list[str]:
    pair = results.latency
    if pair is None:
        return []
    lines = [f"| {pair.load} | p50 ms | p99 ms | p99.9 ms | longest ms |", "|---|---|---|---|---|"]
    for side, name in (("left", "log on"), ("right", "log off")):
        lines.append(_latency_row(name, pair, side))
    if results.latency_floor is not None:
        lines.append(_latency_row("the floor, at the same rate", results.latency_floor, "right"))
        lines.append(_latency_row("log on, beside it", results.latency_floor, "left"))
    return lines


def _latency_row(name: str, pair: Pair, side: str) -> str:
    values = [f"{pair.median(side, m):.2f}" for m in ("p50_ms", "p99_ms", "p999_ms", "longest_ms")]
    return f"| {name} | {' | '.join(values)} |"


def _at(results: Results, connections: int) -> Sequence[Pair]:
    return [pair for pair in results.throughput if pair.load.startswith(f"{connections} ")]


def _name(server: str) -> str:
    return {"floor": "the floor: bare ASGI + ONNX Runtime", "ours-unlogged": "ours, log off"}.get(server) or pins(
        server
    )


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
