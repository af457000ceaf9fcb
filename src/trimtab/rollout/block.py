"""What two versions did side by side since a rollout was last looked at: counts, losses and pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["LARGEST_LOSS", "AnsweredUnit", "Block", "Counted", "LossUnit", "Tally"]

LARGEST_LOSS: Final = 1e100
"""A loss beyond it is left out, and counted as that: sums of squares of such would be infinite."""

Counted = tuple[tuple[int, int], ...]
"""(bucket, count), by bucket: see `trimtab.measures.duration_buckets` for what a bucket is."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What one version did in a block: requests that were drawn for it and have settled.

    ``failed``: 5xx. ``refused``: 4xx after it was chosen. ``latency`` and ``run``: whole request and model run time, of
    those that were answered or failed; a failed one stands in the last bucket. With sticky keys each key counts once in
    these. ``requests``, ``errors`` and ``durations`` are the same of every drawn request, also of a key that counted
    before, for limits on one version alone; so are ``answered`` (below 400) and ``refusals`` (4xx).
    """

    drawn: int = 0
    failed: int = 0
    refused: int = 0
    latency: Counted = ()
    run: Counted = ()
    requests: int = 0
    errors: int = 0
    durations: Counted = ()
    answered: int = 0
    refusals: int = 0

    @property
    def abandoned(self) -> int:
        """Requests whose callers hung up before an answer."""
        return self.requests - self.answered - self.refusals - self.errors


@dataclass(frozen=True, slots=True)
class LossUnit:
    """The loss of one unit that was assigned at once: a request (the mean over its rows), or a sticky key's first.

    ``probability``: of being assigned to the candidate. ``estimated``: from the model's own confidence, no label.
    """

    probability: float
    is_candidate: bool
    loss: float
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class AnsweredUnit:
    """What one unit was answered, row by row: names of classes, or numbers; units as in `LossUnit`."""

    probability: float
    is_candidate: bool
    answers: tuple[str | float, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """What came since the last look, of one generation, while ``probability`` of the candidate was constant.

    ``segment`` numbers the stretches within which a sticky key counts once; without sticky keys it is 0 throughout.
    ``losses``: metric → units in the order of their receipt. ``pairs``: metric → (candidate's loss, live one's) of
    requests that a shadow answered too. ``agreement``: share of agreeing rows of each such request.
    ``predictions``: what units were answered, in the order of their receipt.
    """

    generation: int
    probability: float
    candidate: Tally = Tally()
    stable: Tally = Tally()
    segment: int = 0
    sticky: bool = False
    losses: Mapping[str, tuple[LossUnit, ...]] = field(default_factory=dict)
    pairs: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    agreement: tuple[float, ...] = ()
    predictions: tuple[AnsweredUnit, ...] = ()
