"""Charts as inline SVG: a value over time against its reference, and an interval against zero.

Colours come from the page's style sheet (classes ``chart-…``), so that a chart follows light and dark, and are written
beside it for whoever prints it (`trimtab.reports.inks`). Each is drawn for a given width in CSS pixels: text keeps its
size, since a page shows the drawing that fits and hides the other.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup, escape

from trimtab.reports.inks import FONT, ink_of
from trimtab.reports.ticks import number_ticks, time_ticks
from trimtab.reports.wording import number_text

__all__ = ["Band", "Chart", "Limit", "Marker", "Ribbon", "Series", "draw_chart", "draw_interval", "draw_swatch"]

_TOP, _RIGHT, _BOTTOM, _LEFT = 22, 14, 26, 56
_CHAR_PX = 6.6
_MAX_POINTS = 1_200

Point = tuple[int, float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time: ``(microseconds UTC, value)``, in order of time. None and NaN leave a gap."""

    name: str
    points: Sequence[Point]
    kind: Literal["line", "step"] = "line"
    tone: Literal["main", "second", "limit"] = "main"


@dataclass(frozen=True, slots=True)
class Band:
    """Where values are expected to lie, and (optionally) their middle."""

    name: str
    low: float
    high: float
    middle: float | None = None


@dataclass(frozen=True, slots=True)
class Ribbon:
    """Between which bounds a value lies, as these move: ``(microseconds UTC, low, high)``, in order of time."""

    name: str
    points: Sequence[tuple[int, float, float]]


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Marker:
    """A moment worth a line: ``at_us`` in microseconds UTC."""

    at_us: int
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn. ``title`` and ``description`` are what a screen reader says; ``key`` is unique on its page."""

    key: str
    title: str
    description: str
    series: Sequence[Series]
    unit: str = ""
    band: Band | None = None
    ribbon: Ribbon | None = None
    limits: Sequence[Limit] = ()
    markers: Sequence[Marker] = ()
    from_zero: bool = False

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """Class of the swatch and name of everything drawn."""
        entries = [(f"chart-{series.tone}", series.name) for series in self.series]
        if self.band is not None:
            entries.append(("chart-band", self.band.name))
        if self.ribbon is not None:
            entries.append(("chart-band", self.ribbon.name))
        return (*entries, *(("chart-limit", limit.name) for limit in self.limits))

    @property
    def numbers(self) -> list[tuple[int, str, float | None]]:
        """Every value as ``(time, series, value)``: the chart as a table."""
        return [(at_us, series.name, value) for series in self.series for at_us, value in series.points]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Maps time and value to pixels."""

    width: int
    height: int
    start_us: int
    end_us: int
    y_ticks: list[float] = field(default_factory=list)

    def x(self, at_us: int) -> float:
        span = max(self.end_us - self.start_us, 1)
        return _LEFT + (at_us - self.start_us) / span * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return _TOP + (high - value) / (high - low) * (self.height - _TOP - _BOTTOM)


def draw_chart(chart: Chart, *, width: int = 720, height: int = 240) -> Markup:
    """Return ``chart`` as an ``<svg>`` element; without any value it says so."""
    known = [(at, value) for series in chart.series for at, value in series.points if _is_known(value)]
    identity = f"{chart.key}-{width}"
    head = Markup(
        '<svg class="chart" viewBox="0 0 {w} {h}" width="{w}" height="{h}" {font} role="img" '
        'aria-labelledby="{i}-t {i}-d">'
        '<title id="{i}-t">{title}</title><desc id="{i}-d">{description}</desc>'
    ).format(w=width, h=height, font=FONT, i=identity, title=chart.title, description=chart.description)
    if not known:
        middle = _text(width / 2, height / 2, "no data in this period", "chart-note", "middle")
        return head + middle + Markup("</svg>")
    frame = _frame(chart, known, width, height)
    parts = [
        *_grid(frame, chart.unit),
        *([] if chart.band is None else _band(frame, chart.band)),
        *([] if chart.ribbon is None else _ribbon(frame, chart.ribbon)),
        *(
            _line("chart-limit", _LEFT, frame.y(limit.value), width - _RIGHT, frame.y(limit.value))
            for limit in chart.limits
            if math.isfinite(limit.value)
        ),
        *_markers(frame, chart.markers),
        *(mark for series in chart.series for mark in _series(frame, series)),
    ]
    return head + Markup("").join(parts) + Markup("</svg>")


def draw_interval(low: float, value: float, high: float, *, good: bool | None, label: str, width: int = 180) -> Markup:
    """Return a difference with its interval as a small ``<svg>``; zero is in the middle, ``good`` picks the colour."""
    height, reach = 22, max(abs(low), abs(value), abs(high))
    if not math.isfinite(reach) or reach == 0:
        return Markup("")

    def x(amount: float) -> float:
        return width / 2 + amount / reach * (width / 2 - 8)

    tone = "chart-even" if good is None else "chart-good" if good else "chart-bad"
    return Markup(
        '<svg class="interval" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
        '{zero}{bar}<circle {tone} cx="{cx:.1f}" cy="{cy:.1f}" r="4"/></svg>'
    ).format(
        w=width,
        h=height,
        label=label,
        zero=_line("chart-axis", width / 2, 1, width / 2, height - 1),
        bar=_line(f"{tone} chart-interval", x(low), height / 2, x(high), height / 2),
        tone=ink_of(tone),
        cx=x(value),
        cy=height / 2,
    )


