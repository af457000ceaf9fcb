"""The Open Inference Protocol: versions, outputs, and tensors as bytes, as its clients send them."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Reply, variant

from trimtab.bundle.encoder import Encoder
from trimtab.bundle.manifest import Feature
from trimtab.bundle.predictor import Predictor
from trimtab.bundle.writer import write_bundle
from trimtab.core.enums import ColumnKind, Task
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame
from trimtab.serving.asgi import Message, Scope
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.training.data import shell_manifest
from trimtab.training.estimators import fit
from trimtab.training.export import export
from trimtab.training.golden import golden_table
from trimtab.training.problem import Problem
from trimtab.training.settings import Algorithm

CAPTURED = Path(__file__).parents[2] / "data" / "open_inference" / "tritonclient.json"
REQUESTS: list[dict[str, Any]] = json.loads(CAPTURED.read_text())["requests"]
LENGTH = "inference-header-content-length"


@pytest.fixture
def heart(bench: Bench, tmp_path: Path) -> Bench:
    """Version 1 with all of the weight, and version 2 with none."""
    variants = (variant(tmp_path, "stable", "100"), variant(tmp_path, "canary", "0", version=2))
    spec = EndpointSpec(endpoint="heart", generation=1, variants=variants, max_rows=100, sticky_key="record_key")
    status = bench.deploy(spec)
    assert status.error is None
    return bench


def ask(bench: Bench, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Reply:
    """Send a request to the application: POST where there is a body."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "GET" if body is None else "POST",
        "path": path,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
    }
    asyncio.run(bench.app(scope, receive, send))
    return Reply(
        sent[0]["status"],
        {name.decode(): value.decode() for name, value in sent[0]["headers"]},
        sent[1]["body"],
    )


def tensors_of(reply: Reply) -> dict[str, list[Any]]:
    """Read the outputs as the standard says, by means that are not ours."""
    length = int(reply.headers.get(LENGTH, len(reply.body)))
    answer, at = json.loads(reply.body[:length]), length
    tensors: dict[str, list[Any]] = {}
    for output in answer["outputs"]:
        if "data" in output:
            tensors[output["name"]] = output["data"]
            continue
        end = at + output["parameters"]["binary_data_size"]
        part, at = reply.body[at:end], end
        if output["datatype"] == "FP64":
            tensors[output["name"]] = list(struct.unpack(f"<{len(part) // 8}d", part))
        else:
            texts = tensors[output["name"]] = []
            while part:
                size = struct.unpack_from("<I", part)[0]
                texts.append(part[4 : 4 + size].decode())
                part = part[4 + size :]
    assert at == len(reply.body)
    return tensors


