"""Buckets of durations: 16 an octave, so that a bucket is at most 6.25 % wide whatever the durations are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAILED", "bucket_of", "buckets_of", "lower_edge_ns"]

_FRACTION_BITS = 4
_MAX_BITS = 63

FAILED = (_MAX_BITS + 1) << _FRACTION_BITS
"""The last bucket, slower than every duration: where a request stands that gave no answer."""


def bucket_of(duration_ns: int) -> int:
    """Return the bucket of a duration: its number of bits, then the four bits after the first one.

    A duration below 0 counts as 0, one beyond 2⁶³ ns as the longest below `FAILED`.

    >>> bucket_of(1_000_000), bucket_of(1_030_000), bucket_of(1_200_000)
    (334, 335, 338)
    """
    duration_ns = min(max(duration_ns, 0), (1 << _MAX_BITS) - 1)
    bits = duration_ns.bit_length()
    shift = bits - 1 - _FRACTION_BITS
    fraction = duration_ns >> shift if shift >= 0 else duration_ns << -shift
    return bits << _FRACTION_BITS | fraction & 15


def buckets_of(durations_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bucket of each of many durations; the same as `bucket_of` of each.

    >>> buckets_of(np.array([1_000_000, 1_030_000, 1_200_000])).tolist()
    [334, 335, 338]
    """
    durations_ns = np.maximum(durations_ns, 0)
    bits = np.frexp(durations_ns.astype(np.float64))[1].astype(np.int64)
    # The nearest float of a duration beyond 2^53 may be the power of two above it.
    bits -= (durations_ns >> np.maximum(bits - 1, 0) == 0) & (durations_ns > 0)
    shift = bits - 1 - _FRACTION_BITS
    fraction = np.where(shift >= 0, durations_ns >> np.maximum(shift, 0), durations_ns << np.maximum(-shift, 0))
    return bits << _FRACTION_BITS | fraction & 15


def lower_edge_ns(bucket: int) -> int:
    """Return the shortest duration whose bucket is ``bucket`` or a later one, in ns; 0 for 0 and below.

    >>> lower_edge_ns(bucket_of(1_000_000)), lower_edge_ns(bucket_of(1_000_000) + 1)
    (983040, 1015808)
    """
    bits, fraction = bucket >> _FRACTION_BITS, bucket & 15
    if bits <= 0:
        return 0 if bucket <= 0 else 1
    shift = bits - 1 - _FRACTION_BITS
    mantissa = 16 + fraction
    return mantissa << shift if shift >= 0 else -(-mantissa >> -shift)
