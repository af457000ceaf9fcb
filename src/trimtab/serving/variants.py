"""Which variant answers a request: by weight, and always the same one for the same sticky key."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Final

__all__ = ["Assigner", "sticky_hash"]

_BITS: Final = 64


def sticky_hash(endpoint: str, key: str) -> int:
    """Return 64 bits that depend on endpoint and key only, so that a change of weights moves as few callers as it can.

    >>> sticky_hash("churn", "customer 7") == sticky_hash("churn", "customer 7")
    True
    """
    # The endpoint is in it so that two endpoints don't put the same people in their canaries.
    return int.from_bytes(hashlib.blake2b(f"{endpoint}\0{key}".encode("utf-8", "replace"), digest_size=8).digest())


class Assigner:
    """Draws positions 0..n-1 with chances in the ratio of ``weights_pct``, exactly to 2⁻⁶⁴.

    >>> assigner = Assigner([Decimal(90), Decimal(10)], Random(7))
    >>> assigner.by_hash(0), assigner.by_hash(2**64 - 1)
    (0, 1)
    """

    def __init__(self, weights_pct: Sequence[Decimal], rng: Random) -> None:
        total = sum((Fraction(weight) for weight in weights_pct), Fraction(0))
        self._bounds: list[int] = []
        reached = Fraction(0)
        for weight in weights_pct[:-1]:
            reached += Fraction(weight)
            self._bounds.append(int(reached * 2**_BITS / total))
        # A last variant of weight 0 has its bound at the very end, and so is never drawn.
        self.probabilities = tuple(float(Fraction(weight) / total) for weight in weights_pct)
        self._only = next((place for place, weight in enumerate(weights_pct) if Fraction(weight) == total), None)
        self._random_bits = rng.getrandbits

    def at_random(self) -> int:
        """Return a position, drawn anew."""
        if self._only is not None:
            return self._only
        return bisect_right(self._bounds, self._random_bits(_BITS))

    def by_hash(self, value: int) -> int:
        """Return the position that belongs to a `sticky_hash`."""
        if self._only is not None:
            return self._only
        return bisect_right(self._bounds, value)
