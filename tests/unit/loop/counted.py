"""Requests that a server counted, without the server: a reader of counts for tests of rollouts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tests.unit.loop.projects import InstantServer

from trimtab.core.errors import BackendError
from trimtab.serving.draws import DrawLedgers, DrawsReading
from trimtab.serving.shadow_counts import ShadowLedgers
from trimtab.serving.spec import EndpointSpec

__all__ = ["CountedRequests"]


@dataclass
class CountedRequests:
    """Counts as the inference server does, in the generations that `InstantServer` serves."""

    server: InstantServer
    ledgers: DrawLedgers = field(default_factory=lambda: DrawLedgers("1"))
    answers: bool = True
    hindered: str | None = None
    deaths: dict[int, int] = field(default_factory=dict)
    copies: ShadowLedgers = field(default_factory=lambda: ShadowLedgers("1"))

    def read(self, endpoint: str) -> DrawsReading | None:
        if self.hindered is not None:
            raise BackendError(self.hindered)
        if not self.answers:
            return None
        spec = self._spec(endpoint)
        self.ledgers.of(spec)
        counts = self.ledgers.counts(endpoint)
        return DrawsReading(
            endpoint=endpoint,
            at_us=0,
            generation=spec.generation,
            counts=counts,
            copies=self.copies.counts(endpoint),
            deaths=tuple(self.deaths.items()),
        )

    def copied(
        self, variant: str, *, answered: int = 0, failed: int = 0, dropped: int = 0, endpoint: str = "tiny"
    ) -> None:
        """Count copies for a shadow in the present generation."""
        tally = self.copies.of(endpoint, self._spec(endpoint).generation, variant)
        tally.answered.inc(answered)
        tally.failed.inc(failed)
        tally.unasked.inc(dropped)

    def ask(
        self, variant: str, count: int, *, status: int = 200, latency_ms: float = 1.0, endpoint: str = "tiny"
    ) -> None:
        """Count requests that were drawn for a variant in the present generation; a few take much longer."""
        ledger = self.ledgers.of(self._spec(endpoint))
        assert ledger is not None, "there are not two live variants"
        for number in range(count):
            duration_ns = int(latency_ms * 1e6 * (0.8 - 0.2 * math.log((number * 37 % 100 + 0.5) / 100)))
            ledger.settle(variant, None, status, duration_ns, duration_ns // 2)

    def ask_both(self, count: int, *, endpoint: str = "tiny") -> None:
        """Count requests that went well, spread as the weights say."""
        for variant in self._spec(endpoint).live:
            self.ask(variant.name, int(count * variant.weight_pct / 100), endpoint=endpoint)

    def restart(self) -> None:
        """Have the server count from zero, as another process."""
        self.ledgers = DrawLedgers("2")

    def _spec(self, endpoint: str) -> EndpointSpec:
        return [spec for spec in self.server.applied if spec.endpoint == endpoint][-1]
