from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.serving.running import ROW, Running

from trimtab.bundle.predictor import Predictor


def test_a_row_is_answered_with_class_probability_and_origin(shared: Running) -> None:
    reply = shared.call("POST", "/predict", {"row": ROW, "record_key": "7"}, {"X-Request-Id": "abc-1"})
    assert reply.status == 200
    answer = reply.json
    assert (answer["endpoint"], answer["model"], answer["request_id"]) == ("heart", "tiny", "abc-1")
    assert reply.headers["x-request-id"] == "abc-1"
    assert reply.headers["x-trimtab-variant"] == answer["variant"]
    assert reply.headers["x-trimtab-model"] == f"tiny:{answer['model_version']}"
    (prediction,) = answer["predictions"]
    assert prediction["prediction"] == "yes"
    assert prediction["probabilities"]["yes"] == prediction["probability"]
    assert prediction["prediction_id"][14] == "7"


def test_many_rows_are_answered_like_the_bundle_answers_them(shared: Running) -> None:
    rows = [{"age": 30 + place, "chol": None if place % 3 else 200.5, "sex": "female"} for place in range(30)]
    reply = shared.predict({"rows": rows, "source": "north"}, "/predict/heart-staging")
    expected = Predictor.load(shared.state / "bundle-binary-3", expected_digest=None).predict_rows(rows)
    assert expected.probability is not None
    assert [one["prediction"] for one in reply.json["predictions"]] == expected.labels.tolist()
    assert [one["probability"] for one in reply.json["predictions"]] == expected.probability.tolist()


def test_a_regression_answers_a_number(shared: Running) -> None:
    (prediction,) = shared.predict({"row": ROW}, "/predict/bike-staging").json["predictions"]
    assert isinstance(prediction["prediction"], float)
    assert prediction["probability"] is None


def test_weights_are_respected_and_keys_stick(shared: Running) -> None:
    drawn = Counter(shared.predict({"row": ROW}).json["variant"] for _ in range(400))
    assert 15 <= drawn["canary"] <= 75
    by_key = {str(key): shared.predict({"row": ROW, "record_key": key}).json["variant"] for key in range(60)}
    again = {key: shared.predict({"row": ROW, "sticky_key": key}).json["variant"] for key in by_key}
    assert again == by_key
    assert set(by_key.values()) == {"stable", "canary"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "Expected `object`"),
        (b'{"rows": 5}', "$.rows"),
        (b'{"rows": [], "row": {}}', "either rows"),
        (b'{"rows": []}', "rows: 0, expected 1 to 10000 a request; send one"),
        (b'{"row": {"age": "x", "chol": 1, "sex": "male"}}', "'age' is text 'x'"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male", "hat": 1}}', "'hat' is unknown"),
        (b'{"row": {"chol": 1, "age": 1e999, "sex": "male"}}', "out of range - at `$.row['age']`"),
        (b'{"row": {"age": NaN, "chol": 1, "sex": "male"}}', "send null for a number that is missing"),
        (b'{"row": {"age": 1e300, "chol": 1, "sex": "male"}}', "'age'"),
        (b'{"row": {"chol": 1, "age": [1], "sex": "male"}}', "got `array` - at `$.row['age']`"),
        (b'{"rows": [{"chol": 1}, {"age": {}, "chol": []}]}', "got `object` - at `$.rows[1]['age']`"),
        (b'{"row": {"[...]`": {}}}', "at `$.row['[...]`']`"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male"}, "record_keys": ["1"]}', "with rows"),
        (b'{"rows": [{"age": 1, "chol": 1, "sex": "male"}], "record_keys": ["1", "2"]}', "one a row"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male"}, "event_time": "yesterday"}', "RFC 3339"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male"}, "event_time": "2030-01-01T00:00:00"}', "offset"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male"}, "source": ""}', "source"),
        (b'{"row": {"age": 1, "chol": 1, "sex": "male"}, "colour": "red"}', "colour"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "body"),
    ],
)
def test_a_body_that_does_not_fit_is_refused_in_one_sentence(shared: Running, body: bytes, told: str) -> None:
    reply = shared.predict(body)
    assert reply.status == 400
    assert told in reply.json["error"]
    assert "\n" not in reply.json["error"]
    assert "Traceback" not in reply.json["error"]


