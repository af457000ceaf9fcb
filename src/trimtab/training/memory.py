"""How much memory a training needs: so that it is refused before it is killed."""

from __future__ import annotations

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import DataContractError
from trimtab.training.calendar_parts import CalendarPart

__all__ = ["TEXT_BYTES", "check_memory", "design_width", "terms_that_fit"]

TEXT_BYTES = 1 << 30
"""Memory that the counts of all text columns together may take; with more rows, fewer terms are counted."""

_DESIGN_COPIES = 2.5
"""Copies of the matrix that an estimator sees, while one is fitted: ours, and what the library makes of it."""

_ENCODED_COPIES = 2


def design_width(features: tuple[Feature, ...]) -> int:
    """Return how many columns an estimator sees at most: numbers, terms, calendar parts and one for each category."""
    own = {ColumnKind.DATETIME: len(CalendarPart)}
    return sum(own.get(feature.kind, 1) + len(feature.terms) + len(feature.categories) for feature in features)


def terms_that_fit(wanted: int, rows: int, texts: int) -> int:
    """Return how many terms of each of ``texts`` columns can be counted in ``rows`` rows within `TEXT_BYTES`.

    >>> terms_that_fit(300, 1_000, 2), terms_that_fit(300, 1_000_000, 2)
    (300, 134)
    """
    return min(wanted, TEXT_BYTES // (4 * max(1, rows) * max(1, texts)))


def check_memory(manifest: Manifest, rows: int, table_bytes: int, available: int | None) -> None:
    """Refuse to learn from more than fits; ``available`` None: nothing is known of memory.

    Raises:
        DataContractError: the estimate lies above what is available.
    """
    if available is None:
        return
    width = design_width(manifest.features)
    encoded = rows * (4 * manifest.numeric_width + 8 * manifest.codes_width)
    needed = table_bytes + _ENCODED_COPIES * encoded + int(_DESIGN_COPIES * 4 * rows * width)
    if needed > available:
        raise DataContractError(
            f"training: {rows} rows of {width} columns (categories and terms counted) need about {needed / 1e9:.1f} GB "
            f"of memory, {available / 1e9:.1f} GB are free; lower max_categories or max_terms, set lookback, or ignore "
            "columns"
        )
