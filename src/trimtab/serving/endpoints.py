"""Endpoints as they stand in memory, swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from trimtab.bundle.manifest import Feature, Parity
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import VariantRole
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.records.schema import SchemaFrame
from trimtab.serving.batching import Batcher
from trimtab.serving.draws import DrawLedger, DrawLedgers
from trimtab.serving.features.filling import Features
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec, VariantStatus
from trimtab.serving.variant_metrics import EndpointMetrics, VariantKey, VariantMetrics
from trimtab.serving.variants import Assigner, sticky_hash

__all__ = [
    "STAGING_SUFFIX",
    "Assignment",
    "EndpointTable",
    "LoadedEndpoint",
    "LoadedVariant",
]

STAGING_SUFFIX: Final = "-staging"
"""An endpoint whose name ends so is there to be tried out: ``POST /predict`` without a name never means it."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class LoadedVariant:
    """One model version, ready to answer."""

    spec: VariantSpec
    predictor: Predictor
    schema: SchemaFrame
    smoke: Parity
    metrics: VariantMetrics
    headers: tuple[tuple[bytes, bytes], ...]
    memory_bytes: int = 0

    @property
    def status(self) -> VariantStatus:
        """What a server says of it."""
        return VariantStatus(
            name=self.spec.name,
            model_version=self.spec.model_version,
            bundle_digest=self.spec.bundle_digest,
            ready=True,
            smoke_rows=self.smoke.rows,
            smoke_max_abs_difference=self.smoke.max_abs_difference,
        )


@dataclass(frozen=True, slots=True)
class Assignment:
    """The variant that answers a request, with what chance it was drawn, and the hash that drew it, if any.

    ``probability`` is None where the caller named the variant: that tells nothing of how callers are spread.
    """

    variant: LoadedVariant
    probability: float | None
    sticky_hash: str | None


class LoadedEndpoint:
    """One generation of an endpoint. What it serves never changes: a request that began on it ends on it.

    ``is_plain``: a request is answered in one go, without waiting midway.
    ``paused``: why all requests are refused, if they are.
    ``ledger``: where drawn requests are counted, if there are variants to compare.
    ``used_ns`` is the monotonic time of its last request. Work that waits midway says `enter` before and `leave`
    after: until then the generation is not unloaded, and its journal schemas stay declared.
    """

    def __init__(
        self,
        spec: EndpointSpec,
        variants: tuple[LoadedVariant, ...],
        rng: Random,
        counts: EndpointMetrics,
        features: Features | None = None,
    ) -> None:
        self.spec = spec
        self.features = features
        self.counts = counts
        self.variants = variants
        self.live = tuple(variant for variant in variants if variant.spec.role is VariantRole.LIVE)
        self._assigner = Assigner({variant.spec.name: variant.spec.weight_pct for variant in self.live}, rng)
        self._drawn = [
            Assignment(variant, probability, None)
            for variant, probability in zip(self.live, self._assigner.probabilities, strict=True)
        ]
        self.shadows = tuple(
            variant for variant in variants if variant.spec.role is VariantRole.SHADOW and variant.spec.weight_pct
        )
        self._by_name = {variant.spec.name: variant for variant in self.live}
        by_weight = sorted(self.live, key=lambda variant: variant.spec.weight_pct)
        self.heaviest = by_weight[-1]
        self._by_version = {str(variant.spec.model_version): variant for variant in by_weight}
        self.versions = tuple(dict.fromkeys(str(variant.spec.model_version) for variant in self.live))
        images = [variant.predictor.manifest.image for variant in self.live]
        self.image_bytes = max((image.tensor_bytes for image in images if image is not None), default=0)
        self.takes_images = self.image_bytes > 0
        self._key_fields = () if features is None else features.key_fields
        self.field_names = frozenset(feature.name for variant in self.live for feature in self.fields_of(variant))
        self.batchers = (
            {}
            if spec.batching is None
            else {variant.spec.name: Batcher(variant.predictor, spec.batching, counts.batches) for variant in self.live}
        )
        self.is_plain = not (self.batchers or self.takes_images) and features is None
        self.ledger: DrawLedger | None = None
        self.paused = spec.paused
        self.used_ns = 0
        self.in_flight = 0
        self._when_idle: list[Callable[[], None]] = []

    @property
    def memory_bytes(self) -> int:
        """What its models take, those that variants share counted once."""
        return sum({id(variant.predictor): variant.memory_bytes for variant in self.variants}.values())

    def fields_of(self, variant: LoadedVariant) -> tuple[Feature, ...]:
        """Return what a row may hold for ``variant``: its own fields, then keys of the entity that are none."""
        fields = variant.predictor.manifest.fields
        return (*fields, *self._key_fields) if self._key_fields else fields

    def enter(self) -> None:
        """Note that a piece of work has begun that will wait midway."""
        self.in_flight += 1

    def leave(self) -> None:
        """Note that it has ended."""
        self.in_flight -= 1
        while self.in_flight == 0 and self._when_idle:
            self._when_idle.pop()()

    def when_idle(self, call: Callable[[], None]) -> None:
        """Call ``call`` as soon as nothing is midway: now, or when the last `leave` is said."""
        if self.in_flight == 0:
            call()
        else:
            self._when_idle.append(call)

    def assign(self, sticky_key: str | None) -> Assignment:
        """Choose who answers: by the key's hash where there is a key, else at random."""
        if sticky_key is None:
            return self._drawn[self._assigner.at_random()]
        value = sticky_hash(self.spec.endpoint, sticky_key, self.spec.salt)
        place, text = self._assigner.by_hash(value), f"{value:016x}"
        return Assignment(self.live[place], self._assigner.probabilities[place], text)

    def chosen(self, variant: LoadedVariant) -> Assignment:
        """Return the assignment of a caller who named ``variant``.

        Raises:
            ConfigError: the endpoint lets nobody choose, and there are others that could answer.
        """
        if not self.spec.variant_choice and len(self.live) > 1:
            raise ConfigError(
                f"variant {variant.spec.name!r}: endpoint {self.spec.endpoint!r} lets no caller choose "
                "(variant_choice is off); ask without naming a variant or version"
            )
        return Assignment(variant, None, None)

    def named(self, name: str) -> LoadedVariant:
        """Return the live variant of a name.

        Raises:
            NotFoundError: no live variant has it.
        """
        variant = self._by_name.get(name)
        if variant is None:
            raise NotFoundError(
                f"variant {name[:60]!r} of endpoint {self.spec.endpoint!r}: not live here; expected one of: "
                f"{', '.join(self._by_name)}; correct it"
            )
        return variant

    def of_version(self, version: str) -> LoadedVariant:
        """Return the live variant of a model version; where several have it, the one of highest weight.

        Raises:
            NotFoundError: none has it.
        """
        variant = self._by_version.get(version)
        if variant is None:
            raise NotFoundError(
                f"version {version[:40]!r} of endpoint {self.spec.endpoint!r}: not served here; expected one of: "
                f"{', '.join(self.versions)}; correct it"
            )
        return variant

    def status(self, pid: int) -> EndpointStatus:
        """Say that this generation is served."""
        return EndpointStatus(
            endpoint=self.spec.endpoint,
            generation=self.spec.generation,
            desired_generation=self.spec.generation,
            pid=pid,
            variants=tuple(variant.status for variant in self.variants),
        )


