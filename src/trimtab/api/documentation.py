"""The API's documentation page: made from the OpenAPI document here, so that it needs nothing from elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from trimtab.api.door import PAGE_POLICY
from trimtab.core.canonical import JsonObject

__all__ = ["add_documentation", "documentation_page"]

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    where: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class _Route:
    method: str
    path: str
    summary: str
    description: str
    operation_id: str
    fields: tuple[_Field, ...]
    takes_file: bool

    @property
    def curl(self) -> str:
        """A call to start from."""
        parts = ["curl -H 'Authorization: Bearer '$TRIMTAB_API_KEY"]
        if self.takes_file:
            parts.append("--data-binary @FILE")
        elif self.method == "POST":
            needed = ", ".join(
                f'"{field.name}": …' for field in self.fields if field.where == "body" and field.required
            )
            parts.append(f"--json '{{{needed}}}'")
        query = "&".join(f"{field.name}=…" for field in self.fields if field.where == "query" and field.required)
        return " ".join([*parts, f"'$URL{self.path}{'?' + query if query else ''}'"])


def add_documentation(app: FastAPI) -> None:
    """Serve the page at ``/docs``; its sheet has an address of its own, so that nothing within a page is obeyed."""

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(documentation_page(app.openapi()), headers={"content-security-policy": PAGE_POLICY})

    @app.get("/docs.css", include_in_schema=False)
    def sheet() -> FileResponse:
        return FileResponse(_TEMPLATES / "docs.css", media_type="text/css")


def documentation_page(document: JsonObject) -> str:
    """Return the page for an OpenAPI document, as HTML without a script; its sheet is ``/docs.css``."""
    groups: dict[str, list[_Route]] = {}
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            tag = (route.get("tags") or ["other"])[0]
            groups.setdefault(tag, []).append(_route(document, path, method.upper(), route))
    return str(_template().render(info=document["info"], groups=dict(sorted(groups.items()))))


@lru_cache(maxsize=1)
def _template() -> Any:
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("docs.html.j2")


def _route(document: JsonObject, path: str, method: str, route: JsonObject) -> _Route:
    fields = [
        _Field(
            one["name"],
            one["in"],
            _type_of(document, one["schema"]),
            one.get("required", False),
            one.get("description", one["schema"].get("description", "")),
        )
        for one in route.get("parameters", [])
    ]
    content = route.get("requestBody", {}).get("content", {})
    body = _resolved(document, content.get("application/json", {}).get("schema", {}))
    fields += [
        _Field(
            name, "body", _type_of(document, schema), name in body.get("required", []), schema.get("description", "")
        )
        for name, schema in body.get("properties", {}).items()
    ]
    return _Route(
        method=method,
        path=path,
        summary=route.get("summary", ""),
        description=route.get("description", ""),
        operation_id=route.get("operationId", ""),
        fields=tuple(fields),
        takes_file=bool(content) and "application/json" not in content,
    )


def _resolved(document: JsonObject, schema: JsonObject) -> JsonObject:
    found: Any = schema
    while "$ref" in found:
        name = found["$ref"].rpartition("/")[2]
        found = document["components"]["schemas"][name]
    return dict(found)


def _type_of(document: JsonObject, schema: JsonObject) -> str:
    full = _resolved(document, schema)
    if "anyOf" in full:
        return " or ".join(_type_of(document, one) for one in full["anyOf"])
    if "enum" in full:
        return " | ".join(str(one) for one in full["enum"])
    if full.get("type") == "array":
        return f"list of {_type_of(document, full.get('items', {}))}"
    return str(full.get("format") or full.get("type") or "any")
