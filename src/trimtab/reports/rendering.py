"""Turns a report's data into one self-contained HTML file."""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trimtab.reports.svg import draw_chart, draw_interval, draw_swatch
from trimtab.reports.wording import number_text, share_text, span_text, time_text

__all__ = ["render", "title_in"]

_TEMPLATES = Path(__file__).parent / "templates"
_HEAD_CHARS: Final = 4_000
_TITLE: Final = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_UNSHOWN: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def render(template: str, **values: object) -> str:
    """Return ``template`` (a name below ``templates/``) filled with ``values``; all of them are escaped.

    Characters that no page may hold (controls, halves of surrogate pairs) are replaced: what a table's sender wrote
    would otherwise end the page there, or could not be written as UTF-8.
    """
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", _environment().get_template(template).render(**values))


def title_in(page: Path) -> str | None:
    """Return the title of a page that `render` made; None where none stands at its beginning.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is no page of ours.
    """
    with page.open(encoding="utf-8") as file:
        found = _TITLE.search(file.read(_HEAD_CHARS))
    return None if found is None else unescape(found.group(1)).strip()


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
