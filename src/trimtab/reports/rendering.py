"""Turns a report's data into one self-contained HTML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trimtab.reports.svg import draw_chart, draw_interval
from trimtab.reports.wording import number_text, share_text, span_text, time_text

__all__ = ["render"]

_TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Return ``template`` (a name below ``templates/``) filled with ``values``; all of them are escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number_text, "share": share_text, "span": span_text, "time": time_text}
    environment.globals |= {"draw_chart": draw_chart, "draw_interval": draw_interval}
    return environment
