"""Where a version comes from, as a table: what is not known is named, never left out."""

from __future__ import annotations

from trimtab.reports.deployment import LineageData
from trimtab.reports.document import Cell, Table

__all__ = ["lineage_rows"]


def lineage_rows(lineage: LineageData) -> Table:
    """Return one row for each piece that leads back to how the version was made."""
    pieces = {
        "Bundle (SHA-256)": lineage.bundle_digest,
        "Dataset hash": lineage.dataset_hash,
        "Snapshot": lineage.snapshot_id,
        "Configuration hash": lineage.config_hash,
        "MLflow run": lineage.run_id,
        "Job": lineage.job_id,
        "Git commit": lineage.git_commit,
    }
    rows = [(name, Cell(value, code=True) if value else Cell("not known", gap=True)) for name, value in pieces.items()]
    return Table(("What", "Which"), rows)
