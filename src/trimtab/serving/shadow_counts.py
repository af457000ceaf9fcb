"""What became of the copies that shadow variants got, in requests, by generation: what a rollout judges them by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from trimtab.serving.counting import Count

__all__ = ["CopyTally", "ShadowCounts", "ShadowLedgers"]

_KEPT_GENERATIONS: Final = 8


class ShadowCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What one server process made of the copies of requests for one shadow in one generation. It only grows.

    ``answered``: and recorded, where the endpoint records. ``failed``: the shadow could not answer. ``dropped``: it was
    not asked, or its answer could not be recorded, for want of room.
    """

    series: str
    generation: int
    variant: str
    answered: int
    failed: int
    dropped: int


@dataclass(frozen=True, slots=True)
class CopyTally:
    """Counts of one shadow in one generation; ``unasked`` and ``unrecorded`` belong to two threads."""

    answered: Count = field(default_factory=Count)
    failed: Count = field(default_factory=Count)
    unrecorded: Count = field(default_factory=Count)
    unasked: Count = field(default_factory=Count)


class ShadowLedgers:
    """The counts of one process, of the newest generations of each endpoint. May be asked from any thread."""

    def __init__(self, series: str = "") -> None:
        """``series`` names the process, unlike any before it."""
        self._series = series
        self._tallies: dict[tuple[str, int, str], CopyTally] = {}

    def of(self, endpoint: str, generation: int, variant: str) -> CopyTally:
        """Return the counts of a shadow in a generation: the same each time."""
        key = endpoint, generation, variant
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies.setdefault(key, CopyTally())
            self._forget(endpoint)
        return found

    def counts(self, endpoint: str) -> tuple[ShadowCounts, ...]:
        """Return what was counted for an endpoint."""
        # A copy: a thread may enter a generation meanwhile.
        return tuple(
            ShadowCounts(
                series=self._series,
                generation=generation,
                variant=variant,
                answered=int(tally.answered.value),
                failed=int(tally.failed.value),
                dropped=int(tally.unrecorded.value + tally.unasked.value),
            )
            for (name, generation, variant), tally in list(self._tallies.items())
            if name == endpoint
        )

    def by_endpoint(self) -> dict[str, tuple[ShadowCounts, ...]]:
        """Return what was counted for each endpoint that had shadows."""
        return {name: self.counts(name) for name in {name for name, _, _ in list(self._tallies)}}

    def _forget(self, endpoint: str) -> None:
        generations = sorted({generation for name, generation, _ in list(self._tallies) if name == endpoint})
        for key in list(self._tallies):
            if key[0] == endpoint and key[1] in generations[:-_KEPT_GENERATIONS]:
                self._tallies.pop(key, None)
