"""What a server tells of an endpoint's variants, to be judged by: drawn requests, copies, and processes that died."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trimtab.serving.draws import DrawLedgers, DrawsReading
from trimtab.serving.shadow_counts import ShadowLedgers
from trimtab.serving.shared_metrics import SharedMetrics

__all__ = ["ToldCounts"]


def _nobody_died(endpoint: str) -> Mapping[int, int]:
    del endpoint
    return {}


@dataclass(frozen=True, slots=True)
class ToldCounts:
    """Where the counts are; ``shared`` where there are other workers, whose counts are told, too."""

    draws: DrawLedgers
    copies: ShadowLedgers
    shared: SharedMetrics | None = None
    deaths: Callable[[str], Mapping[int, int]] = _nobody_died

    def reading(self, endpoint: str, *, generation: int, at_us: int) -> DrawsReading:
        """Return all counts of an endpoint, of which ``generation`` is served at ``at_us``."""
        if self.shared is None:
            counts, copies = self.draws.counts(endpoint), self.copies.counts(endpoint)
        else:
            counts, copies = self.shared.counts_of_variants(endpoint), self.shared.counts_of_copies(endpoint)
        return DrawsReading(
            endpoint=endpoint,
            at_us=at_us,
            generation=generation,
            counts=counts,
            copies=copies,
            deaths=tuple(sorted(self.deaths(endpoint).items())),
        )
