"""Turns a report's data into one self-contained HTML file."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trimtab.reports.svg import draw_chart, draw_interval, draw_swatch
from trimtab.reports.wording import number_text, share_text, span_text, time_text

__all__ = ["render"]

_TEMPLATES = Path(__file__).parent / "templates"
_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def render(template: str, **values: object) -> str:
    """Return ``template`` (a name below ``templates/``) filled with ``values``; all of them are escaped.

    Characters that no page may hold (controls, halves of surrogate pairs) are replaced: what a table's sender wrote
    would otherwise end the page there, or could not be written as UTF-8.
    """
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", _environment().get_template(template).render(**values))


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
    environment.globals |= {"draw_chart": draw_chart, "draw_interval": draw_interval, "draw_swatch": draw_swatch}
    return environment
