"""The control plane held against its own OpenAPI document: whatever fits it, or nearly, nothing makes it fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance
from tests.integration.office import Office, opened_office

from trimtab.core.enums import Role

CHECKS = [not_a_server_error, content_type_conformance]
FOR_EVER = {"events_stream"}
FILES = {"data_ingest", "intake_segment", "serving_bundle", "reports_file"}
"""Whose body or answer is a file: tests of their own send those."""


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("project")) as opened:
        yield opened


def operations_of(office: Office) -> dict[str, Any]:
    schema: Any = schemathesis.openapi.from_url(f"{office.plane.url}/openapi.json", timeout=120)
    found = [operation.ok() for operation in schema.get_all_operations()]
    return {one.definition.raw.get("operationId", one.label): one for one in found}


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
@pytest.mark.parametrize(("mode", "examples"), [(GenerationMode.POSITIVE, 6), (GenerationMode.NEGATIVE, 3)])
def test_nothing_that_fits_the_document_or_does_not_makes_it_fail(
    office: Office, role: Role, mode: GenerationMode, examples: int
) -> None:
    operations = operations_of(office)
    assert len(operations) > 60
    key = {"Authorization": f"Bearer {office.keys[role]}"}
    for name in sorted(set(operations) - FOR_EVER - FILES):
        operation = operations[name]
        if mode is GenerationMode.NEGATIVE and not operation.body and not operation.query:
            continue  # there is nothing to get wrong

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(checks=CHECKS, headers=key, timeout=120)

        answers()
