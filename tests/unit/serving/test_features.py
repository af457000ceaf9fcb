from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.serving.feature_store import SECRET, Store
from tests.unit.serving.running import Reply, Running, eventually, variant, write_spec

from trimtab.serving.large import LARGE_BYTES
from trimtab.serving.spec import EndpointSpec, FeaturesSpec, OnMissing

SEX = {"sex": "male"}
LONG_MS = 15_000
JSON_LINES = "application/jsonlines"


def spec(
    state: Path,
    endpoint: str,
    source: str,
    *,
    on_missing: OnMissing = OnMissing.NULL,
    max_age_s: float | None = None,
    generation: int = 1,
    sticky_key: str | None = None,
    timeout_ms: float = LONG_MS,
) -> EndpointSpec:
    live = variant(state, "stable", "100")
    return EndpointSpec(
        endpoint=endpoint,
        generation=generation,
        variants=(live,),
        sticky_key=sticky_key,
        features=FeaturesSpec(
            source=source,
            entity_keys=("patient",),
            names=("age", "chol"),
            timeout_ms=timeout_ms,
            on_missing=on_missing,
            max_age_s=max_age_s,
        ),
    )


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    store = Store()
    yield store
    store.stop()


@pytest.fixture(scope="module")
def server(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of ``heart``, ``strict`` (which refuses), ``fresh`` (which takes nothing old) and ``hasty``."""
    state = tmp_path_factory.mktemp("state")
    write_spec(state, spec(state, "heart", store.url, sticky_key="patient"))
    write_spec(state, spec(state, "strict", store.url, on_missing=OnMissing.REFUSE))
    write_spec(state, spec(state, "fresh", store.url, max_age_s=60))
    write_spec(state, spec(state, "hasty", store.url, timeout_ms=300))
    running = Running(state)
    yield running
    running.stop()


def ask(server: Running, patient: object, endpoint: str = "heart", **fields: object) -> Reply:
    # A source that was found broken rests for a second, which another test may begin in.
    def answered() -> Reply | None:
        reply = server.predict({"row": {**SEX, "patient": patient, **fields}}, f"/predict/{endpoint}")
        return None if b"since the feature source fails" in reply.body else reply

    reply: Reply = eventually(answered)
    return reply


def found_well(server: Running) -> None:
    """Let the source be well again, so that some failures don't keep the server from asking it."""
    assert told(ask(server, "7"))[1] is None


def chance(age: float, chol: float | None) -> float:
    """Return what the tiny model says of a man."""
    return 1 / (1 + math.exp(-((age - 50) / 10 + 0.5 * ((240 if chol is None else chol) - 240) / 50 - 0.25)))


def told(reply: Reply) -> tuple[float, object, str | None]:
    """Return the chance, and what was said of missing features: in the body, and in the header."""
    assert reply.status == 200, reply.body
    body = reply.json
    return body["predictions"][0]["probability"], body.get("features"), reply.headers.get("x-trimtab-features")


def near(value: float) -> object:
    return pytest.approx(value, abs=1e-5)


def _guarded(state: Path, store: Store, *, generation: int = 1, **changes: Any) -> EndpointSpec:
    plain = spec(state, "heart", f"http://127.0.0.1:{store.port}/guarded", generation=generation)
    assert plain.features is not None
    return msgspec.structs.replace(plain, features=msgspec.structs.replace(plain.features, **changes))


def test_a_key_of_the_environment_lets_the_server_in_and_stands_nowhere(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRIMTAB_FEATURES_KEY", SECRET)
    monkeypatch.setenv("TRIMTAB_FEATURES_LINES", f"{SECRET}\r\nx-more: 1")
    monkeypatch.setenv("TRIMTAB_OTHER", SECRET)
    write_spec(tmp_path, _guarded(tmp_path, store, key_env="TRIMTAB_FEATURES_KEY"))
    server = Running(tmp_path)
    try:
        assert told(ask(server, "7"))[1] is None
        raw = {"key_env": "TRIMTAB_FEATURES_KEY", "key_header": "X-Store-Key", "cache_s": 60.0}
        assert server.deploy(_guarded(tmp_path, store, generation=2, **raw)).error is None
        calls = store.calls
        for _ in range(3):
            assert told(ask(server, "8"))[1] is None
        assert store.calls == calls + 1
        assert b'trimtab_feature_cache_hits_total{endpoint="heart"} 2.0' in server.call("GET", "/metrics").body
        # Without its key the source refuses, and the server tells of the source and not of the key.
        assert server.deploy(_guarded(tmp_path, store, generation=3)).error is None
        refused = server.predict({"row": {**SEX, "patient": "7", "age": 60}})
        assert refused.json["features"] == [{"name": "chol", "why": "unavailable", "rows": [0]}]
        for generation, (changes, sentence) in enumerate(
            (
                ({"key_env": "TRIMTAB_FEATURES_NONE"}, "TRIMTAB_FEATURES_NONE is not set in the server's environment"),
                ({"key_env": "TRIMTAB_FEATURES_LINES"}, "TRIMTAB_FEATURES_LINES holds what no header can"),
                ({"key_env": "TRIMTAB_OTHER"}, "13 characters that are no name of a variable TRIMTAB_FEATURES_…"),
                ({"key_env": SECRET}, f"{len(SECRET)} characters that are no name of a variable"),
                ({"key_env": "TRIMTAB_FEATURES_KEY", "key_header": "host"}, "features.key_header 'host': expected"),
                ({"key_env": "TRIMTAB_FEATURES_KEY", "source": "redis"}, "expected none, for its package reads"),
            ),
            start=4,
        ):
            status = server.deploy(_guarded(tmp_path, store, generation=generation, **changes))
            assert status.error is not None
            assert sentence in status.error
            assert SECRET not in status.error
        assert SECRET.encode() not in server.call("GET", "/health").body
    finally:
        server.stop()
    assert SECRET.encode() not in b"".join(server.errors)


def test_a_cached_value_grows_old_and_is_told_so(tmp_path: Path, store: Store) -> None:
    kept = spec(tmp_path, "heart", store.url, max_age_s=1)
    assert kept.features is not None
    kept = msgspec.structs.replace(kept, features=msgspec.structs.replace(kept.features, cache_s=600.0))
    write_spec(tmp_path, kept)
    server = Running(tmp_path)
    try:
        assert told(ask(server, "7", age=60))[1] is None
        stale = [{"name": "chol", "why": "stale", "rows": [0]}]
        eventually(lambda: told(ask(server, "7", age=60))[1] == stale)
    finally:
        server.stop()


def test_what_a_row_does_not_say_comes_from_the_source_and_is_recorded(server: Running) -> None:
    reply = ask(server, "7")
    assert told(reply) == (near(chance(61, 310.5)), None, None)
    (prediction,) = reply.json["predictions"]
    (row,) = [one for one in server.shipped() if one["prediction_id"] == prediction["prediction_id"]]
    assert (row["f.age"], row["f.chol"], row["f.sex"]) == (61.0, 310.5, "male")
    # The key is none of the model's features, but callers may be assigned by it.
    assert row["sticky_hash"] is not None


def test_what_the_caller_says_wins_but_null_says_nothing(server: Running) -> None:
    assert told(ask(server, "7", age=30)) == (near(chance(30, 310.5)), None, None)
    assert told(ask(server, "7", age=30, chol=None)) == (near(chance(30, 310.5)), None, None)


def test_a_row_that_says_all_asks_nobody_and_needs_no_key(server: Running, store: Store) -> None:
    before = store.calls
    reply = server.predict({"row": {**SEX, "age": 60, "chol": 240.0}}, "/predict/heart")
    assert told(reply) == (near(chance(60, None)), None, None)
    assert store.calls == before


@pytest.mark.parametrize(
    ("patient", "endpoint", "why"),
    [
        ("no-chol", "heart", "absent"),
        ("null-chol", "heart", "absent"),
        ("old-chol", "fresh", "stale"),
        ("timeless-chol", "fresh", "stale"),
        ("endless-chol", "heart", "unfit"),
        ("true-chol", "heart", "unfit"),
    ],
)
def test_a_value_that_is_missing_is_null_where_the_model_takes_that_and_it_is_told(
    server: Running, patient: str, endpoint: str, why: str
) -> None:
    missed = [{"name": "chol", "why": why, "rows": [0]}]
    assert told(ask(server, patient, endpoint)) == (near(chance(61, None)), missed, f"{why}=chol")


def test_an_old_value_is_young_enough_where_nobody_says_how_old_it_may_be(server: Running) -> None:
    assert told(ask(server, "old-chol")) == (near(chance(61, 310.5)), None, None)


@pytest.mark.parametrize(
    ("patient", "endpoint", "sentence"),
    [
        ("nobody", "heart", "row 0: feature 'age' of patient 'nobody' is absent in the feature source"),
        ("old-age", "fresh", "row 0: feature 'age' of patient 'old-age' is too old in the feature source"),
        ("text-age", "heart", "row 0: feature 'age' of patient 'text-age' has a value in the feature source that it"),
        ("no-chol", "strict", "row 0: feature 'chol' of patient 'no-chol' is absent in the feature source"),
    ],
)
def test_a_request_whose_model_cannot_do_without_is_refused_in_one_sentence(
    server: Running, patient: str, endpoint: str, sentence: str
) -> None:
    reply = ask(server, patient, endpoint)
    assert (reply.status, reply.json["error"][: len(sentence)]) == (424, sentence)
    counted = f'refused_by_column_total{{column="{sentence.split(chr(39))[1]}",endpoint="{endpoint}"'
    assert counted.encode() in server.call("GET", "/metrics").body


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "row 0: field 'patient' is missing; expected text or a whole number"),
        ({"patient": None}, "row 0: field 'patient' is missing"),
        ({"patient": True}, "row 0: field 'patient' is a bool"),
        ({"patient": 1.5}, "row 0: field 'patient' is a float"),
        ({"patient": ""}, "row 0: field 'patient': 0 characters, expected 1 to 256"),
        ({"patient": "x" * 300}, "row 0: field 'patient': 300 characters"),
        ({"patient": 10**40}, "row 0: field 'patient': a whole number of"),
        ({"patient": "7", "weight": 3}, "row 0: field 'weight' is unknown"),
    ],
)
def test_a_row_without_a_key_or_with_unknown_fields_is_refused(
    server: Running, fields: dict[str, object], sentence: str
) -> None:
    reply = server.predict({"row": {**SEX, **fields}}, "/predict/heart")
    assert reply.status == 400
    assert reply.json["error"].startswith(sentence)


