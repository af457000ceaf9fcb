"""Summary of a column of categories, text or booleans: how often each value occurs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from trimtab.core.errors import DataContractError

__all__ = ["MAX_LENGTH", "MAX_VALUES", "CategoryProfile", "CategoryWire"]

MAX_VALUES = 1024
"""Distinct values that are counted exactly; with more, the most frequent ones are kept."""

MAX_LENGTH = 200
"""Longer values are cut to this many characters."""


class CategoryWire(msgspec.Struct, frozen=True, array_like=True, tag="c"):
    """A `CategoryProfile` as bytes hold it."""

    count: int
    missing: int
    error: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class CategoryProfile:
    """What is kept of a column of categories.

    ``count`` values, ``missing`` ones; ``counts`` of each value. Up to `MAX_VALUES` distinct values it is exact, and
    ``error`` is 0. Beyond, it is a Misra–Gries summary, merged as in [1]: a count may be too low by up to ``error`` ≤
    count / `MAX_VALUES`, never too high, and a value that is absent occurred at most ``error`` times. Values longer
    than 200 characters are cut.

    [1] P. K. Agarwal et al., "Mergeable summaries", PODS 2012.
    """

    count: int
    missing: int
    counts: Mapping[str, int]
    error: int = 0

    @staticmethod
    def of(values: Sequence[str | None]) -> CategoryProfile:
        """Return the profile of ``values``, None meaning missing.

        >>> CategoryProfile.of(["a", "b", "a", None])
        CategoryProfile(count=3, missing=1, counts={'a': 2, 'b': 1}, error=0)
        """
        counted = Counter(values)
        missing = counted.pop(None, 0)
        return CategoryProfile.of_counts({str(value): number for value, number in counted.items()}, missing)

    @staticmethod
    def of_counts(counts: Mapping[str, int], missing: int) -> CategoryProfile:
        """Return the profile of values that were counted already."""
        short: Counter[str] = Counter()
        for value, number in counts.items():
            short[value if len(value) <= MAX_LENGTH else value[: MAX_LENGTH - 1] + "…"] += number
        return _trimmed(sum(short.values()), missing, dict(short), 0)

    @staticmethod
    def merged(parts: Sequence[CategoryProfile]) -> CategoryProfile:
        """Return the profile of all rows of ``parts`` together."""
        counts: Counter[str] = Counter()
        for part in parts:
            counts.update(part.counts)
        return _trimmed(
            sum(part.count for part in parts),
            sum(part.missing for part in parts),
            dict(counts),
            sum(part.error for part in parts),
        )

    @property
    def rows(self) -> int:
        """All rows, present or not."""
        return self.count + self.missing

    @property
    def uncounted(self) -> int:
        """Rows whose value is not among ``counts``."""
        return self.count - sum(self.counts.values())

    def to_wire(self) -> CategoryWire:
        """Return what is written."""
        return CategoryWire(self.count, self.missing, self.error, dict(self.counts))

    @staticmethod
    def from_wire(wire: CategoryWire) -> CategoryProfile:
        """Return the profile that was written.

        Raises:
            DataContractError: counts are negative, too many, or more than ``count``.
        """
        numbers = (wire.count, wire.missing, wire.error, *wire.counts.values())
        if min(numbers) < 0 or len(wire.counts) > MAX_VALUES or sum(wire.counts.values()) > wire.count:
            raise DataContractError(
                f"profile: {len(wire.counts)} values counted in {wire.count} rows; expected at most {MAX_VALUES} "
                "values and no count beyond the rows; build the profile anew"
            )
        return CategoryProfile(wire.count, wire.missing, wire.counts, wire.error)


def _trimmed(count: int, missing: int, counts: dict[str, int], error: int) -> CategoryProfile:
    """Keep `MAX_VALUES` values, taking the next one's count off all (so that the bound on the error holds)."""
    if len(counts) > MAX_VALUES:
        off = sorted(counts.values(), reverse=True)[MAX_VALUES]
        counts = {value: number - off for value, number in counts.items() if number > off}
        error += off
    return CategoryProfile(count, missing, dict(sorted(counts.items())), error)
