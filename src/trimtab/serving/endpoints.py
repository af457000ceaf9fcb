"""Endpoints as they stand in memory: models loaded and smoke-tested, swapped whole."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from trimtab.bundle.manifest import Parity
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import VariantRole
from trimtab.core.errors import ArtifactUntrustedError, ConfigError, NotFoundError
from trimtab.records.schema import SchemaFrame
from trimtab.serving.metrics import ServingMetrics, VariantMetrics
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec, VariantStatus
from trimtab.serving.variants import Assigner, sticky_hash

__all__ = ["STAGING_SUFFIX", "Assignment", "EndpointLoader", "EndpointTable", "LoadedEndpoint", "LoadedVariant"]

STAGING_SUFFIX: Final = "-staging"
"""An endpoint whose name ends so is there to be tried out: ``POST /predict`` without a name never means it."""


@dataclass(frozen=True, slots=True)
class LoadedVariant:
    """One model version, ready to answer."""

    spec: VariantSpec
    predictor: Predictor
    schema: SchemaFrame
    smoke: Parity
    metrics: VariantMetrics
    headers: tuple[tuple[bytes, bytes], ...]

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
    """The variant that answers a request, with what chance it was drawn, and the hash that drew it, if any."""

    variant: LoadedVariant
    probability: float
    sticky_hash: str | None


class LoadedEndpoint:
    """One generation of an endpoint. Immutable: a request that began on it ends on it."""

    def __init__(self, spec: EndpointSpec, variants: tuple[LoadedVariant, ...], rng: Random) -> None:
        self.spec = spec
        self.variants = variants
        self.live = tuple(variant for variant in variants if variant.spec.role is VariantRole.LIVE)
        self._assigner = Assigner([variant.spec.weight_pct for variant in self.live], rng)
        by_weight = sorted(self.live, key=lambda variant: variant.spec.weight_pct)
        self.heaviest = by_weight[-1]
        self._by_version = {str(variant.spec.model_version): variant for variant in by_weight}
        self.versions = tuple(dict.fromkeys(str(variant.spec.model_version) for variant in self.live))
        self.field_names = frozenset(
            feature.name for variant in self.live for feature in variant.predictor.manifest.features
        )

    def assign(self, sticky_key: str | None) -> Assignment:
        """Choose who answers: by the key's hash where there is a key, else at random."""
        if sticky_key is None:
            place, text = self._assigner.at_random(), None
        else:
            value = sticky_hash(self.spec.endpoint, sticky_key)
            place, text = self._assigner.by_hash(value), f"{value:016x}"
        return Assignment(self.live[place], self._assigner.probabilities[place], text)

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
    """What is served now. Changed and read by the event loop's thread only."""

    def __init__(self) -> None:
        self._endpoints: dict[str, LoadedEndpoint] = {}
        self.statuses: dict[str, EndpointStatus] = {}
        self.ready = False

    def get(self, name: str) -> LoadedEndpoint:
        """Return the endpoint.

        Raises:
            NotFoundError: there is none of that name.
        """
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            raise NotFoundError(
                f"endpoint {name[:80]!r}: not served here; expected one of: {self._known()}; correct it"
            )
        return endpoint

    def only(self) -> LoadedEndpoint:
        """Return the endpoint that is meant when none is named: the only one that isn't for staging.

        Raises:
            ConfigError: there are several, or none.
        """
        names = [name for name in self._endpoints if not name.endswith(STAGING_SUFFIX)]
        if len(names) != 1:
            raise ConfigError(
                f"endpoint: not named, and {len(names)} are served ({self._known()}); POST to /predict/NAME"
            )
        return self._endpoints[names[0]]

    def find(self, name: str) -> LoadedEndpoint | None:
        """Return the endpoint, or None."""
        return self._endpoints.get(name)

    def put(self, endpoint: LoadedEndpoint) -> None:
        """Serve ``endpoint`` from now on."""
        self._endpoints[endpoint.spec.endpoint] = endpoint

    def remove(self, name: str) -> None:
        """Serve it no longer."""
        self._endpoints.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, sorted."""
        return iter(sorted(self._endpoints))

    def _known(self) -> str:
        return ", ".join(sorted(self._endpoints)[:20]) or "none"


class EndpointLoader:
    """Makes a spec into a loaded endpoint. Slow: call it off the event loop."""

    def __init__(self, metrics: ServingMetrics, rng: Random) -> None:
        self._metrics = metrics
        self._rng = rng
        self._schema_ids = itertools.count(1)

    def load(self, spec: EndpointSpec, previous: LoadedEndpoint | None) -> LoadedEndpoint:
        """Load, verify and smoke-test all variants of ``spec``; what ``previous`` holds already is taken over.

        Raises:
            TrimtabError: a bundle is missing, not what its digest says, of another model, or fails its smoke test.
        """
        held = {} if previous is None else {v.spec.bundle_digest: v for v in previous.variants}
        return LoadedEndpoint(spec, tuple(self._variant(spec, variant, held) for variant in spec.variants), self._rng)

    def _variant(self, spec: EndpointSpec, wanted: VariantSpec, held: dict[str, LoadedVariant]) -> LoadedVariant:
        metrics = self._metrics.variant(spec.endpoint, wanted.name)
        known = held.get(wanted.bundle_digest)
        if known is None:
            began = time.perf_counter()
            predictor = Predictor.load(Path(wanted.bundle_path), expected_digest=wanted.bundle_digest)
            smoke = _smoke_test(wanted, predictor)
            metrics.load_s.set(time.perf_counter() - began)
        else:
            predictor, smoke = known.predictor, known.smoke
        manifest = predictor.manifest
        if manifest.model != wanted.model:
            raise ArtifactUntrustedError(
                f"variant {wanted.name!r}: bundle holds model {manifest.model!r}, expected {wanted.model!r}; "
                "correct the spec"
            )
        return LoadedVariant(
            spec=wanted,
            predictor=predictor,
            schema=SchemaFrame(
                schema_id=next(self._schema_ids),
                endpoint=spec.endpoint,
                model=wanted.model,
                model_version=wanted.model_version,
                variant=wanted.name,
                bundle_digest=wanted.bundle_digest,
                task=manifest.task,
                features=tuple((feature.name, feature.kind) for feature in manifest.features),
            ),
            smoke=smoke,
            metrics=metrics,
            headers=(
                (b"x-trimtab-model", f"{wanted.model}:{wanted.model_version}".encode("ascii", "replace")),
                (b"x-trimtab-variant", wanted.name.encode("ascii", "replace")),
            ),
        )


def _smoke_test(wanted: VariantSpec, predictor: Predictor) -> Parity:
    smoke = predictor.golden_check()
    if smoke.rows == 0 or not smoke.max_abs_difference <= smoke.tolerance:
        raise ArtifactUntrustedError(
            f"variant {wanted.name!r}: golden rows ({smoke.rows}) answered with a difference of up to "
            f"{smoke.max_abs_difference:g}, expected at most {smoke.tolerance:g}; train the version again"
        )
    return smoke
