import re
from typing import Any

from trimtab.api.documentation import documentation_page

DOCUMENT: dict[str, Any] = {
    "info": {"title": "Control <plane>", "version": "1"},
    "paths": {
        "/api/things/{name}": {
            "post": {
                "tags": ["things"],
                "summary": "Do it.",
                "description": "Needs role `operator`.",
                "operationId": "things_do",
                "parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Do"}}}},
            }
        }
    },
    "components": {
        "schemas": {
            "Do": {
                "required": ["reason"],
                "properties": {
                    "reason": {"type": "string", "description": "Why <b>."},
                    "how": {"anyOf": [{"$ref": "#/components/schemas/How"}, {"type": "null"}]},
                },
            },
            "How": {"enum": ["fast", "slow"]},
        }
    },
}


def test_the_page_shows_fields_types_and_a_call_to_start_from() -> None:
    page = documentation_page(DOCUMENT)

    assert "fast | slow or null" in page
    assert "/api/things/{name}" in page
    assert "{&#34;reason&#34;: …}" in page


def test_the_page_escapes_what_it_shows_and_needs_nothing_from_elsewhere() -> None:
    page = documentation_page(DOCUMENT)

    assert "Control <plane>" not in page
    assert "Why <b>" not in page
    assert not re.search(r"https?://", page)
