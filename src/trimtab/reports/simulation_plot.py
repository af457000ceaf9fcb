"""A simulation as one picture: the loss over time, and below it what was found and what was done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from trimtab.core.clock import to_micros
from trimtab.files import write_atomically
from trimtab.reports.ticks import number_ticks, time_ticks
from trimtab.reports.wording import number_text

__all__ = ["simulation_svg", "write_plot"]

_WIDTH: Final = 960
_LEFT: Final = 132
_RIGHT: Final = 20
_TOP: Final = 58
_LOSS_PX: Final = 240
_LANE_PX: Final = 26
_AXIS_PX: Final = 34
_USUAL: Final = 0.99
_FAR: Final = 1.5
_MOST_BANDS: Final = 4_000

_STYLE: Final = """\
svg { font: 12px system-ui, sans-serif; background: #ffffff; }
text { fill: #3c4650; } .title { font-size: 15px; font-weight: 600; fill: #161b20; } .end { text-anchor: end; }
.middle { text-anchor: middle; } .grid { stroke: #e3e7eb; } .axis { stroke: #98a2ad; }
.loss { fill: none; stroke: #1f5fbf; stroke-width: 1.8; stroke-linejoin: round; } .dot, .beyond { fill: #1f5fbf; }
.breach { fill: #d9822b; } .fired { fill: #7a4fb5; } .fit { fill: #1f5fbf; } .kept { fill: none; stroke: #1f5fbf; }
.release { stroke: #2f8f5b; stroke-dasharray: 3 3; } .v0 { fill: #cfe3d8; } .v1 { fill: #9fc9b3; }
.planted { fill: #c0392b; opacity: 0.14; }
@media (prefers-color-scheme: dark) {
  svg { background: #14181c; } text { fill: #b9c3cd; } .title { fill: #eef2f5; } .grid { stroke: #2a3138; }
  .axis { stroke: #66717c; } .loss { stroke: #6ea8ff; } .dot, .beyond, .fit { fill: #6ea8ff; }
  .kept { stroke: #6ea8ff; }
  .breach { fill: #f0a04b; } .fired { fill: #b48ae8; } .release { stroke: #5cc08a; } .v0 { fill: #23402f; }
  .v1 { fill: #2f5c43; } .planted { fill: #ff6b5b; opacity: 0.2; }
}"""


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps time and loss to pixels."""

    start_us: int
    end_us: int
    ticks: Sequence[float]
    lanes: int

    @property
    def height(self) -> int:
        return _TOP + _LOSS_PX + 14 + self.lanes * _LANE_PX + _AXIS_PX

    @property
    def bottom(self) -> int:
        return self.height - _AXIS_PX

    def x(self, at_us: int) -> float:
        span = max(self.end_us - self.start_us, 1)
        share = min(max((at_us - self.start_us) / span, 0.0), 1.0)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return _TOP + (high - min(value, high)) / (high - low) * _LOSS_PX

    def lane(self, number: int) -> float:
        """Return the top of a lane below the loss."""
        return _TOP + _LOSS_PX + 14 + number * _LANE_PX


def write_plot(path: Path, result: Mapping[str, Any]) -> None:
    """Write the picture of a simulation (what ``simulation.json`` holds) to ``path``."""
    write_atomically(path, str(simulation_svg(result)).encode())


def simulation_svg(result: Mapping[str, Any]) -> Markup:
    """Return the picture as an SVG document that follows light and dark.

    What is known to have been wrong is shaded. Loss is drawn by chunk, each check in breach as a mark in its monitor's
    lane, then firings, fits (hollow: the version was not released) and who served. A triangle above the frame is a loss
    far beyond the others.
    """
    monitors = sorted({check["monitor"] for check in result["checks"]})
    chunks = [chunk for chunk in result["chunks"] if chunk["loss"] is not None]
    losses = [float(chunk["loss"]) for chunk in chunks] or [0.0, 1.0]
    frame = _Frame(
        _us(result["from"]), _us(result["to"]), number_ticks(min(losses), _most_drawn(losses)), lanes=len(monitors) + 3
    )
    parts = [
        *(_planted(frame, one) for one in result["planted"]),
        *_axes(frame, result["summary"]["metric"]),
        *_served(frame, len(monitors) + 2, result["releases"]),
        *_loss(frame, chunks),
        *(mark for lane, name in enumerate(monitors) for mark in _breaches(frame, lane, name, result["checks"])),
        *_firings(frame, len(monitors), result["evaluations"]),
        *_fits(frame, len(monitors) + 1, result["fits"], result["releases"]),
    ]
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img">'
        "<title>{title}</title><style>{style}</style>"
        '<rect width="{w}" height="{h}" fill="none"/>'
    ).format(w=_WIDTH, h=frame.height, title=_title(result), style=Markup(_STYLE))
    title = _text(16, 24, _title(result), "title")
    return head + title + _text(16, 43, _subtitle(result)) + Markup("").join(parts) + Markup("</svg>\n")


def _most_drawn(losses: Sequence[float]) -> float:
    """Return up to where losses are drawn: where one in a hundred lies far beyond all others, not up to that."""
    usual = sorted(losses)[math.ceil(_USUAL * (len(losses) - 1))]
    return usual if max(losses) > _FAR * usual > 0 else max(losses)


def _title(result: Mapping[str, Any]) -> str:
    return f"{result['model']}, {result['from'][:10]} to {result['to'][:10]}"


def _subtitle(result: Mapping[str, Any]) -> str:
    summary = result["summary"]
    value = summary["metrics"][summary["metric"]]
    loss = "unknown" if value is None else f"{value:.4g}"
    return (
        f"{summary['metric']} {loss} over all; {summary['fits']} fits, {summary['releases']} releases, "
        f"{summary['switches_back']} of them back to a version that had served"
    )


def _planted(frame: _Frame, one: Mapping[str, Any]) -> Markup:
    left, right = frame.x(_us(one["from"])), frame.x(_us(one["to"]))
    name = " in ".join(part for part in (one["cause"], one["column"]) if part) or "known to be wrong"
    found = f"found after {one['delay']}" if one["detected"] else "not found"
    shape = Markup('<rect class="planted" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}</title></rect>')
    return shape.format(left, _TOP, max(right - left, 1), frame.bottom - _TOP, f"{name}: {found}")


def _axes(frame: _Frame, metric: str) -> Iterable[Markup]:
    for tick in frame.ticks:
        yield _line("grid", _LEFT, frame.y(tick), _WIDTH - _RIGHT, frame.y(tick))
        yield _text(_LEFT - 8, frame.y(tick) + 4, number_text(tick), "end")
    yield _text(16, _TOP + 4, metric)
    yield _line("axis", _LEFT, frame.bottom, _WIDTH - _RIGHT, frame.bottom)
    for at_us, label in time_ticks(frame.start_us, frame.end_us, 9):
        yield _line("axis", frame.x(at_us), frame.bottom, frame.x(at_us), frame.bottom + 4)
        yield _text(min(frame.x(at_us), _WIDTH - 30), frame.bottom + 19, label, "middle")


def _loss(frame: _Frame, chunks: Sequence[Mapping[str, Any]]) -> Iterable[Markup]:
    middles = [(_us(chunk["from"]) + _us(chunk["to"])) // 2 for chunk in chunks]
    points = [(frame.x(at_us), frame.y(float(chunk["loss"]))) for at_us, chunk in zip(middles, chunks, strict=True)]
    if len(points) == 1:
        yield Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="3"/>').format(*points[0])
    elif points:
        for (x, _), chunk in zip(points, chunks, strict=True):
            if float(chunk["loss"]) > frame.ticks[-1]:
                shape = Markup('<path class="beyond" d="M{:.1f},{} l-4,7 h8 z"><title>{}</title></path>')
                yield shape.format(x, _TOP - 6, f"{chunk['from'][:10]}: {number_text(float(chunk['loss']))}")
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        yield Markup('<polyline class="loss" points="{}"/>').format(path)


def _breaches(frame: _Frame, lane: int, monitor: str, checks: Sequence[Mapping[str, Any]]) -> Iterable[Markup]:
    """Mark when checks of a monitor were in breach; marks on one pixel are one."""
    top = frame.lane(lane)
    yield _text(16, top + 15, monitor)
    yield _line("grid", _LEFT, top + 20, _WIDTH - _RIGHT, top + 20)
    at = {round(frame.x(_us(one["at"]))) for one in checks if one["monitor"] == monitor and one["verdict"] == "breach"}
    for x in sorted(at)[:_MOST_BANDS]:
        yield _rect("breach", x - 1, top + 5, 2.5, 15)


def _firings(frame: _Frame, lane: int, evaluations: Sequence[Mapping[str, Any]]) -> Iterable[Markup]:
    top = frame.lane(lane)
    yield _text(16, top + 15, "condition fired")
    yield _line("grid", _LEFT, top + 20, _WIDTH - _RIGHT, top + 20)
    for x in sorted({round(frame.x(_us(one["at"]))) for one in evaluations if one["held"]}):
        yield _rect("fired", x - 1, top + 5, 2.5, 15)


def _fits(
    frame: _Frame, lane: int, fits: Sequence[Mapping[str, Any]], releases: Sequence[Mapping[str, Any]]
) -> Iterable[Markup]:
    top = frame.lane(lane)
    released = {one["version"] for one in releases if one["phase"] == "promoted"}
    yield _text(16, top + 15, "fits")
    yield _line("grid", _LEFT, top + 20, _WIDTH - _RIGHT, top + 20)
    for one in fits:
        kind = "fit" if one["version"] in released else "kept"
        yield Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>').format(
            kind, frame.x(_us(one["at"])), top + 12, f"{one['at'][:16]}: {one['cause']}, version {one['version']}"
        )


def _served(frame: _Frame, lane: int, releases: Sequence[Mapping[str, Any]]) -> Iterable[Markup]:
    """Draw who served when, and a line through the loss wherever that changed."""
    top = frame.lane(lane)
    yield _text(16, top + 15, "serving version")
    served = [one for one in releases if one["phase"] == "promoted" and one["ended"] is not None]
    ends = [_us(one["ended"]) for one in served[1:]] + [frame.end_us]
    for number, one in enumerate(served):
        left, right = frame.x(_us(one["ended"])), frame.x(ends[number])
        yield _rect(f"v{number % 2}", left, top + 3, max(right - left, 1), 18)
        if right - left > 8 * len(str(one["version"])) + 6:
            yield _text((left + right) / 2, top + 16, str(one["version"]), "middle")
        if number:
            yield _line("release", left, _TOP, left, top + 3)


def _us(moment: str) -> int:
    return to_micros(datetime.fromisoformat(moment))


def _rect(kind: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
        kind, x, y, width, height
    )


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(kind, x1, y1, x2, y2)


def _text(x: float, y: float, text: str, kind: str = "") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, kind, escape(text))