def test_rows_of_one_request_each_get_their_own(server: Running, store: Store) -> None:
    before = store.calls
    keys = ["7", "no-chol", 8, "no-chol", "7"]
    body = {"rows": [{**SEX, "patient": key} for key in keys]}
    reply = server.predict(body, "/predict/heart")
    assert [one["probability"] for one in reply.json["predictions"]] == [
        near(chance(61, 310.5)),
        near(chance(61, None)),
        near(chance(44, 200)),
        near(chance(61, None)),
        near(chance(61, 310.5)),
    ]
    assert reply.json["features"] == [{"name": "chol", "why": "absent", "rows": [1, 3]}]
    assert store.calls == before + 1


def test_more_rows_than_a_call_takes_are_asked_for_in_several(server: Running) -> None:
    rows = [{**SEX, "patient": str(place)} for place in range(2500)]
    reply = server.predict({"rows": [{**row, "age": 50} for row in rows]}, "/predict/heart")
    (missed,) = reply.json["features"]
    assert (missed["name"], missed["why"]) == ("chol", "absent")
    assert missed["rows"] == [place for place in range(2500) if place not in {7, 8}]


def test_a_large_request_gets_its_features_and_is_told_what_is_missing(server: Running) -> None:
    found_well(server)
    rows = [{**SEX, "patient": "old-chol" if at == 7_000 else "7"} for at in range(8_000)]
    assert len(json.dumps({"rows": rows})) > LARGE_BYTES
    reply = server.predict({"rows": rows}, "/predict/fresh")
    assert reply.status == 200, reply.body
    found = [one["probability"] for one in reply.json["predictions"]]
    assert found[:2] == [pytest.approx(chance(61, 310.5), abs=1e-5)] * 2
    assert found[7_000] == pytest.approx(chance(61, None), abs=1e-5)
    assert reply.json["features"] == [{"name": "chol", "why": "stale", "rows": [7_000]}]
    assert reply.headers["x-trimtab-features"] == "stale=chol"


