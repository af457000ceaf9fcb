"""The winner's bundle: manifest, graph, golden rows, and the reference that its monitoring compares with."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from trimtab.bundle.manifest import Lineage, Manifest
from trimtab.bundle.writer import SAMPLE_NAME, write_bundle
from trimtab.core.enums import ColumnKind
from trimtab.profiles.reference import build_reference, write_reference
from trimtab.training.baselines import group_shares, sample_of_rows
from trimtab.training.finishing import Winner
from trimtab.training.golden import golden_table
from trimtab.training.loss_model import fit_loss_model
from trimtab.training.plan import Plan
from trimtab.training.request import BUNDLE_NAME, TrainingRequest
from trimtab.training.steps import pipeline_version

__all__ = ["write_winner"]


def write_winner(plan: Plan, winner: Winner, request: TrainingRequest, now: datetime, run_id: str) -> Manifest:
    """Leave the winner's bundle in the request's ``out_dir``, and return its manifest."""
    data, outcome, finished = plan.data, winner.outcome, winner.finished
    manifest = Manifest(
        model=plan.model.name,
        task=plan.model.task,
        target=plan.model.target,
        algorithm=outcome.candidate.type.value,
        created_at=now.isoformat(),
        features=data.features,
        classes=data.problem.classes,
        positive_class=data.problem.positive_class,
        decision_threshold=finished.decision_threshold,
        calibration=finished.calibration,
        key=plan.model.key,
        time=plan.model.time,
        metrics=finished.metrics,
        params=outcome.best.params,
        importance=finished.importance,
        attribution={} if winner.explanation is None else winner.explanation.shares,
        groups=group_shares(plan, winner, request.groups),
        parity=finished.parity,
        lineage=Lineage(
            snapshot_id=request.snapshot_id,
            dataset_hash=request.dataset_hash,
            config_hash=request.config_hash,
            run_id=run_id,
            git_commit=request.git_commit,
            job_id=request.job_id,
            pipeline=pipeline_version(),
        ),
        files={},
    )
    return write_bundle(
        Path(request.out_dir) / BUNDLE_NAME,
        manifest,
        model_onnx=finished.model_onnx,
        golden=golden_table(data.table, data.features, winner.golden_rows, finished.golden),
        reference=lambda folder: _write_reference(folder, plan, winner),
        beside={**_loss_model(plan, winner), SAMPLE_NAME: sample_of_rows(plan, winner)},
    )


def _loss_model(plan: Plan, winner: Winner) -> dict[str, bytes]:
    """Return the model of the errors that the answers to numbers have, learnt from answers out of sample."""
    data, finished = plan.data, winner.finished
    if plan.model.task.is_classification:
        return {}
    rows = np.concatenate([*(fold.score for fold in winner.reference_folds), plan.split.test])
    answers = np.concatenate([*finished.out_of_sample, finished.held_out.raw])
    return fit_loss_model(data.features, data.inputs.take(rows), answers, data.target[rows], seed=plan.settings.seed)


def _write_reference(folder: Path, plan: Plan, winner: Winner) -> None:
    """Leave profiles of the features, and of the answers to rows that the answering fit had not seen."""
    data, finished = plan.data, winner.finished
    folds = [fold.score for fold in winner.reference_folds]
    rows = np.concatenate([*folds, plan.split.test])
    raw = np.concatenate([*finished.out_of_sample, finished.held_out.raw])
    order = np.argsort(rows, kind="stable")
    rows, answer = rows[order], finished.problem.read(raw[order])
    kinds = {feature.name: feature.kind for feature in data.features}
    table = data.table.select(list(kinds)).take(pa.array(rows))
    if answer.probability is None:
        kinds["@prediction"] = ColumnKind.NUMBER
        table = table.append_column("@prediction", pa.array(answer.prediction, pa.float64()))
    else:
        kinds |= {"@prediction": ColumnKind.CATEGORY, "@probability": ColumnKind.NUMBER}
        table = table.append_column("@prediction", pa.array(answer.prediction.tolist(), pa.string()))
        table = table.append_column("@probability", pa.array(answer.probability, pa.float64()))
    time_us = None if data.time_us is None else data.time_us[rows]
    write_reference(folder, build_reference(table, kinds, time_us=time_us, blocks=plan.settings.reference_blocks))
