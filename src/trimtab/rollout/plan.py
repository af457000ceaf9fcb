"""The endpoints that a rollout wants, as specs for a deployer."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from trimtab.core.enums import VariantRole
from trimtab.rollout.state import RolloutSpec, RolloutState, VersionRef
from trimtab.rollout.traffic import production_shadows, production_weights
from trimtab.serving.spec import EndpointSpec, LogSpec, VariantSpec

__all__ = ["production_spec", "staging_spec"]


def production_spec(spec: RolloutSpec, state: RolloutState, *, generation: int) -> EndpointSpec:
    """Return what production shall be in ``state``; no variants when nothing is to be served (yet).

    A live variant with 0 % stands by, loaded; a shadow gets copies, and its answers reach nobody.
    """
    versions = {version.variant: version for version in (spec.stable, spec.candidate) if version is not None}
    live, shadows = production_weights(spec, state), production_shadows(spec, state)
    variants = (
        *(_variant(spec, versions[name], weight_pct) for name, weight_pct in live.items()),
        *(_variant(spec, versions[name], copied_pct, VariantRole.SHADOW) for name, copied_pct in shadows.items()),
    )
    return msgspec.structs.replace(
        _answering(spec, spec.endpoint, generation, variants),
        sticky_key=spec.sticky_key,
        log=LogSpec(on_full=spec.on_full),
        variant_choice=spec.answering.variant_choice,
        pinned=spec.answering.pinned,
        autoscaling=None if spec.answering.autoscaling is None else spec.answering.autoscaling.spec,
    )


def staging_spec(spec: RolloutSpec, state: RolloutState, *, generation: int) -> EndpointSpec:
    """Return what the staging endpoint shall be: the candidate alone, and nothing once the rollout has finished.

    Nothing is recorded there: golden rows are not production data. It answers as production shall, so that a source of
    features which cannot be opened, or does not fit the model, is found before production has it.
    """
    variants = () if state.phase.is_final else (_variant(spec, spec.candidate, Decimal(100)),)
    return msgspec.structs.replace(_answering(spec, spec.staging_endpoint, generation, variants), record=False)


def _answering(spec: RolloutSpec, endpoint: str, generation: int, variants: tuple[VariantSpec, ...]) -> EndpointSpec:
    wanted = spec.answering
    return EndpointSpec(
        endpoint=endpoint,
        generation=generation,
        variants=variants,
        max_rows=wanted.max_rows,
        max_body_bytes=wanted.max_body_bytes,
        batching=None if wanted.batching is None else wanted.batching.spec,
        features=None if wanted.features is None else wanted.features.spec,
    )


def _variant(
    spec: RolloutSpec, version: VersionRef, weight_pct: Decimal, role: VariantRole = VariantRole.LIVE
) -> VariantSpec:
    return VariantSpec(
        name=version.variant,
        model=spec.model,
        model_version=version.number,
        bundle_path=version.bundle_path,
        bundle_digest=version.bundle_digest,
        weight_pct=weight_pct,
        role=role,
    )
