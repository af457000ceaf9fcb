"""Whatever is sent, the control plane answers, and no answer is a crash."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.integration.office import (
    AS_JSON,
    SOME_ID,
    SOME_VALUES,
    Office,
    is_problem,
    opened_office,
    platform_at,
    served,
    upload,
)

from trimtab.loop.operation import OPERATIONS, Operation
from trimtab.loop.platform import Platform

ODD_TEXTS = ["", "\0", "\ud800", "a" * 3000, "'; DROP TABLE job; --", "churn", "shop", "promote", "[/]", SOME_ID]
ODD_MOMENTS = ["0001-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2024-03-04", "1e30", 0, 1e300]
ODD_NUMBERS = [0, 1, -1, 2**31, 2**63 - 1, 2**63, 10**40]

THERE = {"model": "churn", "endpoint": "churn", "feed": "shop"}

odd_texts = st.text(max_size=20) | st.sampled_from(ODD_TEXTS)
odd_numbers = st.integers() | st.sampled_from(ODD_NUMBERS)
scalars = st.none() | st.booleans() | odd_numbers | st.floats() | odd_texts | st.sampled_from(ODD_MOMENTS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd_texts, inner, max_size=3)
)
posts = sorted(
    name
    for name, asked in OPERATIONS.items()
    if asked.method == "POST" and name not in {"data.ingest", "intake.segment"}
)
gets = sorted(name for name, asked in OPERATIONS.items() if asked.method == "GET")


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("project")) as opened:
        yield opened


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_at(tmp_path_factory.mktemp("here")) as built:
        yield built


def near(schema: Any) -> st.SearchStrategy[Any]:
    """Return values that a field of this JSON Schema nearly always takes, odd ones among them."""
    shapes = {
        "boolean": st.booleans(),
        "integer": st.integers(1, 3) | st.sampled_from(ODD_NUMBERS),
        "number": st.floats(),
        "null": st.none(),
    }
    choices = [near(one) for one in schema.get("anyOf", ())]
    if "enum" in schema:
        choices.append(st.sampled_from(schema["enum"]))
    elif schema.get("format") == "date-time":
        choices.append(st.sampled_from(ODD_MOMENTS) | st.datetimes().map(str))
    elif schema.get("type") == "string":
        choices.append(st.sampled_from(["churn", "shop", SOME_ID, "x"]) | odd_texts)
    elif schema.get("type") in shapes:
        choices.append(shapes[schema["type"]])
    return st.one_of(*choices) if choices else values


def fields_of(asked: Operation) -> st.SearchStrategy[dict[str, Any]]:
    """Return requests of this operation: all that it needs, perhaps what it takes besides."""
    schema = asked.request.model_json_schema()
    definitions = schema.get("$defs", {})
    required: dict[str, st.SearchStrategy[Any]] = {}
    optional: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in schema.get("properties", {}).items():
        thing = st.just(THERE[name]) if name in THERE else st.nothing()
        resolved = definitions[field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        (required if name in schema.get("required", ()) else optional)[name] = thing | near(resolved)
    return st.fixed_dictionaries(required, optional=optional)


def send_anything(office: Office, asked: Operation, fields: dict[str, Any]) -> httpx.Response:
    """Send a request with path, query or body as they come."""

    def fill(match: re.Match[str]) -> str:
        text = str(fields.pop(match[1])).encode("utf-8", "surrogatepass")
        return quote(text, safe="") or "-"

    path = re.sub(r"{(\w+)}", fill, asked.path)
    if asked.method == "POST":
        return office.client.post(path, content=json.dumps(fields), headers=AS_JSON)
    query = [f"{name}={quote(str(value).encode('utf-8', 'surrogatepass'))}" for name, value in fields.items()]
    return office.client.get(f"{path}?{'&'.join(query)}")


@pytest.mark.parametrize("name", [*posts, *gets])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_request_that_nearly_fits_crashes_the_control_plane(office: Office, name: str, data: st.DataObject) -> None:
    asked = OPERATIONS[name]
    answer = send_anything(office, asked, data.draw(fields_of(asked)))
    assert answer.status_code < 500, answer.text
    assert answer.json()
    if not answer.is_success:
        assert is_problem(answer, answer.status_code)


@pytest.mark.parametrize("name", posts)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=values)
def test_no_body_whatever_crashes_the_control_plane(office: Office, name: str, body: Any) -> None:
    path = re.sub(r"{(\w+)}", lambda match: SOME_VALUES.get(match[1], SOME_ID), OPERATIONS[name].path)
    answer = office.client.post(path, content=json.dumps(body), headers=AS_JSON)
    assert answer.status_code < 500, answer.text
    assert answer.is_success or is_problem(answer, answer.status_code)


@pytest.mark.parametrize("content", [b"\xff", b"[" * 100_000, b"1" * 10_000, b"null", b'{"name": NaN}', b""])
def test_no_bytes_whatever_crash_the_control_plane(office: Office, content: bytes) -> None:
    with office.plane.client() as client:
        answer = client.post("/api/keys", content=content, headers=AS_JSON)
    assert is_problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}
    assert "error parsing" not in answer.text


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0", b"a,b\n", b"a\n" * 3, b"PAR1"])
@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_a_file_of_anything_is_taken_and_then_judged(platform: Platform, content: bytes, ending: str) -> None:
    with served(platform) as client:
        answer = upload(client, content + b" " * len(ending), filename=f"rows.{ending}")
    assert answer.status_code == 200, answer.text
