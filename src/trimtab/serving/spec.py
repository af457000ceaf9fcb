"""EndpointSpec: the state that an endpoint should be in, as rollout writes it and the inference server follows it."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from trimtab.core.enums import VariantRole
from trimtab.core.errors import ConfigError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name

__all__ = [
    "AutoscalingSpec",
    "BatchingSpec",
    "EndpointSpec",
    "EndpointStatus",
    "FeaturesSpec",
    "LogSpec",
    "OnFull",
    "OnMissing",
    "PauseSpec",
    "VariantSpec",
    "VariantStatus",
]


_LONGEST_NAME: Final = 200

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
_Counted = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number that records and statuses have room for."""


class VariantSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model version behind an endpoint.

    ``weight_pct`` of a live variant is its share of the callers; of a shadow, of how many percent of the requests it
    gets a copy.
    """

    name: str
    model: str
    model_version: _Counted
    bundle_path: str
    bundle_digest: str
    weight_pct: Decimal
    role: VariantRole = VariantRole.LIVE

    def __post_init__(self) -> None:
        """Refuse names that no header has room for: each answer says in one what made it."""
        for field, name in (("name", self.name), ("model", self.model)):
            if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
                raise ConfigError(
                    f"variant {self.name[:40]!r}: {field} {name[:40]!r} of {len(name)} characters, expected 1 to "
                    f"{_LONGEST_NAME} that can be printed; correct it"
                )


class OnFull(StrEnum):
    """What becomes of an answer that cannot be recorded: it isn't given (503), or it is given and counted as shed."""

    REFUSE = "refuse"
    SHED = "shed"


class LogSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an endpoint's answers are recorded, where ``record`` says that they are."""

    on_full: OnFull = OnFull.REFUSE


class BatchingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How requests of an endpoint are put through its model together. Worth it for models that take milliseconds.

    ``max_wait_ms``: how long a request waits for others at most, where others ask at the same time.
    """

    max_rows: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 32
    max_wait_ms: Annotated[float, msgspec.Meta(ge=0, le=1_000)] = 2.0


class OnMissing(StrEnum):
    """What becomes of a feature that its source has no value for: it is null, or the request is refused.

    Where the model takes no null, the request is refused in any case.
    """

    NULL = "null"
    REFUSE = "refuse"


class FeaturesSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which features come from an online store, where a request does not say them.

    ``source``: a URL, or an entry point of the group ``trimtab.feature_sources``. ``entity_keys``: the fields of a row
    that say which entity it is about; they need not be features. ``max_age_s``: what is older counts as missing.
    ``key_env``: the variable of the server's environment that holds the key which a URL asks for; it goes into the
    header ``key_header``. ``cache_s``: how long what was read of an entity serves further requests; None: not at all.
    """

    source: str
    entity_keys: tuple[str, ...]
    names: tuple[str, ...]
    max_age_s: Annotated[float, msgspec.Meta(gt=0)] | None = None
    timeout_ms: Annotated[float, msgspec.Meta(gt=0, le=60_000)] = 50.0
    on_missing: OnMissing = OnMissing.NULL
    key_env: str | None = None
    key_header: str = "authorization"
    cache_s: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = None
    cache_entities: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000

    def __post_init__(self) -> None:
        """Refuse what asks for nothing."""
        for field, names in (("entity_keys", self.entity_keys), ("names", self.names)):
            if not names or len(set(names)) != len(names):
                raise ConfigError(f"features.{field}: {list(names)[:20]}, expected one or more, each once; correct it")
        both = set(self.entity_keys) & set(self.names)
        if both:
            raise ConfigError(f"features: {sorted(both)[:20]} are key and feature at once; remove them from one")


class AutoscalingSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many workers an endpoint wants: so many that each has ``target_in_flight`` requests at a time to answer.

    A worker is whatever the platform has more or fewer of: processes on this machine, pods, instances.
    """

    min_workers: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    max_workers: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    target_in_flight: Annotated[float, msgspec.Meta(gt=0, le=100_000)] = 8.0

    def __post_init__(self) -> None:
        """Refuse bounds that cross."""
        if self.min_workers > self.max_workers:
            raise ConfigError(
                f"autoscaling: min_workers {self.min_workers} is above max_workers {self.max_workers}; correct one"
            )


class PauseSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why an endpoint refuses all requests, and after what time callers should ask again."""

    reason: str
    retry_after_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60


class EndpointSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Desired state. A higher ``generation`` replaces a lower one; the server ignores a lower one."""

    schema_version: Literal[1] = 1
    endpoint: str
    generation: _Counted
    variants: tuple[VariantSpec, ...]
    sticky_key: str | None = None
    """The field, or ``record_key``, by which a caller always gets the same variant; None: keys decide nothing."""
    salt: Annotated[str, msgspec.Meta(pattern="^[0-9A-Za-z]{0,64}$")] = ""
    """Goes into the hash of a key, so that no caller can choose a variant by choosing a key; the same in each
    generation, else callers would move. Empty: none, as in specs that are older."""
    record: bool = True
    log: LogSpec = LogSpec()
    variant_choice: bool = True
    """Whether a caller may name the live variant that answers, for testing; else all are drawn."""
    max_rows: _AtLeastOne = 10_000
    max_body_bytes: _AtLeastOne = 8_000_000
    pinned: bool = False
    """Never unloaded to keep to a memory budget."""
    batching: BatchingSpec | None = None
    """None: each request goes through the model by itself, at once."""
    features: FeaturesSpec | None = None
    """None: a request says all features itself."""
    autoscaling: AutoscalingSpec | None = None
    """None: it has as many workers as there are."""
    scaled_to: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    """So many workers at least, whatever ``autoscaling`` says; None: as that says."""
    cache_epoch: _Counted = 0
    """Another number empties the caches of features."""
    paused: PauseSpec | None = None
    """Not None: all requests are refused with 503, and nothing is recorded."""

    @property
    def live(self) -> tuple[VariantSpec, ...]:
        """The variants whose answers reach callers."""
        return tuple(variant for variant in self.variants if variant.role is VariantRole.LIVE)

    def __post_init__(self) -> None:
        """Refuse what no server could serve."""
        if not is_endpoint_name(self.endpoint):
            raise ConfigError(f"endpoint {self.endpoint[:80]!r}: is no name for an endpoint; use {ENDPOINT_NAME_RULE}")
        names = [variant.name for variant in self.variants]
        if len(set(names)) != len(names):
            raise ConfigError(f"endpoint {self.endpoint!r}: variant names {names} repeat; give each its own")
        for variant in self.variants:
            # NaN cannot be compared at all.
            if not variant.weight_pct.is_finite() or not 0 <= variant.weight_pct <= 100:
                raise ConfigError(
                    f"endpoint {self.endpoint!r}: weight_pct {variant.weight_pct} of variant {variant.name!r} "
                    "not in 0..100; correct it"
                )
        total = sum((variant.weight_pct for variant in self.live), Decimal(0))
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
    resident: bool = True
    """False: unloaded to keep to the memory budget; its next request loads it again."""
