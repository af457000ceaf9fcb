from __future__ import annotations

import numpy as np

from trimtab.profiles.null import Null
from trimtab.profiles.null_cache import NullCache


def null_of(windows: int) -> Null:
    empty = np.zeros((windows, 1))
    return Null(("x",), empty, empty, {}, {}, 1.0, 1.0, np.ones(1))


def test_a_null_is_made_once_and_the_one_asked_for_longest_ago_goes_first() -> None:
    made: list[str] = []

    def get(cache: NullCache, key: str, windows: int = 100) -> Null:
        def make() -> Null:
            made.append(key)
            return null_of(windows)

        return cache.get(key, make)

    size = null_of(100).size_bytes
    cache = NullCache(2 * size)
    first = get(cache, "a")
    get(cache, "b")
    assert get(cache, "a") is first
    get(cache, "c")
    assert cache.size_bytes == 2 * size
    assert get(cache, "a") is first
    get(cache, "b")
    assert made == ["a", "b", "c", "b"]


def test_what_is_too_large_is_returned_and_not_kept() -> None:
    cache = NullCache(1000)
    assert len(cache.get("large", lambda: null_of(10_000)).distances) == 10_000
    assert cache.size_bytes == 0
