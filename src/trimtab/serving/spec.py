"""EndpointSpec: the state that an endpoint should be in, as rollout writes it and the inference server follows it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from trimtab.core.enums import VariantRole
from trimtab.core.errors import ConfigError

__all__ = ["EndpointSpec", "EndpointStatus", "VariantSpec", "VariantStatus"]


class VariantSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model version behind an endpoint."""

    name: str
    model: str
    model_version: int
    bundle_path: str
    bundle_digest: str
    weight_pct: Decimal
    role: VariantRole = VariantRole.LIVE


class EndpointSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Desired state. A higher ``generation`` replaces a lower one; the server ignores a lower one."""

    schema_version: Literal[1] = 1
    endpoint: str
    generation: int
    variants: tuple[VariantSpec, ...]
    sticky_key: str | None = None
    record: bool = True
    max_rows: int = 10_000
    max_body_bytes: int = 8_000_000

    def __post_init__(self) -> None:
        """Refuse what no server could serve."""
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ConfigError(f"endpoint {self.endpoint!r}: variant names {names} repeat; give each its own")
        for variant in self.variants:
            if not 0 <= variant.weight_pct <= 100:
                raise ConfigError(
                    f"endpoint {self.endpoint!r}: weight_pct {variant.weight_pct} of variant {variant.name!r} "
                    "not in 0..100; correct it"
                )
        total = sum((v.weight_pct for v in self.variants if v.role is VariantRole.LIVE), Decimal(0))
        if self.variants and total != 100:
            raise ConfigError(f"endpoint {self.endpoint!r}: live weights sum to {total}, not 100; correct weight_pct")


class VariantStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server says of one variant."""

    name: str
    model_version: int
    bundle_digest: str
    ready: bool
    smoke_rows: int = 0
    smoke_max_abs_difference: float = 0.0
    error: str | None = None


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server process does now: ``generation`` is the one it serves, ``desired_generation`` the last it read."""

    schema_version: Literal[1] = 1
    endpoint: str
    generation: int
    desired_generation: int
    pid: int
    variants: tuple[VariantStatus, ...]
    error: str | None = None
