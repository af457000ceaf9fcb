import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trimtab.bundle.graph import check_graph
from trimtab.bundle.predictor import Predictor
from trimtab.core.enums import Task
from trimtab.core.errors import ArtifactUntrustedError, ConfigError, NotFoundError
from trimtab.testing.bundles import tiny_bundle, tiny_model

ROWS: list[dict[str, Any]] = [{"age": 70, "chol": None, "sex": "male"}, {"age": 30, "chol": 200.0, "sex": "other"}]


def test_binary_answers_are_classes_with_the_positive_probability(tmp_path: Path) -> None:
    manifest = tiny_bundle(tmp_path / "b")
    answers = Predictor.load(tmp_path / "b", expected_digest=manifest.digest).predict_rows(ROWS)
    expected = 1 / (1 + np.exp(-np.array([2 - 0.25, -2 - 0.4])))
    assert answers.labels.tolist() == ["yes", "no"]
    assert answers.probability is not None
    assert answers.probabilities is not None
    np.testing.assert_allclose(answers.probability, expected, atol=1e-6)
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1, atol=1e-6)


def test_regression_answers_are_values(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b", task=Task.REGRESSION)
    answers = Predictor.load(tmp_path / "b", expected_digest=None).predict_rows(ROWS)
    np.testing.assert_allclose(answers.labels, [117.5, 76.0], atol=1e-4)
    assert answers.labels.dtype == np.float64
    assert answers.probability is None


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_golden_rows_are_answered_as_expected(tmp_path: Path, task: Task) -> None:
    tiny_bundle(tmp_path / "b", task=task)
    parity = Predictor.load(tmp_path / "b", expected_digest=None).golden_check()
    assert parity.rows == 6
    assert parity.max_abs_difference <= parity.tolerance


def test_other_weights_fail_the_golden_check(tmp_path: Path) -> None:
    manifest = tiny_bundle(tmp_path / "b")
    golden = (tmp_path / "b" / "golden.parquet").read_bytes()
    other = Predictor(manifest, tiny_model(Task.BINARY, (2.0, 0.5, -0.25)), golden)
    assert other.golden_check().max_abs_difference > 0.01


def with_part_before_the_score(nodes: list[onnx.NodeProto], **constants: Any) -> bytes:
    """Return the tiny model with ``nodes``, which give a scalar ``more`` that is added to the score."""
    model = onnx.load_from_string(tiny_model(Task.BINARY, (1.0, 0.5, -0.25)))
    model.graph.initializer.extend(numpy_helper.from_array(np.array(value), name) for name, value in constants.items())
    before = list(model.graph.node)
    place = [node.op_type for node in before].index("Sigmoid")
    before[place].input[0] = "changed"
    del model.graph.node[:]
    added = helper.make_node("Add", ["score", "more"], ["changed"])
    model.graph.node.extend([*before[:place], *nodes, added, *before[place:]])
    return bytes(model.SerializeToString())


def test_a_graph_that_never_ends_is_refused_at_its_golden_rows(tmp_path: Path) -> None:
    manifest = tiny_bundle(tmp_path / "b")
    golden = (tmp_path / "b" / "golden.parquet").read_bytes()
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes_on"]), helper.make_node("Add", ["sum", "nothing"], ["sums"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, []),
        ],
    )
    endless = with_part_before_the_score(
        [helper.make_node("Loop", ["turns", "begin", "nothing"], ["more"], body=body)],
        turns=np.int64(2**62),
        begin=True,
        nothing=np.float32(0),
    )
    with pytest.raises(ArtifactUntrustedError, match=r"does not answer its golden rows \(no answer after 0.2 s"):
        Predictor(manifest, endless, golden).golden_check(within_s=0.2)


