"""Draws histories: what happened and what was answered as lines, breaches as marks below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.monitoring.history import History

__all__ = ["write_plot"]

_WIDTH, _LEFT, _CURVE, _ROW, _HEAD, _FOOT = 860, 150, 90, 15, 26, 34
_DATE = 45
_MARKS = {"B": "#c0392b", "I": "#d9d9d9"}


def write_plot(histories: Sequence[History], path: Path) -> None:
    """Write one picture with a part for each table."""
    parts, top = [], 8
    for history in histories:
        parts += _part(history, top)
        top += _HEAD + _CURVE + len(history.tracks) * _ROW + _FOOT
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" font-family="sans-serif" '
        'font-size="11" role="img">'
    )
    title = "<title>What happened, what one model answered, and which monitors were in breach</title>"
    ground = f'<rect width="{_WIDTH}" height="{top}" fill="white"/>'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([head, title, ground, *parts, "</svg>\n"]))


def _part(history: History, top: int) -> list[str]:
    step = (_WIDTH - _LEFT - 12) / len(history.start_us)
    base = top + _HEAD + _CURVE
    most = max(value for value in (*history.happened, *history.answered) if math.isfinite(value))
    parts = [
        f'<text x="{_LEFT}" y="{top + 12}"><tspan font-weight="bold">{history.table}</tspan>: {history.unit} '
        '<tspan fill="#444">— happened</tspan> <tspan fill="#1f5f99">— answered</tspan> '
        f'<tspan fill="{_MARKS["B"]}">■ breach</tspan> <tspan fill="#999">■ inconclusive</tspan></text>',
        f'<text x="{_LEFT - 6}" y="{top + _HEAD + 8}" text-anchor="end">{most:.3g}</text>',
        f'<text x="{_LEFT - 6}" y="{base}" text-anchor="end">0</text>',
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - 12}" y2="{base}" stroke="#bbb"/>',
    ]
    for values, colour in ((history.happened, "#444"), (history.answered, "#1f5f99")):
        points = [
            f"{_LEFT + (place + 0.5) * step:.1f},{base - value / most * (_CURVE - 4):.1f}"
            for place, value in enumerate(values)
            if math.isfinite(value)
        ]
        parts.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.2" points="{" ".join(points)}"/>')
    for row, track in enumerate(history.tracks):
        y = base + 6 + row * _ROW
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 10}" text-anchor="end">{track.monitor}</text>')
        parts += [
            f'<rect x="{_LEFT + place * step:.1f}" y="{y}" width="{max(step, 1):.1f}" height="{_ROW - 4}" '
            f'fill="{_MARKS[letter]}"/>'
            for place, letter in enumerate(track.verdicts)
            if letter in _MARKS
        ]
    foot = base + len(history.tracks) * _ROW + 22
    return [*parts, *_dates(history, step, foot)]


def _dates(history: History, step: float, y: int) -> list[str]:
    moments = [datetime.fromtimestamp(start / 1e6, UTC) for start in history.start_us]
    years = moments[-1].year - moments[0].year > 1
    made_up = moments[0].year == 1970
    found: list[tuple[float, str]] = []
    before = None
    for place, moment in enumerate(moments):
        every = moment.year if years else (place // 5 if made_up else moment.isocalendar()[1])
        if every != before:
            text = str(moment.year) if years else (f"day {place + 1}" if made_up else moment.strftime("%d %b"))
            x = min(_LEFT + place * step, _WIDTH - _DATE)
            # The first part of a week or year is narrow: its name gives way to the next one's.
            if found and x - found[-1][0] < _DATE:
                found.pop()
            found.append((x, text))
        before = every
    return [f'<text x="{x:.1f}" y="{y}" fill="#666">{text}</text>' for x, text in found]