class EndpointTable:
    """What is served now. Changed and read by the event loop's thread only.

    An endpoint is resident (its models are in memory) or parked (only its spec is; a request brings it back).
    """

    def __init__(self, ledgers: DrawLedgers | None = None) -> None:
        self.ledgers = DrawLedgers() if ledgers is None else ledgers
        self._endpoints: dict[str, LoadedEndpoint] = {}
        self._parked: dict[str, EndpointSpec] = {}
        self._only: str | None = None
        self.statuses: dict[str, EndpointStatus] = {}
        self.ready = False

    def get(self, name: str) -> LoadedEndpoint:
        """Return the resident endpoint.

        Raises:
            NotFoundError: there is none of that name.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise NotFoundError(
                f"endpoint {name[:80]!r}: not served here; expected one of: {self._known()}; correct it"
            )
        return endpoint

    def only(self) -> str:
        """Return the endpoint that is meant when none is named: the only one that isn't for staging.

        Raises:
            ConfigError: there are several, or none.
        """
        if self._only is None:
            count = len(self._nameless())
            if count == 0:
                raise ConfigError("endpoint: not named, and none is served, expected one; GET /health says why")
            raise ConfigError(
                f"endpoint: not named, and {count} are served ({self._known()}); name it: /predict/NAME, "
                "/invocations/NAME"
            )
        return self._only

    def find(self, name: str) -> LoadedEndpoint | None:
        """Return the endpoint where it is resident, or None."""
        return self._endpoints.get(name)

    def parked(self, name: str) -> EndpointSpec | None:
        """Return the spec of an endpoint that is parked, or None."""
        return self._parked.get(name)

    @property
    def residents(self) -> tuple[LoadedEndpoint, ...]:
        """Endpoints whose models are in memory."""
        return tuple(self._endpoints.values())

    def generation(self, name: str) -> int:
        """Return the generation that is served as ``name``.

        Raises:
            NotFoundError: there is no such endpoint.
        """
        parked = self._parked.get(name)
        return self.get(name).spec.generation if parked is None else parked.generation

    def served(self) -> frozenset[VariantKey]:
        """Return each variant of all endpoints, parked ones too."""
        specs = (*(endpoint.spec for endpoint in self._endpoints.values()), *self._parked.values())
        return frozenset((spec.endpoint, one.name, one.model_version) for spec in specs for one in spec.variants)

    def put(self, endpoint: LoadedEndpoint) -> None:
        """Serve ``endpoint`` from now on."""
        self._parked.pop(endpoint.spec.endpoint, None)
        endpoint.ledger = self.ledgers.of(endpoint.spec)
        self._endpoints[endpoint.spec.endpoint] = endpoint
        self._choose_only()

    def park(self, name: str) -> None:
        """Keep only the spec of a resident endpoint."""
        self._parked[name] = self._endpoints.pop(name).spec

    def remove(self, name: str) -> None:
        """Serve it no longer."""
        self._endpoints.pop(name, None)
        self._parked.pop(name, None)
        self.ledgers.retire(name)
        self._choose_only()

    def __contains__(self, name: object) -> bool:
        """Return whether it is served, in memory or not."""
        return name in self._endpoints or name in self._parked

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(sorted({*self._endpoints, *self._parked}))

    def _nameless(self) -> list[str]:
        return [name for name in self if not name.endswith(STAGING_SUFFIX)]

    def _choose_only(self) -> None:
        names = self._nameless()
        self._only = names[0] if len(names) == 1 else None

    def _known(self) -> str:
        return ", ".join(list(self)[:20]) or "none"