def test_an_unnamed_endpoint_must_be_the_only_one_that_is_not_for_staging(shared: Running) -> None:
    assert shared.predict({"row": ROW}).json["endpoint"] == "heart"
    reply = shared.predict({"row": ROW}, "/predict/churn")
    assert reply.status == 404
    assert "heart-staging" in reply.json["error"]


def test_paths_and_methods_that_are_not_there(shared: Running) -> None:
    assert shared.call("GET", "/nothing").status == 404
    reply = shared.call("GET", "/predict")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert shared.call("POST", "/health", b"{}").status == 405
    assert shared.call("POST", "/v2/models/heart/dance", b"{}").status == 404


def test_too_much_is_refused(shared: Running) -> None:
    reply = shared.predict({"rows": [ROW] * 4}, "/predict/bike-staging")
    assert reply.status == 400
    assert "expected 1 to 3" in reply.json["error"]
    announced = shared.predict(b" " * 6_000, "/predict/heart-staging")
    assert announced.status == 413
    shared.hang_up()
    with socket.create_connection(("127.0.0.1", shared.info.port)) as raw:
        raw.sendall(b"POST /predict/heart-staging HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(4):
            raw.sendall(b"7d0\r\n" + b" " * 2_000 + b"\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 413")


def test_open_inference_metadata_and_readiness(shared: Running) -> None:
    assert shared.call("GET", "/v2").json["name"] == "trimtab"
    assert shared.call("GET", "/v2/health/live").status == 200
    assert shared.call("GET", "/v2/health/ready").status == 200
    assert shared.call("GET", "/v2/models/heart/ready").status == 200
    assert shared.call("GET", "/v2/models/churn/ready").status == 404
    model = shared.call("GET", "/v2/models/heart").json
    assert [tensor["name"] for tensor in model["inputs"]] == ["age", "chol", "sex"]
    assert [tensor["datatype"] for tensor in model["inputs"]] == ["FP64", "FP64", "BYTES"]
    assert model["versions"] == ["1", "2"]


def infer(**changes: Any) -> dict[str, Any]:
    tensors: dict[str, dict[str, Any]] = {
        "age": {"name": "age", "shape": [2], "datatype": "FP64", "data": [50, 60.5]},
        "chol": {"name": "chol", "shape": [2, 1], "datatype": "FP32", "data": [[200], [None]]},
        "sex": {"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["male", "female"]},
    }
    for name, change in changes.items():
        tensors[name] = {**tensors[name], **change}
    return {"id": "42", "inputs": list(tensors.values())}


def test_open_inference_answers_like_predict(shared: Running) -> None:
    reply = shared.call("POST", "/v2/models/heart-staging/infer", infer())
    assert reply.status == 200
    assert (reply.json["id"], reply.json["model_name"], reply.json["model_version"]) == ("42", "heart-staging", "3")
    tensors = {tensor["name"]: tensor for tensor in reply.json["outputs"]}
    rows = [{"age": 50, "chol": 200, "sex": "male"}, {"age": 60.5, "chol": None, "sex": "female"}]
    plain = shared.predict({"rows": rows}, "/predict/heart-staging").json["predictions"]
    assert tensors["prediction"]["data"] == [one["prediction"] for one in plain]
    assert tensors["probability"]["data"] == [one["probability"] for one in plain]
    assert tensors["probabilities"]["shape"] == [2, 2]
    only = {**infer(), "outputs": [{"name": "probability"}]}
    answered = shared.call("POST", "/v2/models/heart-staging/infer", only).json["outputs"]
    assert [tensor["name"] for tensor in answered] == ["probability"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "inputs"),
        ({"inputs": []}, "0 tensors"),
        (infer(age={"shape": [3]}), "2 values for shape [3]"),
        (infer(age={"shape": [10**12]}), "shape"),
        (infer(age={"shape": [-1]}), "shape"),
        (infer(age={"shape": [1], "data": [5]}), "same count"),
        (infer(age={"data": ["x", 1]}), "expected a number, as FP64 holds"),
        (infer(age={"datatype": "BOOL"}), "expected true or false, as BOOL holds"),
        (infer(age={"datatype": "COMPLEX"}), "datatype"),
        (infer(age={"name": "sex"}), "twice"),
        (infer(age={"name": "hat"}), "'hat' is unknown"),
        ({**infer(), "outputs": [{"name": "hat"}]}, "hat"),
        ({**infer(), "parameters": {"source": 5}}, "source"),
        (infer(sex={"data": [10**400, "male"]}), "sex"),
    ],
)
def test_open_inference_refuses_what_does_not_fit(shared: Running, body: object, told: str) -> None:
    reply = shared.call("POST", "/v2/models/heart-staging/infer", body)
    assert reply.status == 400
    assert told in reply.json["error"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={name: JSON_VALUES for name in ("age", "chol", "sex")},
)
BODIES = st.one_of(
    JSON_VALUES,
    st.fixed_dictionaries(
        {},
        optional={
            "rows": st.lists(FIELDS, max_size=3) | JSON_VALUES,
            "row": FIELDS | JSON_VALUES,
            "record_key": JSON_VALUES,
            "event_time": JSON_VALUES,
            "sticky_key": JSON_VALUES,
            "source": JSON_VALUES,
            "inputs": st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.sampled_from(["age", "chol", "sex"]) | st.text(max_size=5),
                        "shape": st.lists(st.integers(-1, 3), max_size=3),
                        "datatype": st.sampled_from(["FP64", "BYTES", "BOOL", "INT64", "X"]),
                        "data": st.lists(JSON_VALUES, max_size=3),
                    }
                ),
                max_size=4,
            ),
            "records": st.lists(
                st.fixed_dictionaries(
                    {"truth": JSON_VALUES},
                    optional={name: JSON_VALUES for name in ("prediction_id", "endpoint", "record_key", "event_time")},
                ),
                max_size=3,
            ),
        },
    ),
)
PATHS = st.sampled_from(["/predict", "/v2/models/heart/infer", "/v1/ground-truth"])