def test_open_inference_takes_the_key_as_a_tensor(server: Running) -> None:
    tensors = [
        {"name": "sex", "shape": [2], "datatype": "BYTES", "data": ["male", "male"]},
        {"name": "patient", "shape": [2], "datatype": "FP64", "data": [7.0, 8.0]},
        # A tensor has a value for each row.
        {"name": "age", "shape": [2], "datatype": "FP64", "data": [None, 30.0]},
    ]
    reply = server.predict({"inputs": tensors}, "/v2/models/heart/infer")
    values = {one["name"]: one["data"] for one in reply.json["outputs"]}
    assert near(chance(61, 310.5)) in values["probability"]
    assert near(chance(30, 200)) in values["probability"]
    inputs = server.call("GET", "/v2/models/heart").json["inputs"]
    assert {"name": "patient", "datatype": "BYTES", "shape": [-1]} in inputs


def test_a_connection_that_the_source_closes_unasked_costs_no_request(server: Running) -> None:
    found_well(server)
    for patient in ("closing", "7", "closing", "closing", "7"):
        reply = server.predict({"row": {**SEX, "patient": patient}}, "/predict/heart")
        assert told(reply) == (near(chance(61, 310.5)), None, None)


@pytest.mark.parametrize("patient", ["error", "page", "short", "list", "shape"])
def test_a_source_that_answers_something_else_is_told_apart_from_the_caller(server: Running, patient: str) -> None:
    found_well(server)
    reply = server.predict({"row": {**SEX, "patient": patient}}, "/predict/heart")
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert "feature 'age' of patient" in reply.json["error"]
    assert "cannot be read, since the feature source fails" in reply.json["error"]
    # Where the model can do without, nobody is refused.
    reply = server.predict({"row": {**SEX, "patient": patient, "age": 50}}, "/predict/heart")
    assert told(reply) == (
        near(chance(50, None)),
        [{"name": "chol", "why": "unavailable", "rows": [0]}],
        "unavailable=chol",
    )


