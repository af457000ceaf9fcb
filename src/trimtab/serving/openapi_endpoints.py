"""The OpenAPI document's part on each endpoint: fields, classes, and an example that can be sent as it stands."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from trimtab.bundle.manifest import Feature, Manifest
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import TrimtabError
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.features.base import Why
from trimtab.serving.protocols.open_inference import tensor_of
from trimtab.serving.spec import FeaturesSpec

__all__ = ["endpoint_paths"]

Json = dict[str, Any]

_MOST_CATEGORIES = 20
_ENTITY_KEY: Json = {
    "type": ["string", "integer"],
    "description": "The entity by which features are read that the row does not say.",
}
_MISSED: Json = {
    "type": "array",
    "description": "Features that the source had no value for, by the places of the rows that lack them.",
    "items": {
        "type": "object",
        "required": ["name", "why", "rows"],
        "properties": {
            "name": {"type": "string"},
            "why": {"enum": [str(why) for why in Why]},
            "rows": {"type": "array", "items": {"type": "integer", "minimum": 0}},
        },
    },
}
_KINDS: dict[ColumnKind, Json] = {
    ColumnKind.NUMBER: {"type": "number"},
    ColumnKind.INTEGER: {"type": "number", "description": "A whole number; others are answered, and watched."},
    ColumnKind.BOOLEAN: {"enum": [True, False, 0, 1]},
    ColumnKind.CATEGORY: {"type": "string"},
    ColumnKind.TEXT: {"type": "string"},
    ColumnKind.DATETIME: {
        "type": ["string", "number"],
        "description": "ISO 8601 (UTC where it names no offset), or seconds since 1970.",
    },
}


def endpoint_paths(paths: Json, endpoints: Iterable[LoadedEndpoint], *, only: str | None) -> Json:
    """Return ``paths``, and before them those of each endpoint, made from the generic ones.

    ``only``: the endpoint that is meant where none is named; `/predict` and `/invocations` get its example.
    """
    made: Json = {}
    for endpoint in endpoints:
        name = endpoint.spec.endpoint
        row = _row_schema(endpoint)
        example = endpoint.heaviest.predictor.manifest.example
        predict = copy.deepcopy(paths["/predict/{endpoint}"])
        _narrow(predict["post"], f"Answer rows of {name}.", endpoint, row, example)
        predict["post"]["responses"]["200"] = _answered(endpoint, example)
        made[f"/predict/{name}"] = predict
        infer = copy.deepcopy(paths["/v2/models/{endpoint}/infer"])
        _infer_example(infer["post"], f"Answer tensors of {name}.", endpoint.heaviest.predictor.manifest, example)
        made[f"/v2/models/{name}/infer"] = infer
        scoring = copy.deepcopy(paths["/invocations/{endpoint}"])
        scoring["post"]["summary"] = f"Answer rows of {name} as MLflow and SageMaker ask."
        scoring["post"]["parameters"] = _of_any_endpoint(scoring["post"])
        scoring["post"]["requestBody"]["content"]["application/json"]["examples"] = _scoring_examples(example)
        made[f"/invocations/{name}"] = scoring
        if name == only:
            made["/predict"] = copy.deepcopy(paths["/predict"])
            _narrow(made["/predict"]["post"], f"Answer rows of {name}, the only endpoint.", endpoint, row, example)
            made["/predict"]["post"]["responses"]["200"] = predict["post"]["responses"]["200"]
            summary = paths["/invocations"]["post"]["summary"]
            made["/invocations"] = {"post": scoring["post"] | {"summary": summary}}
    return made | {path: operations for path, operations in paths.items() if path not in made}


def _row_schema(endpoint: LoadedEndpoint) -> Json:
    """Return the schema of a row: what any live variant takes, and what all of them need."""
    manifests = [variant.predictor.manifest for variant in endpoint.live]
    properties: Json = {}
    for manifest in reversed(manifests):
        properties |= {feature.name: _field(feature, manifest) for feature in manifest.fields}
    needed = [{feature.name for feature in manifest.fields if not _may_lack(feature)} for manifest in manifests]
    schema: Json = {
        "type": "object",
        "properties": properties,
        "required": sorted(set.union(*needed)),
        "additionalProperties": False,
    }
    spec = endpoint.spec.features
    return schema if spec is None else schema | _of_source(spec, schema)


def _of_source(spec: FeaturesSpec, schema: Json) -> Json:
    """Return what changes in a row's schema where features come from a source: it has the keys, or all of these."""
    keys = {key: _ENTITY_KEY for key in spec.entity_keys if key not in schema["properties"]}
    read = {name: _or_null(schema["properties"][name]) for name in spec.names if name in schema["properties"]}
    return {
        "properties": schema["properties"] | read | keys,
        "required": [name for name in schema["required"] if name not in spec.names],
        "anyOf": [{"required": list(spec.entity_keys)}, {"required": list(read)}],
    }


def _or_null(schema: Json) -> Json:
    return schema if "anyOf" in schema else {"anyOf": [schema, {"type": "null"}]}


