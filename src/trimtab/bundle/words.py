"""How a text is cut into words, and how the terms of a dictionary are counted in it: alike in training and serving."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_TEXT", "TermCounter", "terms_in", "words_in"]

MAX_TEXT: Final = 20_000
"""Characters of a text that are read; what follows them is not."""

_MAX_WORD: Final = 40
_WORD: Final = re.compile(r"\w+(?:'\w+)*")


def words_in(text: str) -> list[str]:
    """Return the words of ``text`` in order: lower case, compatibility forms made one (NFKC), apostrophes kept inside.

    Words are cut after 40 characters.

    >>> words_in("The ﬁsh isn’t FRESH… 2×")
    ['the', 'fish', "isn't", 'fresh', '2']
    """
    # Cut before and after: one character may become eighteen.
    plain = unicodedata.normalize("NFKC", text[:MAX_TEXT])[:MAX_TEXT].lower().replace("’", "'")
    return [word[:_MAX_WORD] for word in _WORD.findall(plain)]


def terms_in(words: Sequence[str]) -> Iterator[str]:
    """Yield the words, and the pairs of neighbouring words.

    >>> list(terms_in(["not", "good"]))
    ['not', 'good', 'not good']
    """
    yield from words
    for first, second in pairwise(words):
        yield f"{first} {second}"


class TermCounter:
    """Counts the terms of one text column. Holds no state that changes; threads may share one."""

    def __init__(self, terms: Sequence[str]) -> None:
        self._places = {term: place for place, term in enumerate(terms, start=1)}
        self._has_pairs = any(" " in term for term in terms)

    @property
    def width(self) -> int:
        """1 + T."""
        return 1 + len(self._places)

    def count(self, texts: Sequence[str | None]) -> NDArray[np.float32]:
        """Return ``(n, 1 + T)``: the number of words (NaN for None), and how often each term occurs.

        >>> TermCounter(["bad", "not bad"]).count(["Not bad, not BAD at all", None]).tolist()
        [[6.0, 2.0, 2.0], [nan, 0.0, 0.0]]
        """
        counts = np.zeros((len(texts), self.width), dtype=np.float32)
        places = self._places
        for row, text in enumerate(texts):
            if text is None:
                counts[row, 0] = np.nan
                continue
            words = words_in(text)
            counts[row, 0] = len(words)
            for term in terms_in(words) if self._has_pairs else words:
                place = places.get(term)
                if place is not None:
                    counts[row, place] += 1
        return counts
