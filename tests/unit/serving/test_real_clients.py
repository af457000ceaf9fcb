"""The standards' own clients, unchanged, against a real server: NVIDIA's for the Open Inference Protocol, MLflow's."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.bundle.predictor import Predictor
from trimtab.serving.spec import EndpointSpec

triton = pytest.importorskip("tritonclient.http", reason="tritonclient has no wheel for this platform")

_ROWS: list[dict[str, Any]] = [ROW, {"age": 41.0, "chol": None, "sex": "female"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("clients")
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(variant(state, "stable", "100"),)))
    server = Running(state)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def expected(running: Running) -> tuple[list[str], list[float]]:
    predictor = Predictor.load(Path(running.state) / "bundle-binary-1", expected_digest=None)
    predictions = predictor.predict_rows(_ROWS)
    assert predictions.probability is not None
    return predictions.labels.tolist(), predictions.probability.tolist()


def _inputs(*, binary: bool) -> list[Any]:
    columns = {
        "age": ("FP64", np.array([[row["age"]] for row in _ROWS], dtype=np.float64)),
        "chol": ("FP64", np.array([[250.0], [np.nan]])),
        "sex": ("BYTES", np.array([[str(row["sex"])] for row in _ROWS], dtype=object)),
    }
    inputs = []
    for name, (datatype, values) in columns.items():
        if not binary and name == "chol":
            continue  # JSON has no NaN; the field may be absent
        tensor = triton.InferInput(name, list(values.shape), datatype)
        tensor.set_data_from_numpy(values, binary_data=binary)
        inputs.append(tensor)
    return inputs


def test_tritonclient_finds_the_model_and_is_answered_with_its_defaults(
    running: Running, expected: tuple[list[str], list[float]]
) -> None:
    labels, probabilities = expected
    with triton.InferenceServerClient(f"127.0.0.1:{running.info.port}") as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("heart")
        assert client.is_model_ready("heart", "1")
        assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
        assert [one["name"] for one in client.get_model_metadata("heart")["inputs"]] == ["age", "chol", "sex"]
        answer = client.infer("heart", _inputs(binary=True), request_id="mine")
        assert [value.decode() for value in answer.as_numpy("prediction")] == labels
        assert answer.as_numpy("probability").tolist() == probabilities
        assert answer.as_numpy("probabilities").shape == (2, 2)
        assert answer.get_response()["id"] == "mine"
        compressed = client.infer(
            "heart", _inputs(binary=True), model_version="1", outputs=[triton.InferRequestedOutput("probability")]
        )
        assert compressed.as_numpy("probability").tolist() == probabilities
        assert compressed.as_numpy("prediction") is None


def test_tritonclient_in_json_and_many_at_once(running: Running, expected: tuple[list[str], list[float]]) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{running.info.port}", concurrency=4) as client:
        outputs = [triton.InferRequestedOutput("probability", binary_data=False)]
        plain = client.infer("heart", _inputs(binary=False), outputs=outputs)
        assert plain.as_numpy("probability")[1] == expected[1][1]
        waiting = [client.async_infer("heart", _inputs(binary=True)) for _ in range(40)]
        for one in waiting:
            assert one.get_result().as_numpy("probability").tolist() == expected[1]


def test_tritonclient_is_told_what_is_wrong(running: Running) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{running.info.port}") as client:
        with pytest.raises(triton.InferenceServerException, match="endpoint 'lung': not served here"):
            client.infer("lung", _inputs(binary=True))
        with pytest.raises(triton.InferenceServerException, match="field 'sex' is missing"):
            client.infer("heart", _inputs(binary=True)[:2])


def test_mlflows_own_client_scores_a_frame(running: Running, expected: tuple[list[str], list[float]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own type hints as it is imported
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    client = ScoringServerClient("127.0.0.1", running.info.port)
    client.wait_server_ready(timeout=20)
    frame = pd.DataFrame(_ROWS)
    assert list(client.invoke(frame).get_predictions()[0]) == expected[0]
