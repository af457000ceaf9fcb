"""Terms of a text as linear models see them: rare ones count more, long texts no more than short ones."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from trimtab.bundle.encoder import Encoder, Inputs
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind, Task
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import fit
from trimtab.training.export import check_parity, export
from trimtab.training.preparation import fit_preparation
from trimtab.training.probes import probe_inputs
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

FEATURES = (
    Feature(name="n", kind=ColumnKind.NUMBER),
    Feature(name="review", kind=ColumnKind.TEXT, nullable=True, terms=("bad", "good", "not good", "plot")),
    Feature(name="title", kind=ColumnKind.TEXT, nullable=True, terms=()),
)
CLASSES = Problem(Task.MULTICLASS, ("bad", "fine", "good"), None, ("accuracy",), "accuracy", "none")
MANIFEST = shell_manifest(CLASSES, FEATURES, "m", "y")
TEXTS = ["good plot, good", "bad bad bad plot", "not good", None, "whatever", "the plot"]


def rows(count: int) -> tuple[Inputs, np.ndarray]:
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(TEXTS), count)
    drawn = [{"n": float(rng.normal()), "review": TEXTS[place], "title": "a b"} for place in chosen]
    return Encoder(MANIFEST).encode_rows(drawn), np.array([2, 0, 0, 1, 1, 1])[chosen]


def test_weights_are_those_of_scikit_learn_on_logarithms_of_counts() -> None:
    inputs, _ = rows(60)
    prepared = fit_preparation(FEATURES, inputs, keep_nan=False, scale=True).transform(inputs)
    counts = inputs.numeric[:, 2:6]
    wanted = TfidfTransformer().fit(counts).transform(np.log1p(counts)).toarray()
    np.testing.assert_allclose(prepared[:, 2:6], wanted, atol=1e-6)


def test_trees_see_the_counts_as_they_are() -> None:
    inputs, _ = rows(60)
    prepared = fit_preparation(FEATURES, inputs, keep_nan=True, scale=False).transform(inputs)
    np.testing.assert_array_equal(prepared, inputs.numeric)


@pytest.mark.parametrize("scale", [True, False])
def test_matrix_without_its_zeros_is_the_same(scale: bool) -> None:
    inputs, _ = rows(60)
    preparation = fit_preparation(FEATURES, inputs, keep_nan=False, scale=scale)
    np.testing.assert_array_equal(preparation.transform_sparse(inputs).toarray(), preparation.transform(inputs))


@pytest.mark.parametrize("algorithm", [Algorithm.LOGISTIC_REGRESSION, Algorithm.LIGHTGBM])
def test_graph_weighs_terms_as_the_estimator_learnt_them(algorithm: Algorithm) -> None:
    inputs, target = rows(200)
    fitted = fit(algorithm, {}, CLASSES, FEATURES, inputs, target, seed=0)
    assert (fitted.answer(inputs).prediction == CLASSES.truth(target)).mean() > 0.95
    model = export(fitted)
    probes = probe_inputs(MANIFEST, inputs.take(np.arange(40)), model, np.random.default_rng(0))
    assert check_parity(fitted, MANIFEST, model, probes, 1e-5).rows > 100
