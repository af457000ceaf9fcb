"""Which share of the callers a variant has, and since when: where that has changed, other numbers are no news."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from trimtab.monitoring.window import TrafficShare
from trimtab.rollout.endpoint_store import Generation

__all__ = ["traffic_share"]


def traffic_share(generations: Sequence[Generation], variant: str, version: int, at_us: int) -> TrafficShare | None:
    """Return the share that a version behind a variant had at ``at_us``; ``generations`` are sorted, newest first.

    It counts from when the first of the generations with this share was seen to be served; of what nobody saw, from
    when it was desired. None where it had none, or the endpoint was paused.
    """
    before = [one for one in generations if one.at_us < at_us]
    pct = _pct(before[0], variant, version) if before else 0.0
    alike = list(takewhile(lambda one: _pct(one, variant, version) == pct, before))
    since_us = [one.at_us if one.served_us is None or one.served_us > at_us else one.served_us for one in alike]
    return TrafficShare(pct, min(since_us)) if pct else None


def _pct(generation: Generation, variant: str, version: int) -> float:
    if generation.spec.paused is not None:
        return 0.0
    live = generation.spec.live
    return sum(float(one.weight_pct) for one in live if (one.name, one.model_version) == (variant, version))
