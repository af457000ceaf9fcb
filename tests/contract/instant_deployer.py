"""A deployer whose platform is a dictionary: it takes up a spec within `apply`, from real bundles."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import ConfigError, ConflictError, TrimtabError
from trimtab.core.names import is_endpoint_name
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec, VariantStatus


class InstantPlatform:
    """What endpoints were asked to be, what they are, and who answers."""

    def __init__(self, seed: int = 0) -> None:
        self.lock = threading.Lock()
        self.asked: dict[str, EndpointSpec] = {}
        self.served: dict[str, EndpointSpec] = {}
        self.statuses: dict[str, EndpointStatus] = {}
        self._rng = random.Random(seed)

    def take_up(self, spec: EndpointSpec) -> None:
        """Serve ``spec``, or say why not and serve on what served."""
        try:
            variants, error = tuple(map(_loaded, spec.variants)), None
        except TrimtabError as refused:
            variants, error = (), str(refused)
        if error is None:
            self.served[spec.endpoint] = spec
        before = self.served.get(spec.endpoint)
        self.statuses[spec.endpoint] = EndpointStatus(
            endpoint=spec.endpoint,
            generation=0 if before is None else before.generation,
            desired_generation=spec.generation,
            pid=1,
            variants=variants if error is None or before is None else tuple(map(_loaded, before.variants)),
            error=error,
        )

    def answered_by(self, endpoint: str) -> int | None:
        """Draw who answers a request."""
        spec = self.served.get(endpoint)
        if spec is None or not spec.live:
            return None
        [drawn] = self._rng.choices(spec.live, [float(each.weight_pct) for each in spec.live])
        return drawn.model_version


class InstantDeployer:
    """See `trimtab.rollout.deployer.Deployer`."""

    def __init__(self, platform: InstantPlatform) -> None:
        self._platform = platform

    def apply(self, spec: EndpointSpec) -> int:
        with self._platform.lock:
            present = self._platform.asked.get(spec.endpoint)
            if present is not None and present.generation >= spec.generation:
                if present.generation == spec.generation and present != spec:
                    raise ConflictError(f"endpoint {spec.endpoint!r}: generation {spec.generation} stands; use another")
                return present.generation
            self._platform.asked[spec.endpoint] = spec
            self._platform.take_up(spec)
            return spec.generation

    def observe(self, endpoint: str) -> EndpointStatus | None:
        if not is_endpoint_name(endpoint):
            raise ConfigError(f"endpoint {endpoint!r}: is no name; rename it")
        return self._platform.statuses.get(endpoint)


def _loaded(variant: VariantSpec) -> VariantStatus:
    predictor = Predictor.load(Path(variant.bundle_path), expected_digest=variant.bundle_digest)
    golden = predictor.golden_check()
    if not golden.max_abs_difference <= golden.tolerance:
        raise ConfigError(f"variant {variant.name!r}: golden rows differ by {golden.max_abs_difference:g}; train again")
    return VariantStatus(
        name=variant.name,
        model_version=variant.model_version,
        bundle_digest=variant.bundle_digest,
        ready=True,
        smoke_rows=golden.rows,
        smoke_max_abs_difference=golden.max_abs_difference,
    )
