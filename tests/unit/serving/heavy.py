"""Bundles that take room in memory, or time to answer, as large models do."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from trimtab.serving.spec import VariantSpec
from trimtab.testing.faulty_bundles import slow_bundle


def heavy_variant(folder: Path, name: str, *, version: int = 1, size_mb: int = 0, products: int = 0) -> VariantSpec:
    """Return a variant that answers as the tiny one does, with a table of ``size_mb`` MB that each answer looks into,
    and ``products`` matrix products that each row goes through."""
    bundle = folder / f"heavy-{name}-{version}"
    written = slow_bundle(bundle, products=products, size_mb=size_mb, weights=(float(version), 0.5, -0.25))
    return VariantSpec(
        name="stable",
        model="tiny",
        model_version=version,
        bundle_path=str(bundle),
        bundle_digest=written.digest,
        weight_pct=Decimal(100),
    )