def _may_lack(feature: Feature) -> bool:
    return feature.nullable or feature.is_event_time


def _field(feature: Feature, manifest: Manifest) -> Json:
    schema = copy.deepcopy(_KINDS[feature.kind])
    if manifest.image is not None:
        schema |= {"contentEncoding": "base64", "description": "A JPEG, PNG or WebP file in base64."}
    if feature.categories:
        schema["examples"] = list(feature.categories[:_MOST_CATEGORIES])
        schema["description"] = "Values that were not seen in training are answered, and watched."
    elif feature.example is not None:
        schema["examples"] = [feature.example]
    if feature.unit:
        schema["description"] = f"In {feature.unit}. {schema.get('description', '')}".strip()
    return {"anyOf": [schema, {"type": "null"}]} if _may_lack(feature) else schema


def _narrow(operation: Json, summary: str, endpoint: LoadedEndpoint, row: Json, example: Json) -> None:
    """Give an operation of ``/predict`` the endpoint's own rows."""
    operation["summary"] = summary
    operation["parameters"] = _of_any_endpoint(operation)
    content = operation["requestBody"]["content"]["application/json"]
    schema = copy.deepcopy(content["schema"])
    schema["properties"] |= {"row": row, "rows": {"type": "array", "items": row, "minItems": 1}}
    content["schema"] = schema
    spec = endpoint.spec.features
    if spec is not None:
        # Whatever the source is asked for, it may not know: the other examples say all.
        said = {name: value for name, value in example.items() if name not in spec.names}
        keyed = dict.fromkeys(spec.entity_keys, "7") | said
        content["examples"] = {"by entity key": {"value": {"row": keyed}}}
    if endpoint.takes_images:
        files = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"]["content"] |= {f"image/{kind}": files for kind in ("jpeg", "png", "webp")}
    content["examples"] = content.get("examples", {}) | {
        "one row": {"value": {"row": example}},
        "several rows": {"value": {"rows": [example, example], "record_keys": ["a", "b"]}},
    }


def _answered(endpoint: LoadedEndpoint, example: Json) -> Json:
    classes = sorted({name for variant in endpoint.live for name in variant.predictor.manifest.classes})
    prediction: Json = {
        "type": "object",
        "required": ["prediction_id", "prediction", "probability"],
        "properties": {
            "prediction_id": {"type": "string", "format": "uuid"},
            "prediction": {"enum": classes} if classes else {"type": "number"},
            "probability": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        },
    }
    names = ("endpoint", "model", "variant", "request_id")
    schema: Json = {
        "type": "object",
        "required": [*names, "model_version", "predictions"],
        "properties": {
            **{name: {"type": "string"} for name in names},
            "model_version": {"type": "integer"},
            "predictions": {"type": "array", "items": prediction},
        },
    }
    if endpoint.spec.features is not None:
        schema["properties"]["features"] = _MISSED
    content: Json = {"schema": schema}
    answer = _example_answer(endpoint, example)
    if answer is not None:
        content["example"] = answer
    return {"description": "Answered and recorded.", "content": {"application/json": content}}


def _example_answer(endpoint: LoadedEndpoint, example: Json) -> Json | None:
    """Return what the model says of the example, which is asked here and so not recorded."""
    variant = endpoint.heaviest
    try:
        predictions = variant.predictor.predict_rows([example])
    except TrimtabError:
        # An example may lack what only the sender knows, such as a time.
        return None
    said: Json = {
        "prediction_id": "01979e2b-5c00-7000-8000-000000000000",
        "prediction": predictions.labels.tolist()[0],
        "probability": None,
    }
    if predictions.probabilities is not None and predictions.probability is not None:
        values = predictions.probabilities[0].tolist()
        said["probability"] = float(predictions.probability[0])
        said["probabilities"] = dict(zip(variant.predictor.manifest.classes, values, strict=True))
    return {
        "endpoint": endpoint.spec.endpoint,
        "model": variant.spec.model,
        "model_version": variant.spec.model_version,
        "variant": variant.spec.name,
        "request_id": "01979e2b-5c00-7000-8000-000000000001",
        "predictions": [said],
    }


def _infer_example(operation: Json, summary: str, manifest: Manifest, example: Json) -> None:
    operation["summary"] = summary
    operation["parameters"] = _of_any_endpoint(operation)
    tensors = [
        tensor_of(feature, [example[feature.name]])
        for feature in manifest.fields
        if example.get(feature.name) is not None
    ]
    operation["requestBody"]["content"]["application/json"]["examples"] = {"one row": {"value": {"inputs": tensors}}}


def _of_any_endpoint(operation: Json) -> list[Json]:
    return [one for one in operation["parameters"] if one["in"] != "path"]


def _scoring_examples(example: Json) -> Json:
    return {
        "dataframe_split": {"value": {"dataframe_split": {"columns": list(example), "data": [list(example.values())]}}},
        "dataframe_records": {"value": {"dataframe_records": [example]}},
        "inputs": {"value": {"inputs": {name: [value] for name, value in example.items()}}},
    }
