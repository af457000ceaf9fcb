"""The page of the HTTP operations."""

from __future__ import annotations

from collections.abc import Iterable

from docs.generators.fields import Schema, anchor_of, default_of, meaning_of, type_of
from docs.generators.markdown import code, plain, table

from trimtab.loop.operation import Operation

__all__ = ["operations_page"]


def operations_page(operations: Iterable[Operation]) -> str:
    """Return the page: each operation by its subject."""
    lines = [
        "# What can be asked of the control plane",
        "",
        "One table gives the HTTP routes, the command line's client, and this page. Send `Authorization: Bearer tt_…`;",
        "errors are problem documents (RFC 9457). A running control plane shows the same at `/docs`.",
        "",
    ]
    by_subject: dict[str, list[Operation]] = {}
    for asked in operations:
        by_subject.setdefault(asked.name.split(".")[0], []).append(asked)
    for subject, members in sorted(by_subject.items()):
        lines += [f"## {subject}", ""]
        for asked in members:
            told = f"{plain(asked.summary)} Role: `{asked.role}`. Name: `{asked.name}`."
            lines += [f"### {code(f'{asked.method} {asked.path}')}", "", told, "", *_request(asked)]
    return "\n".join(lines)


def _request(asked: Operation) -> list[str]:
    if asked.name == "data.ingest":  # the API has a route of its own for it: files are streamed
        return ["The body is the file itself. Query: `filename` (its ending says what it is), `feed` (optional).", ""]
    schema = asked.request.model_json_schema()
    rows = [
        (
            code(name),
            "path" if name in asked.path_fields else "query" if asked.method == "GET" else "body",
            *_told(asked.name, name, field, schema, schema),
        )
        for name, field in schema.get("properties", {}).items()
    ]
    lines = table(("field", "in", "type", "default", "what it is"), rows) if rows else []
    for name, part in schema.get("$defs", {}).items():
        if "properties" in part:
            within = [
                (code(key), *_told(asked.name, key, field, part, schema)) for key, field in part["properties"].items()
            ]
            lines += [f'<a id="{anchor_of(asked.name, name)}"></a>', "", f"{name}: {plain(part['description'])}", ""]
            lines += table(("field", "type", "default", "what it is"), within)
    return lines


def _told(stem: str, name: str, field: Schema, part: Schema, whole: Schema) -> tuple[str, str, str]:
    """Return type, default and meaning of a field of ``part``."""
    required = part.get("required", [])
    return type_of(stem, field, whole), default_of(name, field, required), meaning_of(field, whole)
