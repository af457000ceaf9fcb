"""Draws where an answer or a version comes from: sources, snapshot, training, version, answer, from left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import escape

from trimtab.core.canonical import JsonObject
from trimtab.reports.wording import time_text

__all__ = ["draw_lineage"]

_BOX_W, _LINE_H, _GAP_X, _GAP_Y, _PAD = 216, 16, 46, 14, 12
_LINE_CHARS: Final = 29
_MOST_SOURCES: Final = 6
_STYLE: Final = """
svg{font:11.5px system-ui,DejaVu Sans,sans-serif;background:#fff;color:#1a2330}
rect{fill:#f4f6f9;stroke:#aab3c0}.gap{stroke:#b3261e;stroke-dasharray:5 3}
text{fill:#1a2330}.head{font-weight:600}path{fill:none;stroke:#566173;stroke-width:1.4}
@media (prefers-color-scheme:dark){svg{background:#10151c}rect{fill:#1a222d;stroke:#3b4758}.gap{stroke:#ff8a80}
text{fill:#e6ebf2}path{stroke:#8b98a9}}
"""


@dataclass(frozen=True, slots=True)
class _Box:
    head: str
    lines: tuple[str, ...] = ()
    is_gap: bool = False

    @property
    def height(self) -> int:
        return _PAD * 2 + _LINE_H * (1 + len(self.lines)) - 4


def draw_lineage(found: JsonObject) -> str:
    """Return an SVG document of what `trimtab.loop.lineage` found; what is missing has a dashed frame."""
    columns = [column for column in _columns(found) if column]
    heights = [sum(box.height for box in column) + _GAP_Y * (len(column) - 1) for column in columns]
    height, width = max(heights) + 2 * _GAP_Y, len(columns) * (_BOX_W + _GAP_X) - _GAP_X + 2 * _GAP_Y
    parts: list[str] = []
    before: list[tuple[float, float]] = []
    for number, (column, tall) in enumerate(zip(columns, heights, strict=True)):
        x, y = _GAP_Y + number * (_BOX_W + _GAP_X), (height - tall) / 2
        middles = []
        for box in column:
            parts.append(_drawn(box, x, y))
            middles.append((float(x), y + box.height / 2))
            y += box.height + _GAP_Y
        parts += [_arrow(start, end) for start in before for end in middles]
        before = [(left + _BOX_W, middle) for left, middle in middles]
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8"/></marker></defs>'
    )
    title = escape(f"Lineage of {_name_of(found)}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" width="{width}" height="{height:g}" '
        f'role="img"><title>{title}</title><style>{_STYLE}</style>{marker}{"".join(parts)}</svg>\n'
    )


def _name_of(found: JsonObject) -> str:
    prediction = found["prediction"]
    if prediction is not None:
        return f"prediction {prediction['prediction_id']}"
    return f"{found['model']}@{found['version']['number']}"


def _columns(found: JsonObject) -> list[list[_Box]]:
    version, training, data = found["version"], found["training"], found["data"]
    sources = _sources(found["sources"])
    gap = _Box("not known here", is_gap=True)
    known = version is not None
    return [
        sources,
        [_snapshot(data)] if data is not None else ([gap] if known else []),
        [_training(training)] if training is not None else [],
        [_version(found, version)] if known else [gap],
        _people(found["agreement"]),
        _answer(found),
    ]


def _sources(sources: Sequence[Any]) -> list[_Box]:
    boxes = [
        _Box(f"answers of {source['endpoint']}", (f"{source['rows']} labelled rows",))
        if source["kind"] == "production"
        else _Box(
            str(source["name"]),
            (f"{source['rows_passed']} of {source['rows']} rows", f"{time_text(source['received_us'])}"),
        )
        for source in sources[:_MOST_SOURCES]
    ]
    more = len(sources) - len(boxes)
    return [*boxes, _Box(f"and {more} more files")] if more > 0 else boxes


def _snapshot(data: JsonObject) -> _Box:
    lines = [str(data["dataset_hash"])[:16], f"{data['rows']} rows"]
    if data["span_start_us"] is not None:
        lines += [time_text(data["span_start_us"]), f"to {time_text(data['span_end_us'])}"]
    return _Box("snapshot", tuple(lines))


def _training(training: JsonObject) -> _Box:
    return _Box(
        "training",
        (
            f"asked by {training['asked_by'] or 'nobody known'}",
            f"code {str(training['git_commit'] or 'not known')[:12]}",
            f"configuration {str(training['config_hash'] or '?')[:12]}",
            f"MLflow run {str(training['run_id'] or 'none')[:12]}",
        ),
    )


def _version(found: JsonObject, version: JsonObject) -> _Box:
    verified = "verified" if version["bundle_verified"] else "not verified"
    lines = (version["algorithm"], f"bundle {version['digest'][:12]}", verified)
    return _Box(f"{found['model']}@{version['number']}", lines, is_gap=not version["bundle_verified"])


def _people(agreement: JsonObject | None) -> list[_Box]:
    if agreement is None:
        return []
    granted = dict.fromkeys(action["granted_by"] for action in agreement["actions"] if action["granted_by"])
    lines = [f"by {agreement['decided_by']}", time_text(agreement["decided_us"])]
    return [_Box("agreed", (*lines, *(f"release granted by {name}" for name in granted)))]


def _answer(found: JsonObject) -> list[_Box]:
    prediction, served = found["prediction"], found["served"]
    if prediction is None:
        return []
    lines = [str(prediction["row"].get("prediction")), time_text(prediction["row"]["received_us"])]
    if served is not None:
        lines.append(f"generation {served['generation']}")
    return [_Box(f"answer of {prediction['endpoint']}", tuple(lines), is_gap=served is None)]


def _drawn(box: _Box, x: float, y: float) -> str:
    kind = ' class="gap"' if box.is_gap else ""
    return (
        f'<rect{kind} x="{x}" y="{y:g}" width="{_BOX_W}" height="{box.height}" rx="6"/>'
        + _text(box.head, x, y, ' class="head"')
        + "".join(_text(line, x, y + number * _LINE_H) for number, line in enumerate(box.lines, start=1))
    )


def _text(line: str, x: float, y: float, kind: str = "") -> str:
    short = line if len(line) <= _LINE_CHARS else f"{line[: _LINE_CHARS - 1]}…"
    return f'<text{kind} x="{x + _PAD}" y="{y + _PAD + 10:g}">{escape(short)}</text>'


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    bend = start[0] + _GAP_X / 2
    return (
        f'<path d="M{start[0]:g} {start[1]:g}C{bend:g} {start[1]:g} {bend:g} {end[1]:g} {end[0]:g} {end[1]:g}" '
        'marker-end="url(#tip)"/>'
    )
