"""How many outcomes belong to no answered row: counted anew only when records or outcomes have come."""

from __future__ import annotations

from trimtab.core.errors import TrimtabError
from trimtab.lake.truth_counts import TruthCounts, count_truths
from trimtab.lake.zones import Lake

__all__ = ["Unmatched"]

_MOST_ROWS = 1_000_000


class Unmatched:
    """Remembers the last count of each endpoint. Safe to call from several threads: at worst it is counted twice."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int], TruthCounts]] = {}

    def of(self, lake: Lake, endpoint: str, *, records: int, truths: int) -> TruthCounts | None:
        """Return the counts of the outcomes that name ``endpoint``, which has so many ``records`` and ``truths`` now.

        None where there is nothing to count, or too much to count in passing (`truths.show` does it), or the lake
        cannot be read now.
        """
        if not truths or records + truths > _MOST_ROWS:
            return None
        stamp, counts = self._known.get(endpoint, (None, None))
        if stamp == (records, truths):
            return counts
        try:
            counts = count_truths(lake, endpoint)
        except (TrimtabError, OSError):
            # How everything stands must be told above all when something does not work.
            return None
        self._known[endpoint] = ((records, truths), counts)
        return counts
