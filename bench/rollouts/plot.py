"""One plot: which share of the canaries was rolled back by how many requests, a panel for each fault."""

from __future__ import annotations

import math
from pathlib import Path

from bench.rollouts.results import METHODS, Detection, Results

__all__ = ["write_plot"]

_COLOURS = {
    "ours": "#1f5f99",
    "ours-margins": "#9bb8d3",
    "mann-whitney": "#333333",
    "mann-whitney-peeking": "#b0b0b0",
    "failed-checks": "#c0562b",
    "failed-fixed-checks": "#e3b48f",
}
_PANEL, _HEIGHT, _LEFT, _TOP, _GAP, _COLUMNS = 210, 130, 44, 96, 44, 4
_FIRST, _LAST = 200, 40_000
_WIDTH = _LEFT + _COLUMNS * (_PANEL + _GAP)


def write_plot(results: Results, path: Path) -> None:
    """Write the plot of independent traffic as SVG; nothing where no faults were simulated."""
    panels = [found for found in results.detections if found.kind == "independent"]
    if not panels:
        return
    rows = math.ceil(len(panels) / _COLUMNS)
    height = _TOP + rows * (_HEIGHT + _GAP + 14)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="11" role="img">',
        "<title>Share of faulty canaries rolled back by how many requests there were</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="16" font-size="13">share of canaries rolled back, by requests to both versions (log '
        "scale), independent traffic</text>",
    ]
    for place, (method, name) in enumerate(METHODS.items()):
        x, y = _LEFT + place % 3 * 300, 38 + place // 3 * 18
        parts.append(f'<line x1="{x}" y1="{y - 4}" x2="{x + 22}" y2="{y - 4}" stroke="{_COLOURS[method]}" {_DASH}/>')
        parts.append(f'<text x="{x + 28}" y="{y}">{name}</text>')
    for place, found in enumerate(panels):
        x = _LEFT + place % _COLUMNS * (_PANEL + _GAP)
        parts += _panel(found, x, _TOP + place // _COLUMNS * (_HEIGHT + _GAP + 14))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]))


_DASH = 'stroke-width="2.5"'


def _panel(found: Detection, x: float, y: float) -> list[str]:
    bottom = y + _HEIGHT
    parts = [
        f'<text x="{x}" y="{y - 8}" font-weight="bold">{found.fault}</text>',
        f'<rect x="{x}" y="{y}" width="{_PANEL}" height="{_HEIGHT}" fill="none" stroke="#ccc"/>',
    ]
    for requests in (1_000, 5_000):
        at = x + _across(requests)
        parts.append(f'<line x1="{at:.1f}" y1="{y}" x2="{at:.1f}" y2="{bottom}" stroke="#eee"/>')
    for requests, anchor in ((200, "start"), (1_000, "middle"), (5_000, "middle"), (40_000, "end")):
        label = f"{requests:,}".replace(",", " ")
        parts.append(
            f'<text x="{x + _across(requests):.1f}" y="{bottom + 14}" text-anchor="{anchor}" fill="#555">{label}</text>'
        )
    for share in (0.0, 0.5, 1.0):
        at = bottom - share * _HEIGHT + 4
        parts += [f'<text x="{x - 5}" y="{at:.1f}" text-anchor="end" fill="#555">{share:.0%}</text>']
    for method in reversed(METHODS):
        points = _steps(found.requests, found.shares[method], x, bottom)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[method]}" stroke-width="2"/>')
    return parts


def _steps(requests: list[int], shares: list[float], x: float, bottom: float) -> str:
    """Return the points of a step function, without those where nothing changes."""
    found, last = [f"{x:.1f},{bottom:.1f}"], 0.0
    for count, share in zip(requests, shares, strict=True):
        if share != last:
            at = x + _across(count)
            found += [f"{at:.1f},{bottom - last * _HEIGHT:.1f}", f"{at:.1f},{bottom - share * _HEIGHT:.1f}"]
            last = share
    return " ".join([*found, f"{x + _PANEL:.1f},{bottom - last * _HEIGHT:.1f}"])


def _across(requests: int) -> float:
    return _PANEL * math.log(max(requests, _FIRST) / _FIRST) / math.log(_LAST / _FIRST)
