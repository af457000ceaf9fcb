"""One plot: loss against fits, a panel for each stream: the calendars' front, and what init writes, with its phases."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.triggers.play import Played
from bench.triggers.results import INIT, INIT_BARE, Results, Run

__all__ = ["write_plot"]

_PANEL, _HEIGHT, _LEFT, _TOP, _GAP, _COLUMNS = 250, 170, 56, 74, 62, 3
Point = tuple[float, float]
_WIDTH = _LEFT + _COLUMNS * (_PANEL + _GAP)
_SERIES = {"calendar": "#333333", "calendar, pool of 4": "#b0b0b0", INIT_BARE: "#c0562b", INIT: "#1f5f99"}


def write_plot(results: Results, path: Path) -> None:
    """Write the plot of the first learner and seed of each stream as SVG."""
    runs = [next(results.of(stream)) for stream in dict.fromkeys(run.stream for run in results.runs)]
    height = _TOP + math.ceil(len(runs) / _COLUMNS) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" '
        'font-size="11" role="img">',
        "<title>Loss against the number of fits, by rule and stream</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{_LEFT}" y="16" font-size="13">loss (down is better) against fits (log scale): each dot is one '
        "phase, lines join the calendars' means</text>",
    ]
    for place, (name, colour) in enumerate(_SERIES.items()):
        x = _LEFT + place * 210
        parts.append(f'<circle cx="{x + 5}" cy="36" r="4" fill="{colour}"/><text x="{x + 14}" y="40">{name}</text>')
    for place, run in enumerate(runs):
        x, y = _LEFT + place % _COLUMNS * (_PANEL + _GAP), _TOP + place // _COLUMNS * (_HEIGHT + _GAP)
        parts += _panel(run, x, y)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]))


def _panel(run: Run, x: float, y: float) -> list[str]:
    # Never to fit at all is off the scale where anything drifts; the rest is what is to be told apart.
    shown = {name: played for name, played in run.played.items() if name != "never"}
    losses = [one.loss for played in shown.values() for one in played]
    low, high = min(losses), max(losses)
    most = max(one.fits for played in shown.values() for one in played)

    def at(fits: float, loss: float) -> Point:
        across = math.log1p(fits) / math.log1p(max(most, 1)) * _PANEL
        return x + across, y + (high - loss) / max(high - low, 1e-12) * _HEIGHT

    parts = [
        f'<text x="{x}" y="{y - 8}" font-weight="bold">{run.stream}, {run.learner}</text>',
        f'<rect x="{x}" y="{y}" width="{_PANEL}" height="{_HEIGHT}" fill="none" stroke="#ccc"/>',
        f'<text x="{x - 4}" y="{y + 8}" text-anchor="end" fill="#555">{high:.3g}</text>',
        f'<text x="{x - 4}" y="{y + _HEIGHT}" text-anchor="end" fill="#555">{low:.3g}</text>',
    ]
    for fits in (1, 3, 10, 30, 100, 400):
        if fits <= most:
            across = at(fits, low)[0]
            parts.append(f'<line x1="{across:.1f}" y1="{y}" x2="{across:.1f}" y2="{y + _HEIGHT}" stroke="#eee"/>')
            bottom = y + _HEIGHT + 14
            parts.append(f'<text x="{across:.1f}" y="{bottom}" text-anchor="middle" fill="#555">{fits}</text>')
    for series, pool in (("calendar, pool of 4", True), ("calendar", False)):
        names = [name for name in shown if name.startswith("every") and (", pool" in name) == pool]
        means = sorted(run.mean(name)[:2][::-1] for name in names)
        points = " ".join("{:.1f},{:.1f}".format(*at(fits, loss)) for fits, loss in means)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{_SERIES[series]}" stroke-width="1.5"/>')
        parts += _dots(shown, names, _SERIES[series], at)
    for series in (INIT_BARE, INIT):
        parts += _dots(shown, [series], _SERIES[series], at)
    return parts


def _dots(
    shown: Mapping[str, Sequence[Played]], names: Sequence[str], colour: str, at: Callable[[float, float], Point]
) -> list[str]:
    found = [at(one.fits, one.loss) for name in names for one in shown[name]]
    return [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{colour}" fill-opacity="0.7"/>' for x, y in found]
