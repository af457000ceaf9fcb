"""What a bundle tells monitors of answers to unseen rows: how groups were answered, and a sample of the rows."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.core.enums import Task
from trimtab.measures.group_metrics import GroupShare, groups_of, rate_shares
from trimtab.training.finishing import Winner
from trimtab.training.plan import Plan
from trimtab.training.request import AskedGroup

__all__ = ["group_shares", "sample_of_rows"]

_SAMPLE = 200


def group_shares(
    plan: Plan, winner: Winner, asked: Sequence[AskedGroup]
) -> dict[str, dict[str, dict[str, GroupShare]]]:
    """Return how groups of the rows that the answering fit had not seen were answered: by key, rate and group.

    A column that the rows do not have, and one without a favourable class, is left out.
    """
    data, finished = plan.data, winner.finished
    if not plan.model.task.is_classification or not asked:
        return {}
    folds = [fold.score for fold in winner.reference_folds]
    rows = np.concatenate([*folds, plan.split.test])
    order = np.argsort(rows, kind="stable")
    raw = np.concatenate([*finished.out_of_sample, finished.held_out.raw])[order]
    said = finished.problem.read(raw).prediction.astype(np.str_)
    truth = np.array(data.problem.classes, dtype=np.str_)[data.target[rows[order]]]
    found = {}
    for group in asked:
        favourable = group.favourable or (plan.model.positive_class if plan.model.task is Task.BINARY else None)
        if favourable is None or group.column not in data.table.column_names:
            continue
        values = data.table[group.column].take(pa.array(rows[order])).to_numpy(zero_copy_only=False)
        names, codes = groups_of(values, group.edges)
        shares = rate_shares(names, codes, said == favourable, truth == favourable)
        found[group.key] = {rate.value: by_group for rate, by_group in shares.items()}
    return found


def sample_of_rows(plan: Plan, winner: Winner) -> bytes:
    """Return, as a Parquet file, the features of at most 200 rows, drawn from those that the fit had not seen."""
    rows = np.concatenate([*(fold.score for fold in winner.reference_folds), plan.split.test])
    # A generator of its own: what else the seed decides must not change.
    rng = np.random.default_rng(plan.settings.seed + 7)
    chosen = np.sort(rng.permutation(rows)[:_SAMPLE])
    names = [feature.name for feature in plan.data.features]
    buffer = io.BytesIO()
    pq.write_table(plan.data.table.select(names).take(pa.array(chosen)), buffer, compression="zstd")
    return buffer.getvalue()
