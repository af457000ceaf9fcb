"""The winner against the version that is in use, as a step: what an earlier training found out is taken over."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import TrimtabError
from trimtab.files import sha256_of_file
from trimtab.training.compare import compare
from trimtab.training.data import read_labelled
from trimtab.training.finishing import Winner
from trimtab.training.plan import Plan
from trimtab.training.request import BUNDLE_NAME, Comparison, TrainingRequest
from trimtab.training.stepbook import StepBook
from trimtab.training.steps import Step, step_key

__all__ = ["compare_with_current"]


def compare_with_current(
    plan: Plan, winner: Winner, request: TrainingRequest, manifest: Manifest, book: StepBook
) -> tuple[Comparison | None, tuple[str, ...]]:
    """Return how the winner does against the request's current version, or a note that says why that is not known."""
    if request.compare_with is None or request.compare_rows_path is None:
        return None, ()
    rows_path = Path(request.compare_rows_path)
    problem = winner.finished.problem
    began = time.perf_counter()
    try:
        key = _key(plan, winner, request, rows_path)
        known = None if request.compare_digest is None else book.recall(Step.COMPARE, key, Comparison)
        if known is not None:
            return known, ()
        table, truth = read_labelled(rows_path, plan.model)
        candidate = Predictor.load(Path(request.out_dir) / BUNDLE_NAME, expected_digest=manifest.digest)
        rng = np.random.default_rng(plan.settings.seed)
        found = compare(candidate, Path(request.compare_with), request.compare_digest, table, truth, problem, rng)
    except (TrimtabError, OSError) as error:
        # The new version stands without it; whoever decides sees that nothing was compared, and why.
        return None, (f"not compared with the current version: {error}",)
    # Without its digest the current version is just a folder, which may hold another one next time.
    kept = None if request.compare_digest is None else found
    book.keep(Step.COMPARE, key, kept, time.perf_counter() - began)
    return found, ()


def _key(plan: Plan, winner: Winner, request: TrainingRequest, rows_path: Path) -> str:
    rows = sha256_of_file(rows_path)
    return step_key(
        Step.COMPARE, None, winner.key, plan.data.features, plan.model, request.compare_digest, rows, plan.settings.seed
    )