def test_a_slow_source_is_not_waited_for_and_delays_nobody_else(server: Running) -> None:
    replies: list[Reply] = []

    def slowly() -> None:
        replies.append(server.predict({"row": {**SEX, "patient": "slow"}}, "/predict/hasty"))
        server.hang_up()

    waiting = threading.Thread(target=slowly)
    waiting.start()
    while waiting.is_alive():
        assert server.predict({"row": {**SEX, "age": 60, "chol": 240.0}}, "/predict/heart").status == 200
    assert replies[0].status == 503
    assert "was not answered in time by the feature source" in replies[0].json["error"]


def test_the_document_says_which_fields_may_be_left_out(server: Running) -> None:
    paths = server.call("GET", "/openapi.json").json["paths"]
    request = paths["/predict/heart"]["post"]["requestBody"]["content"]["application/json"]
    row = request["schema"]["properties"]["row"]
    assert row["required"] == ["sex"]
    assert row["anyOf"] == [{"required": ["patient"]}, {"required": ["age", "chol"]}]
    assert row["properties"]["patient"]["type"] == ["string", "integer"]
    assert request["examples"]["by entity key"]["value"] == {"row": {"patient": "7", "sex": "male"}}
    assert server.predict(request["examples"]["one row"]["value"], "/predict/heart").status == 200
    answered = paths["/predict/heart"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert "unavailable" in answered["properties"]["features"]["items"]["properties"]["why"]["enum"]


def counted(server: Running, endpoint: str) -> dict[str, float]:
    text = server.call("GET", "/metrics").body.decode()
    pattern = rf'trimtab_feature_(values|calls)_total{{endpoint="{endpoint}",outcome="(\w+)"}} ([\d.e+]+)'
    return {f"{what}.{outcome}": float(value) for what, outcome, value in re.findall(pattern, text)}


def test_a_source_that_is_gone_is_left_alone_and_found_again(tmp_path: Path) -> None:
    store = Store()
    write_spec(tmp_path, spec(tmp_path, "heart", store.url))
    server = Running(tmp_path)
    try:
        assert told(ask(server, "7"))[1] is None
        store.stop()
        for _ in range(30):
            reply = server.predict({"row": {**SEX, "patient": "7", "age": 50}})
            assert told(reply)[1:] == ([{"name": "chol", "why": "unavailable", "rows": [0]}], "unavailable=chol")
        counts = counted(server, "heart")
        assert counts["values.read"] == 2
        assert counts["values.unavailable"] == 30
        assert counts["calls.answered"] == 1
        assert counts["calls.failed"] + counts["calls.held_back"] == 30
        assert counts["calls.held_back"] > 0
        store = Store(store.port)
        eventually(lambda: told(server.predict({"row": {**SEX, "patient": "7", "age": 50}}))[1] is None)
    finally:
        store.stop()
        assert server.stop() == 0


def test_scoring_requests_take_the_key_by_name_or_behind_the_features(store: Store, tmp_path: Path) -> None:
    write_spec(tmp_path, spec(tmp_path, "heart", store.url))
    server = Running(tmp_path)
    rows = [{**SEX, "patient": 7}, {**SEX, "patient": "no-chol"}]
    try:
        for kind, body in (
            ("text/csv", "patient,sex\n7,male\nno-chol,male\n"),
            ("text/csv", ",,male,7\n,,male,no-chol\n"),
            ("application/json", json.dumps({"instances": rows})),
            ("application/json", json.dumps({"dataframe_records": rows})),
            ("application/json", json.dumps({"instances": [[None, None, "male", 7], [None, None, "male", "no-chol"]]})),
            ("application/json", json.dumps({"inputs": {"sex": ["male"] * 2, "patient": ["7", "no-chol"]}})),
        ):
            reply = server.call("POST", "/invocations", body.encode(), {"content-type": kind, "accept": JSON_LINES})
            assert reply.status == 200, reply.body
            chances = [json.loads(line)["probability"] for line in reply.body.splitlines()]
            assert chances == [near(chance(61, 310.5)), near(chance(61, None))]
            assert reply.headers["x-trimtab-features"] == "absent=chol"
    finally:
        assert server.stop() == 0
