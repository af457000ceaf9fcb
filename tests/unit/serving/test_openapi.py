"""The server held against its own OpenAPI document: its examples work as they stand, and nothing makes it fail."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.unit.serving.running import Running, variant, write_spec

from trimtab.core.enums import Task
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.testing.image_bundles import tiny_image_bundle

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("openapi")
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(variant(state, "stable", "100"),)))
    number = variant(state, "stable", "100", task=Task.REGRESSION)
    write_spec(state, EndpointSpec(endpoint="bike-staging", generation=1, variants=(number,)))
    manifest = tiny_image_bundle(state / "images")
    image = VariantSpec(
        name="stable",
        model="bright",
        model_version=1,
        bundle_path=str(state / "images"),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    write_spec(state, EndpointSpec(endpoint="light-staging", generation=1, variants=(image,)))
    server = Running(state)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def document(running: Running) -> dict[str, Any]:
    found: dict[str, Any] = running.call("GET", "/openapi.json").json
    return found


@pytest.fixture(scope="module")
def api(running: Running) -> Any:
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{running.info.port}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_whatever_fits_the_document_or_not_is_answered_as_it_says(api: Any, mode: GenerationMode) -> None:
    asked = []
    for found in api.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not operation.body:
            continue  # there is nothing to get wrong
        cases = operation.as_strategy(generation_mode=mode)

        @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=cases)
        def answers(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=_CHECKS, timeout=30)

        answers()
        asked.append(operation.label)
    assert {"POST /predict", "POST /predict/heart", "POST /v2/models/heart/infer", "POST /invocations"} <= set(asked)


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in content.get("examples", {}).items():
                yield path, name, (content["schema"], example["value"], operation["responses"]["200"])


def test_every_example_fits_its_schema_and_is_answered_as_the_document_says(
    running: Running, document: dict[str, Any]
) -> None:
    seen = set()
    for path, name, (request, value, response) in _examples(document):
        jsonschema_rs.validate(request, value)
        reply = running.predict(value, path)
        assert reply.status == 200, (path, name, reply.body)
        seen.add(path)
        described = response.get("content", {}).get("application/json", {})
        if "example" in described:
            jsonschema_rs.validate(described["schema"], reply.json)
            [shown], answered = described["example"]["predictions"], reply.json["predictions"][0]
            assert {**shown, "prediction_id": ""} == {**answered, "prediction_id": ""}
    assert {"/predict", "/invocations", "/predict/heart", "/predict/bike-staging", "/predict/light-staging"} <= seen
    assert "/v2/models/light-staging/infer" in seen


@pytest.mark.parametrize(
    "path", ["/predict", "/predict/heart", "/predict/{endpoint}", "/predict/{endpoint}/async", "/v2/models/heart/infer"]
)
def test_the_variant_that_is_to_answer_may_be_named(document: dict[str, Any], path: str) -> None:
    operation = document["paths"][path]["post"]
    assert "X-Trimtab-Variant" in [one["name"] for one in operation["parameters"] if one["in"] == "header"]
    assert "404" in operation["responses"], "there may be none of that name"
    named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    assert named == ({"endpoint"} if "{endpoint}" in path else set())


def test_fields_are_the_model_s_own(document: dict[str, Any]) -> None:
    row = document["paths"]["/predict/heart"]["post"]["requestBody"]["content"]["application/json"]["schema"][
        "properties"
    ]["row"]
    assert (sorted(row["properties"]), row["required"]) == (["age", "chol", "sex"], ["age", "sex"])
    assert row["properties"]["sex"]["examples"] == ["female", "male"]
    assert row["properties"]["age"]["description"] == "In a."
    answer = document["paths"]["/predict/heart"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer["properties"]["predictions"]["items"]["properties"]["prediction"] == {"enum": ["no", "yes"]}
