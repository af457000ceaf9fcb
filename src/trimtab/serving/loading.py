"""Makes specs into loaded endpoints: bundles verified, models loaded and smoke-tested."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from random import Random

from trimtab.bundle.manifest import Parity
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import MODEL_NAME
from trimtab.core.errors import ArtifactUntrustedError
from trimtab.records.schema import SchemaFrame
from trimtab.serving.endpoints import LoadedEndpoint, LoadedVariant
from trimtab.serving.features.filling import Features
from trimtab.serving.memory import WORTH_GIVING_BACK_BYTES, give_back, resident_bytes
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.signatures import SignatureCheck
from trimtab.serving.spec import EndpointSpec, VariantSpec

__all__ = ["EndpointLoader", "model_file_bytes"]


class EndpointLoader:
    """Makes a spec into a loaded endpoint. Slow: call it off the event loop."""

    def __init__(self, metrics: ServingMetrics, rng: Random, signatures: SignatureCheck | None = None) -> None:
        """``signatures`` None: bundles need none."""
        self._metrics = metrics
        self._signatures = signatures
        self._rng = rng
        self._schema_ids = itertools.count(1)

    def load(self, spec: EndpointSpec, previous: LoadedEndpoint | None) -> LoadedEndpoint:
        """Load, verify and smoke-test all variants of ``spec``; what ``previous`` holds already is taken over.

        Raises:
            TrimtabError: a bundle is missing, not what its digest says, of another model, or fails its smoke test.
        """
        held = {} if previous is None else {v.spec.bundle_digest: v for v in previous.variants}
        variants = tuple(self._variant(spec, variant, held) for variant in spec.variants)
        counts = self._metrics.endpoint(spec.endpoint)
        features = None
        if spec.features is not None:
            manifests = {variant.spec.name: variant.predictor.manifest for variant in variants}
            features = Features(spec.features, endpoint=spec.endpoint, manifests=manifests, counts=counts.features)
        return LoadedEndpoint(spec, variants, self._rng, counts, features)

    def _variant(self, spec: EndpointSpec, wanted: VariantSpec, held: dict[str, LoadedVariant]) -> LoadedVariant:
        metrics = self._metrics.variant(spec.endpoint, wanted.name, wanted.model_version)
        known = held.get(wanted.bundle_digest)
        if known is None:
            # Else it would count as the first model's; start-up cost: a server without models has no use for it.
            import pyarrow.parquet  # noqa: F401

            began, before = time.perf_counter(), resident_bytes()
            if self._signatures is not None:
                self._signatures.check(Path(wanted.bundle_path), wanted.bundle_digest)
            predictor = Predictor.load(Path(wanted.bundle_path), expected_digest=wanted.bundle_digest)
            loaded_bytes = resident_bytes() - before
            # Arrow's first read of all takes tens of megabytes for good, which would count as the first model's.
            predictor.golden_table()
            before = resident_bytes()
            smoke = _smoke_test(wanted, predictor)
            metrics.load_s.set(time.perf_counter() - began)
            file_bytes = model_file_bytes(wanted)
            if file_bytes >= WORTH_GIVING_BACK_BYTES:
                # What loading needed for a moment would count as the model's.
                give_back()
            # Memory that was free already hides what a model takes; less than its own bytes it cannot be.
            memory_bytes = max(loaded_bytes + resident_bytes() - before, file_bytes)
        else:
            predictor, smoke, memory_bytes = known.predictor, known.smoke, known.memory_bytes
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
                role=wanted.role,
            ),
            smoke=smoke,
            metrics=metrics,
            headers=(
                (b"x-trimtab-model", f"{wanted.model}:{wanted.model_version}".encode("ascii", "replace")),
                (b"x-trimtab-variant", wanted.name.encode("ascii", "replace")),
            ),
            memory_bytes=memory_bytes,
        )


def model_file_bytes(variant: VariantSpec) -> int:
    """Return the size of the variant's graph on disk; 0 where there is none."""
    try:
        return (Path(variant.bundle_path) / MODEL_NAME).stat().st_size
    except OSError:
        return 0


def _smoke_test(wanted: VariantSpec, predictor: Predictor) -> Parity:
    smoke = predictor.golden_check()
    if smoke.rows == 0 or not smoke.max_abs_difference <= smoke.tolerance:
        raise ArtifactUntrustedError(
            f"variant {wanted.name!r}: golden rows ({smoke.rows}) answered with a difference of up to "
            f"{smoke.max_abs_difference:g}, expected at most {smoke.tolerance:g}; train the version again"
        )
    return smoke
