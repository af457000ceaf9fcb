"""What charts are drawn with, for whoever does not apply the page's style sheet to them: printers, mail programs.

A browser's style sheet beats these attributes, so that a chart on the screen still follows light and dark.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from markupsafe import Markup

__all__ = ["FONT", "INKS", "ink_of"]

FONT: Final = Markup('font-family="system-ui, DejaVu Sans, sans-serif" font-size="11.5"')
"""Attributes of a drawing, which its texts inherit."""

_INK, _MUTED, _RULE = "#1a2330", "#566173", "#dfe3e9"
_MAIN, _SECOND, _OK, _BAD = "#0a62c4", "#7a4fc0", "#136f42", "#b3261e"

INKS: Mapping[str, str] = MappingProxyType(
    {
        "chart-grid": f'fill="none" stroke="{_RULE}" stroke-width="1"',
        "chart-axis": f'fill="none" stroke="{_MUTED}" stroke-width="1"',
        "chart-main": f'fill="none" stroke="{_MAIN}" stroke-width="2" stroke-linejoin="round"',
        "chart-second": (
            f'fill="none" stroke="{_SECOND}" stroke-width="2" stroke-linejoin="round" stroke-dasharray="2 4" '
            'stroke-linecap="round"'
        ),
        "chart-main-dot": f'fill="{_MAIN}"',
        "chart-second-dot": f'fill="{_SECOND}"',
        "chart-limit-dot": f'fill="{_BAD}"',
        "chart-band": f'fill="{_MAIN}" fill-opacity="0.11"',
        "chart-middle": f'fill="none" stroke="{_MAIN}" stroke-opacity="0.5" stroke-dasharray="1 4" stroke-width="1.5"',
        "chart-limit": f'fill="none" stroke="{_BAD}" stroke-dasharray="7 4" stroke-width="1.5"',
        "chart-marker": f'fill="none" stroke="{_INK}" stroke-width="1" stroke-dasharray="3 3" opacity="0.65"',
        "chart-marker-name": f'fill="{_INK}"',
        "chart-tick": f'fill="{_MUTED}"',
        "chart-note": f'fill="{_MUTED}"',
        "chart-interval": 'stroke-width="3" stroke-linecap="round"',
        "chart-good": f'stroke="{_OK}" fill="{_OK}"',
        "chart-bad": f'stroke="{_BAD}" fill="{_BAD}"',
        "chart-even": f'stroke="{_MUTED}" fill="{_MUTED}"',
    }
)
"""Presentation attributes by class, in the colours of the light style sheet."""


def ink_of(kinds: str) -> Markup:
    """Return ``kinds`` (classes, parted by spaces) as a ``class`` attribute, with what each is drawn with.

    Raises:
        KeyError: there is no such class.

    >>> print(ink_of("chart-tick"))
    class="chart-tick" fill="#566173"
    """
    # Only names from the table above get here: nothing of a user's.
    return Markup(" ").join([Markup(f'class="{kinds}"'), *(Markup(INKS[kind]) for kind in kinds.split())])
