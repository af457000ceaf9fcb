"""What a rollout can see: staging's status, counts of each variant since the step began, quality so far."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import structlog
from prometheus_client.parser import text_string_to_metric_families

from trimtab.loop.labels import metrics_of_versions
from trimtab.loop.platform import Platform
from trimtab.rollout import endpoint_store
from trimtab.rollout.state import Observation, StagingObservation, VariantObservation
from trimtab.rollout.store import Rollout
from trimtab.serving.keys import read_own_key
from trimtab.serving.place import read_server_info
from trimtab.serving.spec import EndpointSpec, EndpointStatus

__all__ = ["Counts", "ServingProbe", "counts_by_variant"]

_log = structlog.get_logger(__name__)
_TIMEOUT_S = 3.0
_QUALITY_US = 1_000_000
# Through no proxy of the environment: the server is on this machine, and the key is nobody else's.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

_Quality = Mapping[str, tuple[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Counts:
    """What a variant did since its server started: requests, errors (5xx), and how many stayed below a latency in s."""

    requests: float = 0.0
    errors: float = 0.0
    below: Mapping[float, float] = field(default_factory=dict)

    def since(self, base: Counts) -> Counts:
        """Return what came after ``base``: nothing, where less was counted than then.

        Of several server processes each tells the others' numbers of up to a second ago, so that a sum may fall by a
        little from one answer to the next.
        """
        if base.requests > self.requests:
            return Counts()
        below = {bound: max(0.0, count - base.below.get(bound, 0.0)) for bound, count in self.below.items()}
        return Counts(self.requests - base.requests, max(0.0, self.errors - base.errors), below)

    @property
    def p95_ms(self) -> float | None:
        """Upper bound of the bucket that holds the 95th percentile, in ms; None when nothing was answered.

        >>> Counts(100, 0, {0.001: 90.0, 0.005: 97.0, float("inf"): 100.0}).p95_ms
        5.0
        """
        total = self.below.get(float("inf"), 0.0)
        if total <= 0:
            return None
        return next(1000 * bound for bound, count in sorted(self.below.items()) if count >= 0.95 * total)


class ServingProbe:
    """Observes rollouts. What was counted before a step began is kept in memory: after a restart a step counts anew."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._bases: dict[tuple[str, int], dict[str, Counts]] = {}
        self._server: tuple[int, int] | None = None
        self._quality: tuple[int, str, _Quality] = (0, "", {})

    def observe(self, rollout: Rollout) -> Observation:
        """Return what is seen of ``rollout`` now."""
        with self._platform.database.reading() as connection:
            wanted = endpoint_store.desired(connection, rollout.spec.endpoint)
        served = self._platform.deployer.observe(rollout.spec.endpoint)
        return Observation(
            staging=_staging(self._platform.deployer.observe(rollout.spec.staging_endpoint), rollout),
            production_generation_served=_is_served(wanted, served),
            variants=self._variants(rollout, wanted) if wanted is not None and _is_served(wanted, served) else {},
        )

    def _variants(self, rollout: Rollout, wanted: EndpointSpec) -> dict[str, VariantObservation]:
        # Before it is asked: were it a later one's, the counts of the one before would pass for its own.
        info = read_server_info(self._platform.project.serving)
        counts = self._counts(rollout.spec.endpoint)
        if counts is None:
            return {}
        server = None if info is None else (info.pid, info.started_us)
        if server != self._server:
            # The server restarted and counts from zero: so do we, also once it has passed what it had then.
            self._bases = {known: {} for known in self._bases}
            self._server = server
        key = (rollout.id, rollout.state.since_us)
        if key not in self._bases:
            self._bases = {known: base for known, base in self._bases.items() if known[0] != rollout.id}
            self._bases[key] = counts
        base = self._bases[key]
        quality = self._quality_of(rollout)
        weights: dict[str, Decimal] = {variant.name: variant.weight_pct for variant in wanted.live}
        return {
            name: _observed(counts.get(name, Counts()).since(base.get(name, Counts())), weight, quality.get(name))
            for name, weight in weights.items()
        }

    def _quality_of(self, rollout: Rollout) -> _Quality:
        """Return quality by variant; it costs a join, so it is asked for at most once a second."""
        made_us, known_for, quality = self._quality
        now_us = self._platform.now_us()
        if known_for != rollout.id or abs(now_us - made_us) > _QUALITY_US:
            quality = metrics_of_versions(self._platform, rollout)
            self._quality = (now_us, rollout.id, quality)
        return quality

    def _counts(self, endpoint: str) -> dict[str, Counts] | None:
        url = self._platform.serving_url()
        if url is None:
            return None
        key = read_own_key(self._platform.project.serving)
        headers = {} if key is None else {"X-API-Key": key}
        try:
            with _direct.open(urllib.request.Request(f"{url}/metrics", headers=headers), timeout=_TIMEOUT_S) as answer:
                return counts_by_variant(answer.read().decode(), endpoint)
        except (OSError, urllib.error.URLError, ValueError) as error:
            _log.warning("probe.failed", url=url, error=str(error))
            return None


def counts_by_variant(exposition: str, endpoint: str) -> dict[str, Counts]:
    """Return the counts of each variant of ``endpoint``, of all its versions, from Prometheus' text."""
    requests: dict[str, float] = {}
    errors: dict[str, float] = {}
    below: dict[str, dict[float, float]] = {}
    for name, labels, value in _samples(exposition, endpoint):
        # Some metrics are of an endpoint as a whole.
        variant = labels.get("variant", "")
        if name == "trimtab_requests_total" and labels["status"] in {"2xx", "5xx"}:
            requests[variant] = requests.get(variant, 0.0) + value
            if labels["status"] == "5xx":
                errors[variant] = errors.get(variant, 0.0) + value
        elif name == "trimtab_request_latency_seconds_bucket":
            bounds, bound = below.setdefault(variant, {}), float(labels["le"])
            bounds[bound] = bounds.get(bound, 0.0) + value
    return {name: Counts(count, errors.get(name, 0.0), below.get(name, {})) for name, count in requests.items()}


def _samples(exposition: str, endpoint: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.labels.get("endpoint") == endpoint:
                yield sample.name, sample.labels, sample.value


def _observed(
    counts: Counts, weight_pct: Decimal, quality: tuple[int, Mapping[str, float]] | None
) -> VariantObservation:
    labelled, metrics = quality or (0, None)
    return VariantObservation(
        requests=int(counts.requests),
        errors=int(counts.errors),
        p95_ms=counts.p95_ms,
        weight_pct=weight_pct,
        labelled=labelled,
        quality=metrics,
    )


def _staging(status: EndpointStatus | None, rollout: Rollout) -> StagingObservation | None:
    if status is None:
        return None
    if status.error is not None:
        return StagingObservation(ready=False, error=status.error)
    digest = rollout.spec.candidate.bundle_digest
    found = next((variant for variant in status.variants if variant.bundle_digest == digest), None)
    if found is None:
        return StagingObservation(ready=False)
    return StagingObservation(
        ready=found.ready,
        smoke_rows=found.smoke_rows,
        smoke_max_abs_difference=found.smoke_max_abs_difference,
        error=found.error,
    )


def _is_served(wanted: EndpointSpec | None, served: EndpointStatus | None) -> bool:
    return wanted is not None and served is not None and served.generation == wanted.generation
