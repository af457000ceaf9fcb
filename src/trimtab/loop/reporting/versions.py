"""What reports say of a version alike: what it is, where it comes from, and how it did against another."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Task
from trimtab.db.engine import Connection
from trimtab.db.tables import snapshot
from trimtab.measures.metrics import higher_is_better
from trimtab.registry.versions import ModelVersion
from trimtab.reports.deployment import ComparisonData, LineageData, VersionData

__all__ = ["comparison_of", "lineage_of", "version_of"]


def version_of(connection: Connection, version: ModelVersion) -> VersionData:
    """Return what a report says of ``version``."""
    rows = connection.execute(select(snapshot.c.rows).where(snapshot.c.id == version.snapshot_id)).scalar_one_or_none()
    return VersionData(
        number=version.number,
        algorithm=version.algorithm,
        digest=version.digest,
        created_us=version.created_us,
        metrics=version.metrics,
        trained_on_rows=rows,
    )


def lineage_of(version: ModelVersion) -> LineageData:
    """Return where ``version`` comes from, as far as is known."""
    return LineageData(
        bundle_digest=version.digest,
        dataset_hash=str(version.spec.get("dataset_hash", "")),
        config_hash=str(version.spec.get("config_hash", "")),
        snapshot_id=version.snapshot_id,
        run_id=version.run_id,
        git_commit=version.spec.get("git_commit"),
        job_id=version.job_id,
    )


def comparison_of(found: JsonObject | None, task: Task) -> Iterable[ComparisonData]:
    """Yield what a `trimtab.training.compare` found of two versions on the same rows, the loss first."""
    if found is None:
        return
    low, high = found["loss_gain_low"], found["loss_gain_high"]
    # A gain is a loss that fell: the interval of the difference is that of the gain, turned round.
    yield ComparisonData(
        metric="share of wrong answers" if task.is_classification else "mean absolute error",
        old=found["loss_current"],
        new=found["loss_candidate"],
        difference=-found["loss_gain"],
        low=None if high is None else -high,
        high=None if low is None else -low,
        confidence=0.95,
        rows=int(found["rows"]),
        higher_is_better=False,
    )
    for metric, old in found["current"].items():
        new = found["candidate"].get(metric)
        if new is not None:
            better = higher_is_better(metric)
            yield ComparisonData(metric, old, new, new - old, None, None, 0.95, int(found["rows"]), better)
