"""Which variant answers a request: by weight, and always the same one for the same sticky key."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import inf, log
from random import Random
from typing import Final

__all__ = ["Assigner", "sticky_hash"]

_BITS: Final = 64
_MASK: Final = 2**_BITS - 1


def sticky_hash(endpoint: str, key: str, salt: str = "") -> int:
    """Return 64 bits that depend on these only, so that a change of weights moves as few callers as it can.

    Whoever does not know ``salt``, of 64 bytes at most, cannot tell which keys have which hash.

    >>> sticky_hash("churn", "customer 7") == sticky_hash("churn", "customer 7")
    True
    """
    # The endpoint is in it so that two endpoints don't put the same people in their canaries.
    content, secret = (text.encode("utf-8", "replace") for text in (f"{endpoint}\0{key}", salt))
    return int.from_bytes(hashlib.blake2b(content, digest_size=8, key=secret).digest())


class Assigner:
    """Draws positions 0..n-1 of ``weights_pct``, which is by variant name, with chances in the ratio of the weights.

    By hash it is weighted rendezvous hashing [1]: each variant draws an exponential time with its weight as the rate,
    from hash and name, and the first one wins. So a change of weights moves a key from one variant to another only if
    the other gained in relation to it: with two variants these are exactly those who must move, and with more nobody
    is moved between variants that kept their ratio, as cutting the range into slices would. The order of the variants
    has no part in it; a variant that is renamed is another one.

    [1] C. Schindelhauer, G. Schomaker: Weighted distributed hash tables, SPAA 2005.

    >>> assigner = Assigner({"stable": Decimal(90), "canary": Decimal(10)}, Random(7))
    >>> hashes = [sticky_hash("churn", f"customer {number}") for number in range(1000)]
    >>> sum(assigner.by_hash(value) == 1 for value in hashes)
    100
    """

    def __init__(self, weights_pct: Mapping[str, Decimal], rng: Random) -> None:
        weights = [Fraction(weight) for weight in weights_pct.values()]
        total = sum(weights, Fraction(0))
        self._bounds: list[int] = []
        reached = Fraction(0)
        for weight in weights[:-1]:
            reached += weight
            self._bounds.append(int(reached * 2**_BITS / total))
        # A last variant of weight 0 has its bound at the very end, and so is never drawn.
        self.probabilities = tuple(float(weight / total) for weight in weights)
        self._only = next((place for place, weight in enumerate(weights) if weight == total), None)
        self._random_bits = rng.getrandbits
        self._runners = tuple(
            (place, sticky_hash("", name), float(weight))
            for place, (name, weight) in enumerate(zip(weights_pct, weights, strict=True))
            if weight
        )

    def at_random(self) -> int:
        """Return a position, drawn anew."""
        if self._only is not None:
            return self._only
        return bisect_right(self._bounds, self._random_bits(_BITS))

    def by_hash(self, value: int) -> int:
        """Return the position that belongs to a `sticky_hash`."""
        if self._only is not None:
            return self._only
        first, first_time = 0, inf
        for place, seed, weight in self._runners:
            time = -log(_unit(value ^ seed)) / weight
            if time < first_time:
                first, first_time = place, time
        return first


def _unit(bits: int) -> float:
    """Return a number in (0, 1) that looks independent of those for other bits: SplitMix64's last steps."""
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EB & _MASK
    return (((bits ^ (bits >> 31)) >> 11) + 0.5) * 2.0**-53
