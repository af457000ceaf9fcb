"""Checks the bytes of a KLL sketch before the library reads them: it trusts offsets that they hold."""

from __future__ import annotations

import itertools
import struct
from functools import cache

import numpy as np

from trimtab.core.errors import DataContractError

__all__ = ["checked_sketch"]

_FAMILY, _LEVEL_MIN = 15, 8
_FLAG_EMPTY, _FLAG_SINGLE = 1, 4
_MAX_LEVELS = 40
_HEAD = struct.Struct("<BBBBHBx")  # preamble size in ints, layout, family, flags, k, m
_FULL = struct.Struct("<QHBx")  # n, smallest k merged, number of levels


def checked_sketch(content: bytes, *, k: int, count: int) -> bytes:
    """Return ``content`` when it is the sound form of a KLL sketch of doubles with size ``k`` and ``count`` values.

    A crafted or damaged sketch could otherwise write outside its memory. Checked are sizes, the offsets of all
    levels, that the levels' weights sum to ``count``, and that values are finite, within the extremes, and ascending
    where the library takes that for granted. The layout is DataSketches' serialization 1 and 2.

    Raises:
        DataContractError: it is not.
    """
    if not _is_sound(content, k, count):
        raise DataContractError(f"profile: damaged sketch of {len(content)} bytes; build the profile anew")
    return content


def _is_sound(content: bytes, k: int, count: int) -> bool:
    if len(content) < _HEAD.size:
        return False
    ints, layout, family, flags, found_k, smallest = _HEAD.unpack_from(content)
    if (family, found_k, smallest) != (_FAMILY, k, _LEVEL_MIN):
        return False
    if flags & _FLAG_EMPTY:
        return count == 0 and (ints, layout) == (2, 1) and len(content) == _HEAD.size
    if flags & _FLAG_SINGLE:
        held = (ints, layout) == (2, 2) and len(content) == _HEAD.size + 8
        return count == 1 and held and bool(np.isfinite(np.frombuffer(content, "<f8", 1, _HEAD.size)[0]))
    return (ints, layout) == (5, 1) and _is_sound_body(content, k, count, level_zero_sorted=bool(flags & 2))


def _is_sound_body(content: bytes, k: int, count: int, *, level_zero_sorted: bool) -> bool:
    start = _HEAD.size + _FULL.size
    if len(content) < start:
        return False
    rows, smallest_k, levels = _FULL.unpack_from(content, _HEAD.size)
    if rows != count or count < 1 or smallest_k != k or not 1 <= levels <= _MAX_LEVELS:
        return False
    if len(content) < start + 4 * levels + 16:
        return False
    edges = (*struct.unpack_from(f"<{levels}I", content, start), _capacity(k, levels))
    sizes = [after - before for before, after in itertools.pairwise(edges)]
    if min(sizes) < 0 or sum(size << level for level, size in enumerate(sizes)) != count:
        return False
    retained = sum(sizes)
    if retained < 1 or len(content) != start + 4 * levels + 16 + 8 * retained:
        return False
    values = np.frombuffer(content, "<f8", retained + 2, start + 4 * levels)
    low, high, items = values[0], values[1], values[2:]
    if not np.isfinite(values).all() or items.min() < low or items.max() > high:
        return False
    ascending = items[1:] >= items[:-1]
    # A step from one level to the next may go down, and level 0 is sorted only where the flag says so.
    for edge in edges[1:-1]:
        if 0 < edge - edges[0] <= len(ascending):
            ascending[edge - edges[0] - 1] = True
    if not level_zero_sorted:
        ascending[: max(sizes[0] - 1, 0)] = True
    return bool(ascending.all())


@cache
def _capacity(k: int, levels: int) -> int:
    """Return how many values a sketch with so many levels has room for: ``k (2/3)^depth`` each, at least 8."""
    return sum(max(_LEVEL_MIN, (((2 * k) << depth) // 3**depth + 1) >> 1) for depth in range(levels))
