"""How much one caller may ask of the control plane, and whose word about addresses is taken."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, Field

from trimtab.config.loading import Strict

__all__ = ["CallerRates", "ProxyNetwork", "Rate"]


class Rate(Strict):
    """So many a second for as long as one likes, and a few more at once after a rest."""

    per_second: float = Field(gt=0, le=1e6, description="How many a second; 0.1 is one in ten seconds.")
    burst: int = Field(ge=1, le=1_000_000, description="How many at once, after a rest.")


class CallerRates(Strict):
    """Limits of one process of the control plane; null takes one away."""

    requests: Rate | None = Field(
        default=Rate(per_second=20, burst=100),
        description="Of one key: whatever it asks, but for role `service`; and of one address without a key.",
    )
    writes: Rate | None = Field(
        default=Rate(per_second=5, burst=50), description="Of one key: what may change something, counted besides."
    )
    service: Rate | None = Field(
        default=Rate(per_second=200, burst=400), description="Of one key of role `service`: shippers share one."
    )
    failures: Rate | None = Field(
        default=Rate(per_second=0.1, burst=10), description="Of one address: wrong keys and sessions."
    )


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}; write an address or a network, e.g. '10.0.0.7' or '10.0.0.0/8'") from None
    return text


ProxyNetwork = Annotated[str, AfterValidator(_network)]
"""A pydantic field type: an address, or a network of them."""