def draw_swatch(kind: str) -> Markup:
    """Return the sample of a legend for what is drawn as ``kind``, one of `Chart.legend`."""
    if kind == "chart-band":
        mark = Markup('<rect {} width="18" height="9"/>').format(ink_of(kind))
    else:
        mark = _line(kind, 1, 4.5, 17, 4.5)
    return Markup('<svg width="18" height="9" aria-hidden="true">{}</svg>').format(mark)


def _is_known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _frame(chart: Chart, known: Sequence[Point], width: int, height: int) -> _Frame:
    values = [value for _, value in known if value is not None]
    values += [limit.value for limit in chart.limits if math.isfinite(limit.value)]
    if chart.band is not None:
        values += [value for value in (chart.band.low, chart.band.high) if math.isfinite(value)]
    if chart.ribbon is not None:
        values += [value for _, low, high in chart.ribbon.points for value in (low, high) if math.isfinite(value)]
    if chart.from_zero:
        values.append(0.0)
    times = [at_us for series in chart.series for at_us, _ in series.points]
    times += [marker.at_us for marker in chart.markers]
    return _Frame(width, height, min(times), max(times), number_ticks(min(values), max(values)))


def _grid(frame: _Frame, unit: str) -> Iterable[Markup]:
    for tick in frame.y_ticks:
        yield _line("chart-grid", _LEFT, frame.y(tick), frame.width - _RIGHT, frame.y(tick))
        yield _text(_LEFT - 8, frame.y(tick) + 4, number_text(tick), "chart-tick", "end")
    if unit:
        yield _text(4, 12, unit, "chart-tick", "start")
    base = frame.height - _BOTTOM
    yield _line("chart-axis", _LEFT, base, frame.width - _RIGHT, base)
    most = max(2, (frame.width - _LEFT - _RIGHT) // 80)
    for at_us, label in time_ticks(frame.start_us, frame.end_us, most):
        x, half = frame.x(at_us), len(label) * _CHAR_PX / 2
        yield _line("chart-axis", x, base, x, base + 4)
        yield _text(min(x, frame.width - half - 1), base + 18, label, "chart-tick", "middle")


def _band(frame: _Frame, band: Band) -> Iterable[Markup]:
    if not (math.isfinite(band.low) and math.isfinite(band.high)):
        return
    top, bottom = frame.y(band.high), frame.y(band.low)
    yield Markup('<rect {} x="{}" y="{:.1f}" width="{}" height="{:.1f}"/>').format(
        ink_of("chart-band"), _LEFT, top, frame.width - _LEFT - _RIGHT, max(bottom - top, 1.0)
    )
    if band.middle is not None and math.isfinite(band.middle):
        yield _line("chart-middle", _LEFT, frame.y(band.middle), frame.width - _RIGHT, frame.y(band.middle))


def _ribbon(frame: _Frame, ribbon: Ribbon) -> Iterable[Markup]:
    known = [(at, low, high) for at, low, high in ribbon.points if math.isfinite(low) and math.isfinite(high)]
    if len(known) < 2:
        return
    edge = [(at, high) for at, _, high in known] + [(at, low) for at, low, _ in reversed(known)]
    path = " ".join(f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in edge)
    yield Markup('<polygon {} points="{}"/>').format(ink_of("chart-band"), path)


def _markers(frame: _Frame, markers: Sequence[Marker]) -> Iterable[Markup]:
    free_from = -math.inf
    for marker in sorted(markers, key=lambda marker: marker.at_us):
        x, room = frame.x(marker.at_us), len(marker.name) * _CHAR_PX
        yield _line("chart-marker", x, _TOP - 6, x, frame.height - _BOTTOM)
        left = min(x, frame.width - room - 2)
        if left < free_from:
            continue  # names would lie on each other; the timeline has them all
        yield _text(left, _TOP - 10, marker.name, "chart-marker-name", "start")
        free_from = left + room + 8


def _series(frame: _Frame, series: Series) -> Iterable[Markup]:
    for run in _runs(_thinned(series.points)):
        pixels = [(frame.x(at_us), frame.y(value)) for at_us, value in run]
        if len(pixels) == 1:
            x, y = pixels[0]
            dot = ink_of(f"chart-{series.tone}-dot")
            yield Markup('<circle {} cx="{:.1f}" cy="{:.1f}" r="3"/>').format(dot, x, y)
            continue
        path = f"M{pixels[0][0]:.1f} {pixels[0][1]:.1f}"
        for x, y in pixels[1:]:
            path += f"H{x:.1f}V{y:.1f}" if series.kind == "step" else f"L{x:.1f} {y:.1f}"
        yield Markup('<path {} d="{}"/>').format(ink_of(f"chart-{series.tone}"), path)


def _runs(points: Sequence[Point]) -> Iterable[list[tuple[int, float]]]:
    """Split at gaps."""
    run: list[tuple[int, float]] = []
    for at_us, value in points:
        if value is not None and math.isfinite(value):
            run.append((at_us, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Keep each bucket's lowest and highest value, so that a spike stays visible among a million points."""
    if len(points) <= _MAX_POINTS:
        return points
    size = math.ceil(len(points) / (_MAX_POINTS // 2))
    kept: list[Point] = []
    for start in range(0, len(points), size):
        bucket = [
            (at, value) for at, value in points[start : start + size] if value is not None and math.isfinite(value)
        ]
        if bucket:
            kept += sorted({min(bucket, key=lambda point: point[1]), max(bucket, key=lambda point: point[1])})
        else:
            kept.append(points[start])
    return kept


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup('<line {} x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(ink_of(kind), x1, y1, x2, y2)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return Markup('<text {} x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        ink_of(kind), x, y, anchor, escape(text)
    )
