"""The OpenAPI document of the server's own routes."""

from __future__ import annotations

import functools
from typing import Any

import trimtab

__all__ = ["openapi_document"]

_ROW = {
    "type": "object",
    "description": "Features by name.",
    "additionalProperties": {"type": ["number", "boolean", "string", "null"]},
}
_KEY = {"type": ["string", "integer"]}
_MOMENT = {"type": ["string", "integer"], "description": "RFC 3339 with an offset, or microseconds since 1970 UTC."}
_ENDPOINT = {"name": "endpoint", "in": "path", "required": True, "schema": {"type": "string"}}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_PREDICT = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "rows": _list(_ROW),
        "record_keys": _list(_KEY),
        "event_times": _list(_MOMENT),
        "sticky_keys": _list(_KEY),
        "row": _ROW,
        "record_key": _KEY,
        "event_time": _MOMENT,
        "sticky_key": _KEY,
        "source": {"type": "string", "description": "The feed that sends the rows."},
    },
    "oneOf": [{"required": ["rows"]}, {"required": ["row"]}],
}
_INFER = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "inputs": _list(
            {
                "type": "object",
                "required": ["name", "shape", "datatype", "data"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": _list({"type": "integer", "minimum": 0}),
                    "datatype": {"type": "string"},
                    "data": {"type": "array"},
                },
            }
        ),
        "outputs": _list({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}),
        "parameters": {"type": "object"},
    },
}
_TRUTH = {
    "type": "object",
    "additionalProperties": False,
    "required": ["records"],
    "properties": {
        "records": _list(
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["truth"],
                "properties": {
                    "truth": {"type": ["string", "number", "boolean"]},
                    "prediction_id": {"type": "string", "format": "uuid"},
                    "endpoint": {"type": "string"},
                    "record_key": _KEY,
                    "event_time": _MOMENT,
                    "labelled_at": _MOMENT,
                },
            }
        )
    },
}


def _responses(*statuses: str) -> dict[str, Any]:
    known = {
        "200": "Done.",
        "202": "Accepted and recorded.",
        "400": "The request does not fit; the body says how.",
        "404": "No such endpoint.",
        "413": "The body is too large.",
        "503": "Not ready, or the answer cannot be recorded; try again.",
    }
    return {status: {"description": known[status]} for status in statuses}


def _get(summary: str, *statuses: str, named: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {"summary": summary, "responses": _responses("200", *statuses)}
    if named:
        operation["parameters"] = [_ENDPOINT]
    return {"get": operation}


def _post(summary: str, schema: dict[str, Any], *statuses: str, named: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": _responses(*statuses, "400", "413", "503"),
    }
    if named:
        operation["parameters"] = [_ENDPOINT]
    return {"post": operation}


@functools.cache
def openapi_document() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Trimtab inference server", "version": trimtab.__version__},
        "paths": {
            "/predict": _post("Answer rows by the only endpoint.", _PREDICT, "200"),
            "/predict/{endpoint}": _post("Answer rows.", _PREDICT, "200", "404", named=True),
            "/v1/ground-truth": _post("Tell true outcomes.", _TRUTH, "202"),
            "/v2": _get("Server metadata (Open Inference Protocol v2)."),
            "/v2/health/live": _get("Is the process alive?"),
            "/v2/health/ready": _get("Are the endpoints loaded?", "503"),
            "/v2/models/{endpoint}": _get("Tensors of an endpoint.", "404", named=True),
            "/v2/models/{endpoint}/ready": _get("Is the endpoint loaded?", "404", named=True),
            "/v2/models/{endpoint}/infer": _post("Answer tensors.", _INFER, "200", "404", named=True),
            "/health": _get("State of server and endpoints."),
            "/metrics": _get("Prometheus' text format."),
            "/openapi.json": _get("This document."),
        },
    }