def in_bytes(*tensors: tuple[str, str, int, bytes], **members: Any) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a request of (name, datatype, rows, bytes)."""
    inputs = [
        {"name": name, "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": len(content)}}
        for name, datatype, rows, content in tensors
    ]
    head = json.dumps({"inputs": inputs, **members}).encode()
    return head + b"".join(content for *_, content in tensors), {LENGTH: str(len(head))}


AGE = ("age", "FP64", 1, struct.pack("<d", 60))
CHOL = ("chol", "FP32", 1, struct.pack("<f", 250))
SEX = ("sex", "BYTES", 1, b"\x04\x00\x00\x00male")


@pytest.mark.parametrize("request_", REQUESTS, ids=[request["what"] for request in REQUESTS])
def test_what_tritonclient_sends_is_answered_as_it_reads_it(heart: Bench, request_: dict[str, Any]) -> None:
    reply = ask(heart, request_["path"], base64.b64decode(request_["body_base64"]), request_["headers"])
    assert reply.status == 200
    as_json = request_["what"] == "JSON both ways"
    version = 2 if "/versions/2" in request_["path"] else 1
    sexes = ("male", "female", "männlich")
    chols = (200.5, 250.0, 300.0 if as_json else None)
    rows = [{"age": 40.0 + 10 * at, "chol": chols[at], "sex": sexes[at]} for at in range(3)]
    expected = Predictor.load(heart.state / f"bundle-binary-{version}", expected_digest=None).predict_rows(rows)
    assert expected.probability is not None
    tensors = tensors_of(reply)
    assert tensors["probability"] == expected.probability.tolist()
    assert (LENGTH in reply.headers) is not as_json
    if not as_json:
        assert reply.headers["content-type"] == "application/octet-stream"
        assert tensors["prediction"] == expected.labels.tolist()
    assert ("probabilities" in tensors) is (request_["what"] == "defaults: bytes both ways")


def test_an_answer_asked_of_a_version_comes_from_it_and_is_recorded_so(heart: Bench) -> None:
    body, headers = in_bytes(AGE, CHOL, SEX, parameters={"sticky_keys": ["7"]})
    for path, version in (("/versions/2", "2"), ("/versions/1", "1"), ("", "1")):
        reply = ask(heart, f"/v2/models/heart{path}/infer", body, headers)
        assert reply.json["model_version"] == version
        assert reply.headers["x-trimtab-model"] == f"tiny:{version}"
    frames = [frame for _, frame in read_frames(heart.journal.path) if isinstance(frame, PredictionFrame)]
    assert [frame.assignment_probability for frame in frames] == [None, None, 1.0]
    assert [frame.sticky_hash is None for frame in frames] == [True, True, False]
    assert len({frame.schema_id for frame in frames}) == 2


@pytest.mark.parametrize("verb", ["", "/ready", "/infer"])
@pytest.mark.parametrize("version", ["9", "", "01", "latest"])
def test_a_version_that_is_not_there_names_those_that_are(heart: Bench, verb: str, version: str) -> None:
    body, headers = in_bytes(AGE, CHOL, SEX) if verb == "/infer" else (None, {})
    reply = ask(heart, f"/v2/models/heart/versions/{version}{verb}", body, headers)
    assert reply.status == 404
    assert "expected one of: 1, 2" in reply.json["error"]
    assert ask(heart, f"/v2/models/heart/versions/2{verb}", body, headers).status == 200


def test_metadata_tells_of_the_server_and_of_each_version(heart: Bench) -> None:
    assert ask(heart, "/v2").json["extensions"] == ["binary_tensor_data"]
    model = ask(heart, "/v2/models/heart").json
    assert model == ask(heart, "/v2/models/heart/versions/2").json
    assert model["versions"] == ["1", "2"]
    assert [tensor["name"] for tensor in model["outputs"]] == [
        "prediction",
        "prediction_id",
        "probability",
        "probabilities",
    ]


def test_each_output_is_sent_as_it_was_asked_for(heart: Bench) -> None:
    wanted = [{"name": "probability", "parameters": {"binary_data": False}}, {"name": "prediction"}]
    body, headers = in_bytes(AGE, CHOL, SEX, outputs=wanted, parameters={"binary_data_output": True})
    reply = ask(heart, "/v2/models/heart/infer", body, headers)
    outputs = json.loads(reply.body[: int(reply.headers[LENGTH])])["outputs"]
    assert {output["name"]: "data" in output for output in outputs} == {"probability": True, "prediction": False}
    plain = ask(heart, "/predict", json.dumps({"row": ROW}).encode()).json["predictions"][0]
    assert tensors_of(reply) == {"probability": [plain["probability"]], "prediction": [plain["prediction"]]}


def test_only_outputs_that_the_model_has_can_be_asked_for(bench: Bench, tmp_path: Path) -> None:
    alone = variant(tmp_path, "stable", "100", task=Task.REGRESSION)
    bench.deploy(EndpointSpec(endpoint="bike", generation=1, variants=(alone,)))
    body, headers = in_bytes(AGE, CHOL, SEX, outputs=[{"name": "probability"}])
    reply = ask(bench, "/v2/models/bike/infer", body, headers)
    assert reply.status == 400
    assert "['prediction', 'prediction_id']" in reply.json["error"]


@pytest.mark.parametrize(
    ("tensors", "change", "told"),
    [
        ([AGE, CHOL, SEX], {"header": "x"}, "Inference-Header-Content-Length: 'x'"),
        ([AGE, CHOL, SEX], {"header": "-1"}, "Inference-Header-Content-Length"),
        ([AGE, CHOL, SEX], {"header": "99999"}, "at most"),
        ([AGE, CHOL, SEX], {"header": "5"}, "not JSON"),
        ([AGE, CHOL, SEX], {"cut": 1}, "input 'sex': binary_data_size 8, but 7 bytes are left"),
        ([AGE, CHOL, SEX], {"more": b"x"}, "1 bytes behind the last tensor"),
        ([("age", "FP64", 2, AGE[3]), CHOL, SEX], {}, "input 'age': 8 bytes for 2 values of FP64, expected 16"),
        ([("age", "FP64", 10**9, AGE[3])], {}, "input 'age': shape [1000000000]"),
        ([("age", "BYTES", 1, b"\x02\x00\x00\x0060"), CHOL, SEX], {}, "'age'"),
        ([("age", "FP64", 1, struct.pack("<d", float("inf"))), CHOL, SEX], {}, "'age'"),
        ([("age", "FP64", 1, struct.pack("<d", float("nan"))), CHOL, SEX], {}, "'age'"),
        ([("hat", "FP64", 1, AGE[3])], {}, "input 'hat' is unknown; expected only age, chol, sex"),
        ([("sex", "BYTES", 1, b"\xff\xff\xff\xffmale")], {}, "input 'sex': value 0 is longer"),
        ([("sex", "BYTES", 1, b"\x01\x00\x00\x00\xff")], {}, "no UTF-8"),
        ([("age", "BF16", 1, b"\x00\x00")], {}, "datatype 'BF16'"),
        ([("age", "FP64", 0, b""), ("chol", "FP32", 0, b""), ("sex", "BYTES", 0, b"")], {}, "rows: 0"),
        ([AGE, CHOL, SEX], {"parameters": {"sequence_id": 5}}, "sequence_id"),
        (
            [AGE, CHOL, SEX],
            {"outputs": [{"name": "prediction", "parameters": {"classification": 2}}]},
            "classification",
        ),
        ([AGE, CHOL, SEX], {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64"}]}, "either data, or"),
    ],
)
def test_bytes_that_do_not_fit_are_refused_in_one_sentence(
    heart: Bench, tensors: list[tuple[str, str, int, bytes]], change: dict[str, Any], told: str
) -> None:
    members = {name: value for name, value in change.items() if name in {"parameters", "outputs", "inputs"}}
    body, headers = in_bytes(*tensors, **members)
    body = body[: len(body) - change.get("cut", 0)] + change.get("more", b"")
    reply = ask(heart, "/v2/models/heart/infer", body, {LENGTH: change.get("header", headers[LENGTH])})
    assert reply.status == 400
    assert told in reply.json["error"]
    assert "\n" not in reply.json["error"]


@pytest.mark.parametrize(
    ("datatype", "datum", "told"),
    [
        ("INT8", "300", "input 'age': value 0 is 300, expected a whole number from -128 to 127, as INT8 holds"),
        ("UINT64", str(2**64), f"value 0 is {2**64}, expected a whole number from 0 to {2**64 - 1}"),
        ("INT64", "9" * 400, "value 0 is a number of 1329 bits, expected"),
        ("INT32", "60.5", "value 0 is 60.5, expected a whole number from"),
        ("FP64", "true", "value 0 is the bool true, expected a number, as FP64 holds"),
        ("INT8", '"60"', "value 0 is the string '60', expected a whole number"),
        ("BOOL", "1", "value 0 is 1, expected true or false, as BOOL holds"),
        ("BYTES", "1", "value 0 is 1, expected text, as BYTES holds"),
    ],
)
def test_json_that_its_datatype_cannot_hold_is_refused_in_one_sentence(
    heart: Bench, datatype: str, datum: str, told: str
) -> None:
    body = f'{{"inputs": [{{"name": "age", "shape": [1], "datatype": "{datatype}", "data": [{datum}]}}]}}'
    reply = ask(heart, "/v2/models/heart/infer", body.encode())
    assert (reply.status, told in reply.json["error"]) == (400, True), reply.body


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request_=st.sampled_from(REQUESTS),
    edits=st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=4), st.integers(0, 3)), max_size=4),
    length=st.none() | st.integers(-1, 500),
)
def test_no_garbled_request_makes_the_server_fail(
    heart: Bench, request_: dict[str, Any], edits: list[tuple[int, bytes, int]], length: int | None
) -> None:
    body = base64.b64decode(request_["body_base64"])
    for at, content, dropped in edits:
        body = body[:at] + content + body[at + dropped :]
    headers = request_["headers"] if length is None else {LENGTH: str(length)}
    reply = ask(heart, request_["path"], body, headers)
    assert reply.status in {200, 400}
    if reply.status == 400:
        assert isinstance(reply.json["error"], str)


KINDS = (
    Feature(name="number", kind=ColumnKind.NUMBER, nullable=True),
    Feature(name="integer", kind=ColumnKind.INTEGER),
    Feature(name="boolean", kind=ColumnKind.BOOLEAN),
    Feature(name="category", kind=ColumnKind.CATEGORY, categories=("a", "b")),
    Feature(name="text", kind=ColumnKind.TEXT, terms=("good", "bad")),
    Feature(name="moment", kind=ColumnKind.DATETIME, nullable=True),
    Feature(name="counted", kind=ColumnKind.DATETIME, format="epoch_ms"),
)
ROWS = [
    {
        "number": None if at % 5 == 1 else at / 3,
        "integer": at % 7,
        "boolean": at % 2 == 0,
        "category": "ab"[at % 2],
        "text": "good, good" if at % 3 else "bad",
        "moment": datetime.fromtimestamp(at * 3600, UTC).isoformat(),
        "counted": f"{at * 3_600_000}",
    }
    for at in range(200)
]


@pytest.fixture
def kinds(bench: Bench, tmp_path: Path) -> Bench:
    """An endpoint of a model with a feature of each kind."""
    problem = Problem(Task.REGRESSION, (), None, ("mae",), "mae", "none")
    shell = shell_manifest(problem, KINDS, "kinds", "y")
    moments = pa.array([at * 3_600_000_000 for at in range(200)], pa.timestamp("us", tz="UTC"))
    table = pa.Table.from_pylist(ROWS)
    for name in ("moment", "counted"):
        table = table.set_column(table.column_names.index(name), name, moments)
    inputs = Encoder(shell).encode_table(table)
    target = np.arange(200) % 24 + 10.0 * (np.arange(200) % 2)
    params = {"n_estimators": 10, "learning_rate": 0.5, "num_leaves": 15, "min_child_samples": 2}
    fitted = fit(Algorithm.LIGHTGBM, params, problem, KINDS, inputs, target, seed=0)
    golden = np.arange(5)
    manifest = write_bundle(
        tmp_path / "bundle",
        msgspec.structs.replace(shell, parity=msgspec.structs.replace(shell.parity, tolerance=1e-3)),
        model_onnx=export(fitted),
        golden=golden_table(table, KINDS, golden, fitted.answer(inputs.take(golden))),
        reference=lambda _: None,
    )
    only = VariantSpec(
        name="v",
        model="kinds",
        model_version=1,
        bundle_path=str(tmp_path / "bundle"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    assert bench.deploy(EndpointSpec(endpoint="kinds", generation=1, variants=(only,))).error is None
    return bench


def test_every_kind_of_feature_is_taken_as_the_metadata_says(kinds: Bench) -> None:
    model = ask(kinds, "/v2/models/kinds").json
    rows = ROWS[:24]
    plain = ask(kinds, "/predict", json.dumps({"rows": rows}).encode()).json["predictions"]
    expected = [row["prediction"] for row in plain]
    assert len(set(expected)) > 5
    data = {tensor["name"]: [row[tensor["name"]] for row in rows] for tensor in model["inputs"]}
    as_json = [{**tensor, "shape": [24], "data": data[tensor["name"]]} for tensor in model["inputs"]]
    reply = ask(kinds, "/v2/models/kinds/infer", json.dumps({"inputs": as_json}).encode())
    assert tensors_of(reply)["prediction"] == expected

    def packed(datatype: str, values: list[Any]) -> bytes:
        if datatype == "BYTES":
            return b"".join(struct.pack("<I", len(value)) + value.encode() for value in values)
        code = {"FP64": "d", "BOOL": "?"}[datatype]
        return struct.pack(f"<24{code}", *(float("nan") if value is None else value for value in values))

    tensors = [
        (one["name"], one["datatype"], 24, packed(one["datatype"], data[one["name"]])) for one in model["inputs"]
    ]
    body, headers = in_bytes(*tensors)
    assert tensors_of(ask(kinds, "/v2/models/kinds/infer", body, headers))["prediction"] == expected
    seconds = struct.pack("<24q", *(at * 3600 for at in range(24)))
    tensors = [(name, "INT64", 24, seconds) if name == "moment" else rest for rest in tensors for name in rest[:1]]
    body, headers = in_bytes(*tensors)
    assert tensors_of(ask(kinds, "/v2/models/kinds/infer", body, headers))["prediction"] == expected
