"""What each version would have lost on each labelled period, by blocks: the evidence that retraining is weighed on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["PeriodLoss", "VersionLosses", "block_sums", "spread"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PeriodLoss:
    """The loss of one series of answers on the labelled rows of one decision period.

    ``blocks`` are sums of row losses over equal spans of the period, which all series of the period are cut into
    alike: so any two of them can be compared in pairs. ``hardness`` is the loss that the best constant answer has on
    the same rows: how hard the period was.
    """

    start_us: int
    end_us: int
    rows: int
    blocks: tuple[float, ...]
    hardness: float = 0.0

    @property
    def total(self) -> float:
        """The sum of the row losses."""
        return float(sum(self.blocks))


@dataclass(frozen=True, slots=True)
class VersionLosses:
    """A version's ledger: its own ``answers`` and those of its twins, by the start of the period.

    Only periods after what the version has learnt from are there.
    """

    version: int
    answers: Mapping[int, PeriodLoss]
    twins: Mapping[str, Mapping[int, PeriodLoss]] = field(default_factory=dict)


def block_sums(losses: Floats, at_us: NDArray[np.int64], *, start_us: int, end_us: int, blocks: int) -> Floats:
    """Return the sums (blocks,) of row losses (n,) over equal spans of ``start_us`` ≤ time < ``end_us``.

    The order of the rows changes nothing. A NaN loss counts as none.

    >>> import numpy as np
    >>> block_sums(np.array([1.0, 2, 4]), np.array([0, 9, 5]), start_us=0, end_us=10, blocks=2)
    array([1., 6.])
    """
    places = (at_us - start_us) * blocks // max(end_us - start_us, 1)
    # Sums of floats hang on their order: sorted, the same rows give the same sum however they came.
    order = np.lexsort((losses, places))
    cells = np.clip(places[order], 0, blocks - 1)
    return np.bincount(cells, np.nan_to_num(losses[order]), blocks).astype(np.float64)


def spread(blocks: Floats) -> float:
    """Return the standard error of the sum of block differences, √(B / (B − 1) · Σ(d − d̄)²); infinite for one block.

    >>> import numpy as np
    >>> spread(np.array([1.0, 3.0]))
    2.0
    """
    if len(blocks) < 2:
        return float("inf")
    return float(np.sqrt(len(blocks) / (len(blocks) - 1) * np.square(blocks - blocks.mean()).sum()))
