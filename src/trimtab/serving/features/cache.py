"""What a feature source said a moment ago, for as many entities as may be."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from trimtab.serving.features.base import FeatureValue

__all__ = ["FeatureCache"]

_MOST_TEXT: Final = 4096
"""Rows with more characters than that are asked for each time: entities are counted, and not bytes."""

Row = Mapping[str, FeatureValue | None]


class FeatureCache:
    """Rows by entity, each for ``keep_s`` after it was read; of more than ``most``, the longest unused goes first."""

    def __init__(self, keep_s: float, most: int, now_s: Callable[[], float] = time.monotonic) -> None:
        self._keep_s = keep_s
        self._most = most
        self._now_s = now_s
        self._rows: OrderedDict[tuple[str, ...], tuple[float, Row]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many entities it holds."""
        return len(self._rows)

    def get(self, entity: tuple[str, ...]) -> Row | None:
        """Return what was read of an entity lately; None: nothing."""
        found = self._rows.get(entity)
        if found is None:
            return None
        if self._now_s() >= found[0]:
            del self._rows[entity]
            return None
        self._rows.move_to_end(entity)
        return found[1]

    def put(self, entity: tuple[str, ...], row: Row) -> None:
        """Keep what was just read of an entity."""
        if _text_in(row) > _MOST_TEXT:
            self._rows.pop(entity, None)
            return
        # A copy: what a package returns is its own, and may change.
        self._rows[entity] = self._now_s() + self._keep_s, dict(row)
        self._rows.move_to_end(entity)
        if len(self._rows) > self._most:
            self._rows.popitem(last=False)


def _text_in(row: Row) -> int:
    # Others' code may return anything in a row: what is no value is told as such where it is used.
    values: list[object] = [getattr(one, "value", one) for one in row.values()]
    return sum(len(value) for value in values if isinstance(value, (str, bytes, list, dict)))