@settings(max_examples=300, deadline=None)
@given(path=PATHS, body=BODIES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60))
def test_no_body_makes_the_server_fail(shared: Running, path: str, body: bytes) -> None:
    reply = shared.call("POST", path, body)
    assert reply.status in {200, 202, 400, 413}
    if reply.status >= 400:
        assert isinstance(reply.json["error"], str)


def test_health_metrics_and_openapi(shared: Running) -> None:
    shared.predict({"rows": [ROW, ROW]}, "/predict/heart-staging")
    health = shared.call("GET", "/health").json
    assert health["status"] == "ok"
    assert health["endpoints"]["heart"]["variants"][0]["smoke_rows"] > 0
    text = shared.call("GET", "/metrics").body.decode()
    assert 'trimtab_requests_total{endpoint="heart-staging",status="2xx",variant="stable",version="3"}' in text
    bucket = 'trimtab_request_latency_seconds_bucket{endpoint="heart-staging",le="0.001",variant="stable",version="3"}'
    assert bucket in text
    backlog = next(line for line in text.splitlines() if line.startswith("trimtab_journal_backlog_bytes"))
    assert 0 < float(backlog.split()[1]) < 10_000_000
    paths = shared.call("GET", "/openapi.json").json["paths"]
    for path, operations in paths.items():
        reply = shared.call(
            "POST" if "post" in operations else "GET",
            path.replace("{endpoint}", "heart").replace("{version}", "1"),
            b"{}" if "post" in operations else None,
        )
        expected = {202} if path.endswith("/async") else {404} if path == "/v1/jobs/{job_id}" else {200, 400}
        assert reply.status in expected, path


def test_the_process_holds_no_pandas_and_no_database(shared: Running) -> None:
    maps = Path(f"/proc/{shared.info.pid}/maps")
    if not maps.exists():
        pytest.skip("this system does not tell what a process has mapped")
    loaded = maps.read_text()
    assert "onnxruntime" in loaded
    assert not [name for name in ("pandas", "sqlite", "sqlalchemy", "sklearn", "polars") if f"/{name}" in loaded]


def test_a_port_in_use_is_one_sentence_and_exit_code_2(shared: Running, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "trimtab.serving.server", "--state", str(tmp_path)]
    done = subprocess.run(
        [*command, "--port", str(shared.info.port)], capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 2
    assert f"port {shared.info.port}" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
