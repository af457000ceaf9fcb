"""The endpoints that a rollout wants, as specs for a deployer."""

from __future__ import annotations

from decimal import Decimal

from trimtab.rollout.machine import production_weights
from trimtab.rollout.state import RolloutSpec, RolloutState, VersionRef
from trimtab.serving.spec import EndpointSpec, LogSpec, VariantSpec

__all__ = ["production_spec", "staging_spec"]


def production_spec(spec: RolloutSpec, state: RolloutState, *, generation: int) -> EndpointSpec:
    """Return what production shall be in ``state``; no variants when nothing is to be served (yet)."""
    versions = {version.variant: version for version in (spec.stable, spec.candidate) if version is not None}
    variants = tuple(
        _variant(spec, versions[name], weight_pct) for name, weight_pct in production_weights(spec, state).items()
    )
    return EndpointSpec(
        endpoint=spec.endpoint,
        generation=generation,
        variants=variants,
        sticky_key=spec.sticky_key,
        record=True,
        log=LogSpec(on_full=spec.on_full),
    )


def staging_spec(spec: RolloutSpec, state: RolloutState, *, generation: int) -> EndpointSpec:
    """Return what the staging endpoint shall be: the candidate alone, and nothing once the rollout has finished.

    Nothing is recorded there: golden rows are not production data.
    """
    variants = () if state.phase.is_final else (_variant(spec, spec.candidate, Decimal(100)),)
    return EndpointSpec(endpoint=spec.staging_endpoint, generation=generation, variants=variants, record=False)


def _variant(spec: RolloutSpec, version: VersionRef, weight_pct: Decimal) -> VariantSpec:
    return VariantSpec(
        name=version.variant,
        model=spec.model,
        model_version=version.number,
        bundle_path=version.bundle_path,
        bundle_digest=version.bundle_digest,
        weight_pct=weight_pct,
    )
