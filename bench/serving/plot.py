"""One plot: requests a second of each server, on a logarithmic axis, since they lie two orders of magnitude apart."""

from __future__ import annotations

import math
from pathlib import Path

from bench.serving.results import Results, pins

__all__ = ["write_plot"]

_WIDTH, _BAR, _GAP, _LEFT, _TOP = 760, 20, 8, 190, 34
_COLOURS = {1: "#9bb8d3", 16: "#1f5f99"}


def write_plot(results: Results, path: Path) -> None:
    """Write the plot of ``results`` as SVG."""
    rows = _rows(results)
    if not rows:
        return
    names = list(dict.fromkeys(name for name, _, _ in rows))
    height = _TOP + len(names) * (2 * _BAR + _GAP) + 30
    most = max(value for _, _, value in rows)
    decades = range(1, math.ceil(math.log10(most)) + 1)
    scale = (_WIDTH - _LEFT - 70) / (decades[-1] - 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="12" role="img">',
        "<title>Requests a second on one worker, one row a request</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="16">requests/s, one row, one worker (log scale): <tspan fill="{_COLOURS[1]}">■</tspan> '
        f'1 connection <tspan fill="{_COLOURS[16]}">■</tspan> 16 connections</text>',
    ]
    for decade in decades:
        x = _LEFT + (decade - 1) * scale
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP - 8}" x2="{x:.1f}" y2="{height - 24}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 8}" text-anchor="middle">{_count(10**decade)}</text>')
    for name, connections, value in rows:
        y = _TOP + names.index(name) * (2 * _BAR + _GAP) + (0 if connections == 1 else _BAR)
        width = max(1.0, (math.log10(value) - 1) * scale)
        if connections == 1:
            parts.append(f'<text x="{_LEFT - 8}" y="{y + _BAR + 4}" text-anchor="end">{name}</text>')
        parts.append(
            f'<rect x="{_LEFT}" y="{y + 1}" width="{width:.1f}" height="{_BAR - 2}" fill="{_COLOURS[connections]}"/>'
        )
        parts.append(f'<text x="{_LEFT + width + 5:.1f}" y="{y + _BAR - 5}">{_count(value)}</text>')
    parts.append("</svg>\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(parts))


def _rows(results: Results) -> list[tuple[str, int, float]]:
    """Return name, connections and requests a second, the fastest server first."""
    found: dict[tuple[str, int], float] = {}
    for pair in results.throughput:
        connections = int(pair.load.split()[0])
        found.setdefault(("Trimtab", connections), pair.median("left", "requests_s"))
        name = {"floor": "the floor", "ours-unlogged": "Trimtab, log off"}.get(pair.right) or pins(pair.right)
        found[name, connections] = pair.median("right", "requests_s")
    best = {name: max(v for (n, _), v in found.items() if n == name) for name, _ in found}
    return sorted(
        ((name, connections, value) for (name, connections), value in found.items()),
        key=lambda row: (-best[row[0]], row[1]),
    )


def _count(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
