"""A model of the errors: learnt out of sample, kept in the bundle, and right about where answers are bad."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

from trimtab.bundle.encoder import Encoder, Inputs
from trimtab.bundle.loss_predictor import ABSOLUTE_LOSS_NAME, SQUARED_LOSS_NAME, LossPredictor
from trimtab.bundle.manifest import Feature
from trimtab.bundle.writer import read_manifest, write_bundle
from trimtab.core.enums import ColumnKind, Task
from trimtab.testing.bundles import tiny_bundle
from trimtab.training.data import shell_manifest
from trimtab.training.loss_model import fit_loss_model
from trimtab.training.problem import Problem

FEATURES = (
    Feature(name="heat", kind=ColumnKind.NUMBER),
    Feature(name="site", kind=ColumnKind.CATEGORY, categories=("north", "south")),
    Feature(name="note", kind=ColumnKind.TEXT, terms=("leak", "noise"), nullable=True),
)
MANIFEST = shell_manifest(Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none"), FEATURES, "m", "y")


def rows(count: int, seed: int, *, south: float = 0.5) -> tuple[pa.Table, NDArray[np.float64], NDArray[np.float64]]:
    """Return features, answers and truths: answers about the south are four times as far off."""
    rng = np.random.default_rng(seed)
    heat, site = rng.uniform(0, 10, count), rng.random(count) < south
    table = pa.table(
        {
            "heat": heat,
            "site": np.where(site, "south", "north"),
            "note": pa.array(np.where(rng.random(count) < 0.2, "a leak", "nothing").tolist()),
        }
    )
    answer = 100 + 5 * heat
    return table, answer, answer + rng.normal(0, np.where(site, 4.0, 1.0))


def encoded(table: pa.Table) -> Inputs:
    return Encoder(MANIFEST).encode_table(table)


@pytest.fixture(scope="module")
def graphs() -> dict[str, bytes]:
    table, answer, truth = rows(3000, seed=1)
    return fit_loss_model(FEATURES, encoded(table), answer, truth, seed=0)


def test_the_errors_of_other_rows_are_as_expected(graphs: dict[str, bytes]) -> None:
    model = LossPredictor(MANIFEST, graphs[ABSOLUTE_LOSS_NAME], graphs[SQUARED_LOSS_NAME])
    for south in (0.1, 0.9):
        table, answer, truth = rows(4000, seed=2, south=south)
        absolute, squared = model.expected(table, answer)
        error = np.abs(truth - answer)
        assert float(absolute.mean()) == pytest.approx(float(error.mean()), rel=0.1)
        assert float(np.sqrt(squared.mean())) == pytest.approx(float(np.sqrt((error**2).mean())), rel=0.1)


def test_a_bundle_carries_it_and_is_verified_with_it(graphs: dict[str, bytes], tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    assert LossPredictor.load(plain, tiny_bundle(plain)) is None
    folder = tmp_path / "with"
    made = write_bundle(
        folder,
        msgspec.structs.replace(MANIFEST, files={}),
        model_onnx=(plain / "model.onnx").read_bytes(),
        golden=pa.table({"heat": [1.0]}),
        reference=lambda _folder: None,
        beside=graphs,
    )
    assert read_manifest(folder, expected_digest=made.digest).files.keys() >= graphs.keys()
    model = LossPredictor.load(folder, made)
    assert model is not None
    table, answer, _ = rows(5, seed=3)
    assert len(model.expected(table, answer)[0]) == 5


def test_few_rows_make_no_model() -> None:
    table, answer, truth = rows(199, seed=1)
    assert fit_loss_model(FEATURES, encoded(table), answer, truth, seed=0) == {}


def test_the_same_rows_make_the_same_model(graphs: dict[str, bytes]) -> None:
    table, answer, truth = rows(3000, seed=1)
    assert fit_loss_model(FEATURES, encoded(table), answer, truth, seed=0) == graphs
