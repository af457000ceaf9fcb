"""The OpenAPI document of the server's own routes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import trimtab
from trimtab.core.names import ENDPOINT_NAME_RULE
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.openapi_endpoints import endpoint_paths
from trimtab.serving.protocols.tensors import DATATYPES

__all__ = ["openapi_document"]

_ROW = {
    "type": "object",
    "description": "Features by name.",
    "additionalProperties": {"type": ["number", "boolean", "string", "null"]},
}
_KEY = {"type": ["string", "integer"]}
_MOMENT = {"type": ["string", "integer"], "description": "RFC 3339 with an offset, or microseconds since 1970 UTC."}
_ENDPOINT = {"name": "endpoint", "in": "path", "required": True, "schema": {"type": "string"}}
_VERSION = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
_JOB = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
_INFER_HEADER = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "required": False,
    "description": "Length of the JSON in bytes, where tensors follow it as bytes (binary tensor extension).",
    "schema": {"type": "integer", "minimum": 1},
}


_VARIANT = {
    "name": "X-Trimtab-Variant",
    "in": "header",
    "required": False,
    "description": "The live variant that is to answer; else one is drawn.",
    "schema": {"type": "string"},
}
_MODEL = {"name": "model_name", "in": "path", "required": True, "schema": {"type": "string"}}
_HOSTED = {
    "type": "object",
    "required": ["modelName", "modelUrl"],
    "properties": {"modelName": {"type": "string"}, "modelUrl": {"type": "string"}},
}


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
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": _list({"type": "integer", "minimum": 0}),
                    "datatype": {"enum": sorted(DATATYPES)},
                    "data": {"type": "array", "description": "Absent where the values follow the JSON as bytes."},
                    "parameters": {
                        "type": "object",
                        "properties": {"binary_data_size": {"type": "integer", "minimum": 0}},
                    },
                },
            }
        ),
        "outputs": _list(
            {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
                },
            }
        ),
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "binary_data_output": {"type": "boolean", "description": "Send all outputs as bytes."},
                "record_keys": _list(_KEY),
                "event_time": _MOMENT,
                "event_times": _list(_MOMENT),
                "sticky_keys": _list(_KEY),
                "source": {"type": "string", "description": "The feed that sends the rows."},
                "priority": {"type": "integer", "description": "Ignored."},
                "timeout": {"type": "integer", "description": "Ignored."},
            },
        },
    },
}
_CELL = {"type": ["number", "boolean", "string", "null"]}
_INSTANCES = _list({"description": "Features by name, or a list of values in the features' order."})
_SCORING = {
    "type": "object",
    "description": "MLflow's scoring request: exactly one of the four forms; the rest is ignored.",
    "properties": {
        "dataframe_split": {
            "type": "object",
            "additionalProperties": False,
            "required": ["data"],
            "properties": {
                "columns": _list({"type": ["string", "integer"]}),
                "data": _list(_list(_CELL)),
                "index": {"type": "array"},
            },
        },
        "dataframe_records": _list(_ROW),
        "instances": _INSTANCES,
        "inputs": {"anyOf": [_INSTANCES, {"type": "object", "description": "Columns by name."}]},
    },
    "oneOf": [{"required": [form]} for form in ("dataframe_split", "dataframe_records", "instances", "inputs")],
}
_LINES = {"type": "string", "description": "A JSON value a line: an object, or a list in the features' order."}
_TABLE = {"type": "string", "description": "Rows in the features' order, or with a first line that names them."}
_OUTCOME = {
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
_OUTCOMES = {
    "type": "object",
    "additionalProperties": False,
    "required": ["records"],
    "properties": {"records": _list(_OUTCOME)},
}


_ERROR = {
    "application/json": {
        "schema": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    }
}


def _responses(*statuses: str) -> dict[str, Any]:
    known = {
        "200": "Done.",
        "202": "Accepted and recorded.",
        "400": "The request does not fit; the body says how.",
        "404": "No such endpoint, or variant.",
        "406": "No format of the answer is accepted.",
        "409": "It is being answered, or there already.",
        "413": "The body is too large.",
        "415": "The body's media type is not read here.",
        "429": "As many wait as may; try again later.",
        "503": "Not ready, or the answer cannot be recorded; try again.",
        "507": "There is no memory for it; unload another.",
    }
    responses: dict[str, Any] = {status: {"description": known[status]} for status in statuses}
    for status, response in responses.items():
        if status >= "400":
            response["content"] = _ERROR
    return responses | {"default": {"description": "Refused; the body says why in one sentence.", "content": _ERROR}}


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


def _predict(summary: str, *statuses: str, named: bool = False) -> dict[str, Any]:
    path = _post(summary, _PREDICT, *statuses, "404", named=named)
    path["post"]["parameters"] = [*path["post"].get("parameters", ()), _VARIANT]
    return path


def _invocations(summary: str, *, named: bool = False) -> dict[str, Any]:
    path = _post(summary, _SCORING, "200", "404", "406", "415", named=named)
    path["post"]["requestBody"]["content"] |= {
        "text/csv": {"schema": _TABLE},
        "application/jsonlines": {"schema": _LINES},
    }
    path["post"]["parameters"] = path["post"].get("parameters", []) + [
        {"name": f"X-Amzn-SageMaker-{name}", "in": "header", "schema": {"type": "string"}, "description": description}
        for name, description in (
            ("Custom-Attributes", "A request id, alone or as trace_id=ID."),
            ("Target-Variant", "The live variant that is to answer."),
        )
    ]
    return path


def _models() -> dict[str, Any]:
    """Return SageMaker's multi-model routes."""
    load = {
        "type": "object",
        "required": ["model_name", "url"],
        "properties": {
            "model_name": {"type": "string", "description": ENDPOINT_NAME_RULE},
            "url": {"type": "string", "description": "The folder of a bundle, below the one that the server allows."},
        },
    }
    page = {
        "type": "object",
        "required": ["models"],
        "properties": {"models": _list(_HOSTED), "nextPageToken": {"type": "string"}},
    }
    listing = _get("The models that are loaded, by name.")
    listing["get"]["parameters"] = [{"name": "next_page_token", "in": "query", "schema": {"type": "string"}}]
    loading = _post("Load a bundle as a model of that name.", load, "200", "404", "409", "507")
    model = {
        **_get("Where a loaded model came from.", "404"),
        "delete": {"summary": "Unload it.", "responses": _responses("200", "404")},
    }
    for operation, said in (
        (listing["get"], page),
        (loading["post"], _HOSTED),
        (model["get"], _HOSTED),
        (model["delete"], _HOSTED),
    ):
        operation["responses"]["200"]["content"] = {"application/json": {"schema": said}}
    for operation in model.values():
        operation["parameters"] = [_MODEL]
    invoking = _invocations("Answer rows by a loaded model.")
    invoking["post"]["parameters"].append(_MODEL)
    return {"/models": {**listing, **loading}, "/models/{model_name}": model, "/models/{model_name}/invoke": invoking}


