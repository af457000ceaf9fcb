"""One plot: the share of sound windows in which somebody said that something had drifted, by stream and judge."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["write_plot"]

_COLOURS = ("#1f5f99", "#c0562b", "#e3b48f")
_LEFT, _WIDTH, _TOP, _ROW, _BAR = 170, 480, 56, 52, 13


class _Counted(Protocol):
    @property
    def stream(self) -> str: ...

    @property
    def judge(self) -> str: ...

    @property
    def windows(self) -> int: ...

    @property
    def alarms(self) -> int: ...


def write_plot(counted: Sequence[_Counted], path: Path) -> None:
    """Write bars of alarms by windows as SVG: streams from above, judges in the order in which they first come."""
    streams = list(dict.fromkeys(one.stream for one in counted))
    judges = list(dict.fromkeys(one.judge for one in counted))
    height = _TOP + _ROW * len(streams) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 90} {height}" '
        'font-family="sans-serif" font-size="11" role="img">',
        "<title>Share of windows without a change in which drift was told</title>",
        f'<rect width="{_LEFT + _WIDTH + 90}" height="{height}" fill="white"/>',
        '<text x="10" y="16" font-size="13">share of windows without a change in which drift was told</text>',
    ]
    for place, judge in enumerate(judges):
        x = _LEFT + place * 170
        parts.append(f'<rect x="{x}" y="28" width="12" height="10" fill="{_COLOURS[place]}"/>')
        parts.append(f'<text x="{x + 17}" y="37">{html.escape(judge)}</text>')
    for row, stream in enumerate(streams):
        y = _TOP + row * _ROW
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 24}" text-anchor="end">{html.escape(stream)}</text>')
        parts += [
            part
            for one in counted
            if one.stream == stream
            for part in _bar(one, y + judges.index(one.judge) * (_BAR + 2), _COLOURS[judges.index(one.judge)])
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*parts, "</svg>\n"]))


def _bar(one: _Counted, y: float, colour: str) -> list[str]:
    share = one.alarms / one.windows if one.windows else 0.0
    return [
        f'<rect x="{_LEFT}" y="{y}" width="{max(1.0, share * _WIDTH):.1f}" height="{_BAR}" fill="{colour}"/>',
        f'<text x="{_LEFT + share * _WIDTH + 6:.1f}" y="{y + 10}">{share:.1%} of {one.windows}</text>',
    ]
