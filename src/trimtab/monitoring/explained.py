"""What the answers to rows hang on, then and now: what a monitor of attributions is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trimtab.monitoring.check import Window

__all__ = ["Explain", "Explained"]


@dataclass(frozen=True, slots=True, eq=False)
class Explained:
    """Contributions of each of ``features`` to single answers, as Shapley values of one background, ``(rows, F)``.

    ``then``: to rows that the version had not seen when it was made; ``now``: to rows of the window. Both drawn at
    random.
    """

    features: tuple[str, ...]
    then: NDArray[np.float64]
    now: NDArray[np.float64]


class Explain(Protocol):
    """Tells what the answers of one variant in a window hang on. The same window gets the same answer."""

    def __call__(self, window: Window) -> Explained:
        """Return the contributions.

        Raises:
            TrimtabError: the version cannot be asked, or was made without rows to compare with.
        """
