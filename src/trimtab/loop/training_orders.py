"""What a training process is given: the rows, and an order that names them and all that it may not look up itself."""

from __future__ import annotations

from pathlib import Path

from trimtab.config.database import MLFLOW_REFERENCE, mlflow_url
from trimtab.core.clock import from_micros
from trimtab.db.engine import Connection
from trimtab.lake.snapshots import Snapshot, make_snapshot
from trimtab.loop.groups import asked_groups
from trimtab.loop.model_files import ModelFiles, git_commit_of
from trimtab.loop.platform import Platform
from trimtab.loop.releases import aliases_of
from trimtab.registry import store as registry
from trimtab.registry.versions import ModelVersion
from trimtab.training.request import TrainingRequest

__all__ = ["order_for", "snapshot_for"]


def snapshot_for(platform: Platform, files: ModelFiles, *, until_us: int | None, retrains: bool) -> Snapshot:
    """Make the snapshot of what is known by ``until_us``, or now; one that ``retrains`` holds out the latest rows."""
    now = platform.clock.now() if until_us is None else from_micros(until_us)
    return make_snapshot(
        platform.database,
        platform.lake,
        model=files.model,
        contract=files.contract,
        endpoint=files.endpoint,
        until_us=until_us,
        lookback=files.training.lookback,
        recent_share=files.retrain.recent_share if retrains else None,
        hold_out=files.retrain.decision_period(files.model.label_delay) if retrains else None,
        now=now,
    )


def order_for(
    platform: Platform, files: ModelFiles, snapshot: Snapshot, *, job_id: str, out_dir: Path
) -> TrainingRequest:
    """Return what the process is told: it compares with the version that serves where rows were held out for that."""
    current = platform.database.read(lambda connection: _champion(connection, files))
    compares = current is not None and snapshot.recent_path is not None
    return TrainingRequest(
        job_id=job_id,
        model=files.model.model_dump(mode="json"),
        contract=files.contract.model_dump(mode="json"),
        training=files.training.model_dump(mode="json"),
        snapshot_path=str(snapshot.path),
        snapshot_id=snapshot.id,
        dataset_hash=snapshot.dataset_hash,
        config_hash=files.digest,
        # The request is stored and written to disk: a password stays in the environment, which a job inherits.
        mlflow_uri=_mlflow_of(platform),
        mlflow_artifacts=str(platform.project.mlflow_artifacts),
        experiment=f"{platform.project.config.project}/{files.model.name}",
        out_dir=str(out_dir),
        cache_dir=str(platform.project.training_cache),
        git_commit=git_commit_of(platform.project.root),
        compare_with=current.bundle_path if compares and current is not None else None,
        compare_digest=current.digest if compares and current is not None else None,
        compare_rows_path=str(snapshot.recent_path) if compares else None,
        time_limit_s=None if files.training.time_limit is None else files.training.time_limit.total_seconds(),
        now_us=platform.now_us(),
        groups=asked_groups(files),
    )


def _mlflow_of(platform: Platform) -> str | None:
    if not platform.tells_mlflow:
        return None
    return platform.project.mlflow_uri if mlflow_url() is None else MLFLOW_REFERENCE


def _champion(connection: Connection, files: ModelFiles) -> ModelVersion | None:
    number = aliases_of(connection, files.endpoint).get("champion")
    return None if number is None else registry.get(connection, files.model.name, number)
