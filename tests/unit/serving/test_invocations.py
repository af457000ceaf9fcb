from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.serving.bench import Bench
from tests.unit.serving.running import ROW, Reply, Running, variant, write_spec

from trimtab.bundle.predictor import Predictor
from trimtab.serving.asgi import Message
from trimtab.serving.protocols.bodies import FieldValue
from trimtab.serving.spec import EndpointSpec

CSV = {"Content-Type": "text/csv"}
LINES = {"Content-Type": "application/jsonlines"}
NUMBERS: list[list[FieldValue]] = [[60, 250.0, "male"], [20, None, "female"], [45.5, 131, "other"]]
ROWS = [dict(zip(ROW, values, strict=True)) for values in NUMBERS]
TEXT = b"60,250.0,male\n20,,female\n45.5,131,other\n"


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of ``heart`` whose canary (weight 0) answers only who asks for it."""
    state = tmp_path_factory.mktemp("state")
    stable, canary = variant(state, "stable", "100"), variant(state, "canary", "0", version=9)
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(stable, canary), max_rows=50))
    running = Running(state)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def expected(scored: Running) -> list[str]:
    """What the bundle itself answers to `ROWS`."""
    labels: list[str] = (
        Predictor.load(scored.state / "bundle-binary-1", expected_digest=None).predict_rows(ROWS).labels.tolist()
    )
    assert set(labels) == {"yes", "no"}
    return labels


def asked(server: Running, body: object, headers: dict[str, str] | None = None) -> Reply:
    return server.call("POST", "/invocations", body, headers)


def table() -> pd.DataFrame:
    return pd.DataFrame(ROWS)


def test_one_of_several_endpoints_is_named_in_the_path(tmp_path: Path) -> None:
    for name in ("heart", "lung"):
        write_spec(tmp_path, EndpointSpec(endpoint=name, generation=1, variants=(variant(tmp_path, name, "100"),)))
    running = Running(tmp_path)
    try:
        body = {"dataframe_records": ROWS}
        assert len(running.call("POST", "/invocations/lung", body).json["predictions"]) == len(ROWS)
        unsaid = running.call("POST", "/invocations", body)
        assert (unsaid.status, "name it: /predict/NAME, /invocations/NAME" in unsaid.json["error"]) == (400, True)
        assert running.call("POST", "/invocations/liver", body).status == 404
    finally:
        running.stop()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": list(ROW), "data": NUMBERS, "index": [5, 6, 7]}},
        {"dataframe_split": {"columns": ["sex", "age", "chol"], "data": [[s, a, c] for a, c, s in NUMBERS]}},
        {"dataframe_split": {"columns": [0, 1, 2], "data": NUMBERS}},
        {"dataframe_split": {"data": NUMBERS}},
        {"dataframe_records": ROWS, "params": {"beam": 3}},
        {"instances": ROWS},
        {"instances": NUMBERS, "signature_name": "serving_default"},
        {"instances": [{"features": values} for values in NUMBERS]},
        {"inputs": ROWS},
        {"inputs": NUMBERS},
        {"inputs": {name: [row[name] for row in ROWS] for name in ROW}},
    ],
    ids=lambda body: "-".join(body),
)
def test_every_form_of_mlflow_is_answered_as_the_bundle_answers(
    scored: Running, expected: list[str], body: object
) -> None:
    reply = asked(scored, body, {"Content-Type": "application/json; charset=UTF-8"})
    assert (reply.status, reply.json) == (200, {"predictions": expected})
    assert reply.headers["x-trimtab-variant"] == "stable"


def test_mlflows_own_client_is_answered(scored: Running, expected: list[str]) -> None:
    with warnings.catch_warnings(action="ignore"):
        # Warns of its own type hints when it is imported, and takes seconds, which only this test should wait for.
        from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    client = ScoringServerClient("127.0.0.1", scored.info.port)
    client.ping()
    assert client.get_version()[0].isdigit()
    frame = table()
    assert np.isnan(frame["chol"][1]), "the client has to send NaN"
    answered = client.invoke(frame, params={"beam": 3})
    assert answered.get_predictions()[0].tolist() == expected
    assert client.invoke(np.array(NUMBERS, dtype=object))["predictions"] == expected
    assert client.invoke(NUMBERS)["predictions"] == expected
    assert scored.call("GET", "/health").status == 200


@pytest.mark.parametrize(
    "body",
    [
        TEXT,
        b"\xef\xbb\xbf" + TEXT.replace(b"\n", b"\r\n\r\n"),
        b"age,chol,sex\n" + TEXT,
        b'sex,age,chol\nmale,+6e1,250.0\nfemale,20,nan\n"other",45.5,131',
        table().to_csv().encode(),
        table().to_csv(index=False).encode(),
    ],
)
def test_csv_is_read_with_and_without_a_header(scored: Running, expected: list[str], body: bytes) -> None:
    reply = asked(scored, body, {"Content-Type": "text/csv; charset=utf-8"})
    assert (reply.status, reply.json) == (200, {"predictions": expected})


def test_the_media_type_may_say_whether_there_is_a_header(scored: Running) -> None:
    absent = asked(scored, b"60,250,age\n20,,female", {"Content-Type": "text/csv; header=absent"})
    assert len(absent.json["predictions"]) == 2
    unsaid = asked(scored, b"60,250,age\n20,,female", CSV)
    assert "column '60': unknown" in unsaid.json["error"]


@pytest.mark.parametrize(
    "body", [b"\n".join(json.dumps(r).encode() for r in rows) + b"\r\n\n" for rows in (ROWS, NUMBERS)]
)
def test_json_lines_come_in_and_go_out(scored: Running, expected: list[str], body: bytes) -> None:
    assert asked(scored, body, LINES).json == {"predictions": expected}
    reply = asked(scored, body, {**LINES, "Accept": "application/jsonlines"})
    assert reply.headers["content-type"] == "application/jsonlines"
    answers = [json.loads(line) for line in reply.body.splitlines()]
    assert [one["prediction"] for one in answers] == expected
    assert all(0 < one["probability"] < 1 for one in answers)
    ids = {one["prediction_id"] for one in answers}
    recorded = {row["prediction_id"] for row in scored.shipped() if row["request_id"] == reply.headers["x-request-id"]}
    assert recorded == ids


def test_accept_says_how_the_answer_is_written(scored: Running, expected: list[str]) -> None:
    reply = asked(scored, TEXT, {**CSV, "Accept": "application/json;q=0.5, text/csv"})
    assert reply.body.decode().split() == expected
    assert reply.headers["content-type"].startswith("text/csv")
    assert asked(scored, TEXT, {**CSV, "Accept": "text/html, */*;q=0.1"}).json == {"predictions": expected}
    refused = asked(scored, TEXT, {**CSV, "Accept": "image/png, text/csv;q=0"})
    assert refused.status == 406
    assert "text/csv" in refused.json["error"]


def test_sagemakers_headers_choose_the_variant_and_name_the_request(scored: Running) -> None:
    said = {**CSV, "X-Amzn-SageMaker-Target-Variant": "canary", "X-Amzn-SageMaker-Custom-Attributes": "trace_id=abc-7"}
    reply = asked(scored, TEXT, said)
    assert reply.headers["x-trimtab-variant"] == "canary"
    assert reply.headers["x-request-id"] == "abc-7"
    assert reply.headers["x-amzn-sagemaker-custom-attributes"] == "trace_id=abc-7"
    rows = [row for row in scored.shipped() if row["request_id"] == "abc-7"]
    assert [row["assignment_probability"] for row in rows] == [None] * 3
    assert {row["model_version"] for row in rows} == {b"9"}
    assert asked(scored, TEXT, {**said, "X-Request-Id": "own"}).headers["x-request-id"] == "own"
    strange = asked(scored, TEXT, {**CSV, "X-Amzn-SageMaker-Custom-Attributes": "tenant a/b"})
    assert (strange.status, "x-amzn-sagemaker-custom-attributes" in strange.headers) == (200, False)
    unknown = asked(scored, TEXT, {**CSV, "X-Amzn-SageMaker-Target-Variant": "blue"})
    assert unknown.status == 400
    assert "stable, canary" in unknown.json["error"]


@pytest.mark.parametrize(
    ("content_type", "body", "status", "told"),
    [
        ("application/json", b"", 400, "not JSON"),
        ("application/json", b"[1]", 400, "Expected `object`"),
        ("application/json", b"{}", 400, "one of dataframe_split"),
        ("application/json", b'{"instances": [], "inputs": []}', 400, "one of dataframe_split"),
        ("application/json", b'{"inputs": []}', 400, "expected 1 to 50"),
        ("application/json", b'{"inputs": {}}', 400, "'age' is missing"),
        ("application/json", b'{"inputs": [[1, 2]]}', 400, "row 0: 2 values, expected 3 (age, chol, sex)"),
        ("application/json", b'{"inputs": [7]}', 400, "row 0: 1 values, expected 3"),
        ("application/json", b'{"inputs": [[1, NaN, "x"], [NaN, 1, "x"]]}', 400, "row 1: field 'age' is null"),
        ("application/json", b'{"instances": [{"age": {}}]}', 400, "got `object` - at `$.instances[0]['age']`"),
        ("application/json", b'{"instances": [{"age": [1, []]}]}', 400, "$.instances[0][...][1]"),
        ("application/json", b'{"inputs": [[NaN, "\\ud800", -Infinity]]}', 400, "not JSON"),
        ("application/json", b'{"inputs": [[NaN, 1, "\\ud800"]]}', 400, "body"),
        ("application/json", b'{"inputs": [[1e999, NaN, "x"]]}', 400, "out of range"),
        ("application/json", b'{"inputs": {"age": [1, 2], "chol": [1], "sex": ["x"]}}', 400, "'chol' has 1 values"),
        ("application/json", b'{"inputs": {"age": [1, 2], "chol": 1}}', 400, "'chol' is a single value"),
        ("application/json", b'{"instances": [{"age": [1], "chol": 1, "sex": "x"}]}', 400, "'age' is a list"),
        ("application/json", b'{"dataframe_split": {"columns": ["age", "hat"], "data": []}}', 400, "column 'hat'"),
        ("application/json", b'{"dataframe_split": {"columns": ["age", "age"], "data": []}}', 400, "twice"),
        ("application/json", b'{"dataframe_split": {"data": [[1, 2, "x"], [1]]}}', 400, "row 1: 1 values"),
        ("application/json", b'{"dataframe_records": [{"age": "x"}]}', 400, "'age' is text 'x'"),
        ("application/json", b'{"inputs": ' + b"[" * 90_000, 400, "body"),
        ("text/csv", b"", 400, "expected 1 to 50"),
        ("text/csv", b"age,chol,sex\n", 400, "expected 1 to 50"),
        ("text/csv", b"age,chol,hat\n1,2,x", 400, "column 'hat': unknown"),
        ("text/csv", b"1,2,x\n1,2\n", 400, "row 1: 2 values, expected 3"),
        ("text/csv", b"age,chol,sex\n1,2,x\n1_0,2,x\n", 400, "row 1: field 'age' is text '1_0'"),
        ("text/csv", b",2,x\n", 400, "row 0: field 'age' is null"),
        ("text/csv", b"1e999,2,x\n", 400, "row 0: field 'age' is inf"),
        ("text/csv", b"9" * 100_000 + b",2,x\n", 400, "row 0: field 'age' is text"),
        ("text/csv", b"9" * 200_000 + b",2,x\n", 400, "line 1 is not CSV"),
        ("text/csv", b'1,2,"x\n', 400, "is not CSV"),
        ("text/csv", b"1,2,\xff\n", 400, "not UTF-8"),
        ("text/csv", b"1,2,x\n" * 51, 400, "more than 50 rows"),
        ("application/jsonlines", b'[1, 2, "x"]\n{', 400, "line 1: body: not JSON"),
        ("application/jsonlines", b'[1, 2, "x"]\n[1]', 400, "line 1: 1 values"),
        ("application/jsonlines", b"{}\n" * 51, 400, "expected 1 to 50"),
        ("text/csv; charset=latin-1", TEXT, 415, "UTF-8"),
        ("application/json; format=pandas-split", b"{}", 415, "'format' is unknown"),
        ("application/x-www-form-urlencoded", b"a=1", 415, "application/jsonlines"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(
    scored: Running, content_type: str, body: bytes, status: int, told: str
) -> None:
    reply = asked(scored, body, {"Content-Type": content_type})
    assert (reply.status, told in reply.json["error"]) == (status, True), reply.body
    assert "\n" not in reply.json["error"]
    assert len(reply.json["error"]) < 700


CELLS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(list(ROW))
LISTS = st.lists(
    CELLS | st.lists(CELLS, max_size=4) | st.dictionaries(st.sampled_from([*ROW, "features"]), CELLS), max_size=4
)
FORMS = st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "data", "columns"])
BODIES = st.dictionaries(FORMS, LISTS | st.dictionaries(FORMS | st.sampled_from(list(ROW)), LISTS), max_size=2)


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(["application/json", "text/csv", "application/jsonlines"]),
    body=BODIES.map(lambda value: json.dumps(value).encode())
    | LISTS.map(lambda value: json.dumps(value).encode())
    | st.lists(st.lists(st.sampled_from(["1", "nan", "", "age", "sex", '"', " ", "1e5"])), max_size=4).map(
        lambda lines: "\n".join(map(",".join, lines)).encode()
    )
    | st.binary(max_size=40),
)
@example(kind="application/json", body=b'{"inputs": [[NaN, NaN, "\xed\xa0\x80"]]}')
def test_no_body_makes_the_server_fail(scored: Running, kind: str, body: bytes) -> None:
    reply = asked(scored, body, {"Content-Type": kind})
    assert reply.status in {200, 400}, reply.body


def test_sagemaker_is_told_when_the_server_is_not_ready_yet(bench: Bench) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(bench.app({"type": "http", "method": "GET", "path": "/ping", "headers": []}, receive, send))
    assert sent[0]["status"] == 503


def test_sagemaker_is_told_when_the_server_is_ready(scored: Running) -> None:
    assert scored.call("GET", "/ping").status == 200
    assert scored.call("POST", "/ping", b"").status == 405
    assert scored.call("GET", "/invocations").headers["allow"] == "POST"
