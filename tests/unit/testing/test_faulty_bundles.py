"""A faulty bundle passes its smoke test, and is bad in just the way that it says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import MODEL_NAME
from trimtab.testing.bundles import tiny_bundle
from trimtab.testing.faulty_bundles import SELDOM, failing_bundle, slow_bundle, wrong_bundle

ROWS: list[dict[str, Any]] = [{"age": 61.0, "chol": 233.0, "sex": "male"}, {"age": 35.0, "chol": None, "sex": "female"}]


def loaded(folder: Path, manifest: Manifest) -> Predictor:
    return Predictor.load(folder, expected_digest=manifest.digest)


def slow(folder: Path) -> Manifest:
    return slow_bundle(folder, products=7)


@pytest.mark.parametrize("write", [slow, failing_bundle, wrong_bundle])
def test_golden_rows_agree(tmp_path: Path, write: Callable[[Path], Manifest]) -> None:
    found = loaded(tmp_path / "one", write(tmp_path / "one")).golden_check()
    assert found.rows > 0
    assert found.max_abs_difference <= found.tolerance


@pytest.mark.parametrize("write", [slow, failing_bundle])
def test_ordinary_rows_are_answered_as_the_tiny_model_does(tmp_path: Path, write: Callable[[Path], Manifest]) -> None:
    answers = loaded(tmp_path / "one", write(tmp_path / "one")).predict_rows(ROWS)
    tiny = loaded(tmp_path / "tiny", tiny_bundle(tmp_path / "tiny")).predict_rows(ROWS)
    assert answers.probability == pytest.approx(tiny.probability)


def test_a_slow_one_does_its_products_in_its_graph(tmp_path: Path) -> None:
    slow(tmp_path / "slow")
    graph = onnx.load(str(tmp_path / "slow" / MODEL_NAME)).graph
    assert sum("square" in node.input for node in graph.node) == 7


def test_a_failing_one_fails_on_the_seldom_value_alone(tmp_path: Path) -> None:
    failing = loaded(tmp_path / "failing", failing_bundle(tmp_path / "failing"))
    assert len(failing.predict_rows([{**ROWS[0], "sex": "never heard of"}])) == 1
    seldom: dict[str, Any] = {**ROWS[0], "sex": SELDOM}
    with pytest.raises(InvalidArgument, match="out of data bounds"):
        failing.predict_rows([seldom])
    tiny = loaded(tmp_path / "tiny", tiny_bundle(tmp_path / "tiny"))
    assert len(tiny.predict_rows([seldom])) == 1


def test_a_wrong_one_says_the_opposite(tmp_path: Path) -> None:
    wrong = loaded(tmp_path / "wrong", wrong_bundle(tmp_path / "wrong")).predict_rows(ROWS)
    tiny = loaded(tmp_path / "tiny", tiny_bundle(tmp_path / "tiny")).predict_rows(ROWS)
    assert wrong.labels.tolist() == [{"yes": "no", "no": "yes"}[label] for label in tiny.labels.tolist()]