def test_a_graph_that_wants_more_memory_than_there_is_is_refused_at_its_golden_rows(tmp_path: Path) -> None:
    manifest = tiny_bundle(tmp_path / "b")
    golden = (tmp_path / "b" / "golden.parquet").read_bytes()
    vast = with_part_before_the_score(
        [
            helper.make_node("Shape", ["numeric"], ["rows"]),
            helper.make_node("Add", ["rows", "size"], ["larger"]),
            helper.make_node("ConstantOfShape", ["larger"], ["zeros"]),
            helper.make_node("ReduceSum", ["zeros"], ["more"], keepdims=0),
        ],
        size=np.array([10**8, 10**8]),
    )
    with pytest.raises(ArtifactUntrustedError, match=r"does not answer its golden rows \(.*ConstantOfShape"):
        Predictor(manifest, vast, golden).golden_check()


def test_no_rows_give_no_answers(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b")
    assert len(Predictor.load(tmp_path / "b", expected_digest=None).predict_rows([])) == 0


def test_an_answer_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b", task=Task.REGRESSION, weights=(1e38, 1e38, 0.0))
    predictor = Predictor.load(tmp_path / "b", expected_digest=None)
    with pytest.raises(ConfigError, match="row 1: model 'tiny' has no finite answer"):
        predictor.predict_rows([ROWS[0] | {"age": 50}, ROWS[0] | {"age": 3e38}])


def test_digest_is_compared_before_anything_is_loaded(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b")
    with pytest.raises(ArtifactUntrustedError, match="digest"):
        Predictor.load(tmp_path / "b", expected_digest="0" * 64)


def test_folder_without_bundle_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"bundle\.json"):
        Predictor.load(tmp_path, expected_digest=None)
    (tmp_path / "bundle.json").mkdir()
    with pytest.raises(NotFoundError, match=r"its bundle\.json is a folder"):
        Predictor.load(tmp_path, expected_digest=None)


def test_graph_that_does_not_fit_the_manifest_is_refused(tmp_path: Path) -> None:
    manifest = tiny_bundle(tmp_path / "b")
    with pytest.raises(ArtifactUntrustedError, match="'probabilities'"):
        Predictor(manifest, tiny_model(Task.REGRESSION, (1.0, 0.5, -0.25)))
    narrower = manifest.__class__(
        **{name: getattr(manifest, name) for name in manifest.__struct_fields__} | {"features": manifest.features[1:]}
    )
    with pytest.raises(ArtifactUntrustedError, match="does not fit"):
        Predictor(narrower, tiny_model(Task.BINARY, (1.0, 0.5, -0.25)))


def test_graph_with_operators_of_others_is_refused() -> None:
    model = onnx.load_from_string(tiny_model(Task.BINARY, (1.0, 1.0, 1.0)))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    with pytest.raises(ArtifactUntrustedError, match=r"com\.example"):
        check_graph(model.SerializeToString())


def test_graph_with_bytes_in_other_files_is_refused() -> None:
    model = onnx.load_from_string(tiny_model(Task.BINARY, (1.0, 1.0, 1.0)))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    with pytest.raises(ArtifactUntrustedError, match="other files"):
        check_graph(model.SerializeToString())


def test_a_node_named_location_is_no_reason_to_refuse() -> None:
    model = onnx.load_from_string(tiny_model(Task.BINARY, (1.0, 1.0, 1.0)))
    model.graph.node[0].name = "location"
    check_graph(model.SerializeToString())


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"not a model", b"\x3a\xff\x01"])
def test_bytes_that_are_no_graph_are_refused(content: bytes) -> None:
    with pytest.raises(ArtifactUntrustedError, match=r"model\.onnx"):
        check_graph(content)


def test_loading_a_bundle_needs_no_heavy_library(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "b")
    script = (
        "import sys; from pathlib import Path; from trimtab.bundle.predictor import Predictor;"
        f"Predictor.load(Path({str(tmp_path / 'b')!r}), expected_digest=None);"
        "print([m for m in ('pandas','polars','sklearn','mlflow','onnx','sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