def _job() -> dict[str, Any]:
    path = {
        **_get("How a request that is answered later stands, with its outcome.", "404"),
        "delete": {"summary": "Forget it, or its outcome.", "responses": _responses("200", "404", "409")},
    }
    for operation in path.values():
        operation["parameters"] = [_JOB]
    return path


def _infer(summary: str) -> dict[str, Any]:
    path = _post(summary, _INFER, "200", "404", named=True)
    path["post"]["requestBody"]["content"]["application/octet-stream"] = {
        "schema": {"type": "string", "format": "binary", "description": "The JSON, and behind it tensors as bytes."}
    }
    path["post"]["parameters"] += [_INFER_HEADER, _VARIANT]
    return path


def _of_version(path: dict[str, Any]) -> dict[str, Any]:
    for operation in path.values():
        operation["parameters"].append(_VERSION)
    return path


def openapi_document(
    endpoints: Sequence[LoadedEndpoint] = (), *, only: str | None = None, hosting: bool = False
) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1): the server's routes, and each endpoint's own with its fields and an example.

    ``only``: the endpoint that is meant where none is named. ``hosting``: callers may load models.
    """
    document = _generic()
    paths = document["paths"] | (_models() if hosting else {})
    return document | {"paths": endpoint_paths(paths, endpoints, only=only)}


@functools.cache
def _generic() -> dict[str, Any]:
    return {
        "openapi": "3.1.0",
        "info": {"title": "Trimtab inference server", "version": trimtab.__version__},
        "paths": {
            "/predict": _predict("Answer rows by the only endpoint.", "200"),
            "/predict/{endpoint}": _predict("Answer rows.", "200", named=True),
            "/predict/{endpoint}/async": _predict(
                "Answer rows later: the outcome is at /v1/jobs/ID.", "202", "429", named=True
            ),
            "/v1/jobs/{job_id}": _job(),
            "/invocations": _invocations("Answer rows as MLflow and SageMaker ask, by the only endpoint."),
            "/invocations/{endpoint}": _invocations("Answer rows as MLflow and SageMaker ask.", named=True),
            "/v1/ground-truth": _post("Tell one true outcome, or several.", {"anyOf": [_OUTCOMES, _OUTCOME]}, "202"),
            "/v2": _get("Server metadata (Open Inference Protocol v2)."),
            "/v2/health/live": _get("Is the process alive?"),
            "/v2/health/ready": _get("Are the endpoints loaded?", "503"),
            "/v2/models/{endpoint}": _get("Tensors of an endpoint.", "404", named=True),
            "/v2/models/{endpoint}/ready": _get("Is the endpoint loaded?", "404", named=True),
            "/v2/models/{endpoint}/infer": _infer("Answer tensors."),
            "/v2/models/{endpoint}/versions/{version}": _of_version(_get("Tensors of a version.", "404", named=True)),
            "/v2/models/{endpoint}/versions/{version}/ready": _of_version(
                _get("Is the version loaded?", "404", named=True)
            ),
            "/v2/models/{endpoint}/versions/{version}/infer": _of_version(_infer("Answer tensors by a version.")),
            "/health": _get("State of server and endpoints."),
            "/v1/stats": _get("Requests, rows and latency quantiles of each variant, of this server process."),
            "/v1/variants/{endpoint}/counts": _get(
                "What each live variant did with the requests that were drawn for it.", "404", named=True
            ),
            "/ping": _get("Are the endpoints loaded?", "503"),
            "/version": _get("The server's version, as text."),
            "/metrics": _get("Prometheus' text format."),
            "/openapi.json": _get("This document."),
        },
    }
