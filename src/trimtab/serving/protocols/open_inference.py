"""The Open Inference Protocol v2 (JSON tensors), as KServe, Triton and MLServer speak it.

One input tensor a feature, by name, of shape [n] or [n, 1]. https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

import trimtab
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import Response, json_response
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.handler import Answer, Exchange, Handler, RowContext
from trimtab.serving.protocols.bodies import FieldValue, checked_keys, checked_source, decode, event_micros

__all__ = ["answer_infer", "model_metadata", "server_metadata"]

_NUMBERS: Final = frozenset(
    {"FP64", "FP32", "FP16", "INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"}
)
_MAX_TENSORS: Final = 10_000
Datum = FieldValue | list[FieldValue]


class RequestParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request says beside its tensors: our extension, within the standard's ``parameters``."""

    source: str | None = None
    event_time: str | int | None = None
    event_times: list[str | int] | None = None
    record_keys: list[str | int] | None = None
    sticky_keys: list[str | int] | None = None


class InputTensor(msgspec.Struct):
    """One feature of all rows."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Datum]


class WantedOutput(msgspec.Struct):
    """An output that the caller asks for."""

    name: str


class InferRequest(msgspec.Struct):
    """Rows as tensors. Unknown members are ignored, as the standard has extensions."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    outputs: list[WantedOutput] | None = None


_DECODER: Final = msgspec.json.Decoder(InferRequest)


def server_metadata() -> Response:
    """Answer ``GET /v2``."""
    return json_response({"name": "trimtab", "version": trimtab.__version__, "extensions": []})


def model_metadata(endpoint: LoadedEndpoint) -> Response:
    """Answer ``GET /v2/models/{name}``: tensors of the variant with the highest weight."""
    variant = max(endpoint.live, key=lambda candidate: candidate.spec.weight_pct)
    manifest = variant.predictor.manifest
    classes = len(manifest.classes)
    outputs: list[dict[str, Any]] = [
        {"name": "prediction", "datatype": "BYTES" if classes else "FP64", "shape": [-1]},
        {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
    ]
    if classes:
        outputs.append({"name": "probability", "datatype": "FP64", "shape": [-1]})
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, classes]})
    return json_response(
        {
            "name": endpoint.spec.endpoint,
            "versions": [str(live.spec.model_version) for live in endpoint.live],
            "platform": "trimtab_onnx",
            "inputs": [
                {"name": feature.name, "datatype": _datatype(feature), "shape": [-1]} for feature in manifest.features
            ],
            "outputs": outputs,
        }
    )


def answer_infer(handler: Handler, endpoint: LoadedEndpoint, body: bytes, exchange: Exchange) -> Response:
    """Answer ``POST /v2/models/{name}/infer``.

    Raises:
        ConfigError, BackendError: see `Handler.answer`.
    """
    request = decode(_DECODER, body)
    rows = _rows(request.inputs, endpoint.spec.max_rows)
    said = request.parameters
    times = said.event_times if said.event_time is None else [said.event_time] * len(rows)
    context = RowContext(
        record_keys=checked_keys(said.record_keys, "record_keys"),
        event_us=None if times is None else [event_micros(value, "event_time") for value in times],
        source=checked_source(said.source),
        sticky_keys=checked_keys(said.sticky_keys, "sticky_keys"),
    )
    wanted = None if not request.outputs else [output.name for output in request.outputs]
    _check_outputs(endpoint, wanted)
    answer = handler.answer(endpoint, rows, exchange, context)
    spec = answer.variant.spec
    tensors = {name: make(answer) for name, make in _OUTPUTS.items() if wanted is None or name in wanted}
    return json_response(
        {
            "model_name": endpoint.spec.endpoint,
            "model_version": str(spec.model_version),
            "id": request.id if request.id is not None else exchange.request_id,
            "parameters": {"variant": spec.name, "request_id": exchange.request_id},
            "outputs": [tensor for tensor in tensors.values() if tensor is not None],
        },
        headers=answer.variant.headers,
    )


def _datatype(feature: Feature) -> str:
    if feature.kind is ColumnKind.BOOLEAN:
        return "BOOL"
    return "FP64" if feature.kind.is_numeric else "BYTES"


def _rows(tensors: list[InputTensor], max_rows: int) -> list[dict[str, FieldValue]]:
    if not 1 <= len(tensors) <= _MAX_TENSORS:
        raise ConfigError(f"inputs: {len(tensors)} tensors, expected one a feature; send them")
    columns: dict[str, list[FieldValue]] = {}
    for tensor in tensors:
        if tensor.name in columns:
            raise ConfigError(f"inputs: tensor {tensor.name[:60]!r} stands there twice; keep one")
        columns[tensor.name] = _column(tensor, max_rows)
    names = list(columns)
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise ConfigError(
            f"inputs: tensors of {sorted(counts)[:5]} rows, expected the same count in all; make them equal"
        )
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(tensor: InputTensor, max_rows: int) -> list[FieldValue]:
    name, shape = tensor.name[:60], tensor.shape
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or not 0 <= shape[0] <= max_rows:
        raise ConfigError(f"input {name!r}: shape {shape[:5]}, expected [n] or [n, 1], n up to {max_rows}; correct it")
    values: list[FieldValue] = []
    for datum in tensor.data:
        if isinstance(datum, list):
            values.extend(datum)
        else:
            values.append(datum)
    if len(values) != shape[0]:
        raise ConfigError(f"input {name!r}: {len(values)} values for shape {shape[:5]}; make them equal")
    fits = _CHECKS.get(tensor.datatype)
    if fits is None:
        raise ConfigError(
            f"input {name!r}: datatype {tensor.datatype[:20]!r}, expected one of {sorted(_CHECKS)}; correct it"
        )
    for value in values:
        if value is not None and not fits(value):
            raise ConfigError(
                f"input {name!r}: holds a {type(value).__name__}, no {tensor.datatype}; correct data or datatype"
            )
    return values


def _is_number(value: FieldValue) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_bool(value: FieldValue) -> bool:
    return isinstance(value, bool)


def _is_text(value: FieldValue) -> bool:
    return isinstance(value, str)


_CHECKS: Final[dict[str, Callable[[FieldValue], bool]]] = {
    **dict.fromkeys(_NUMBERS, _is_number),
    "BOOL": _is_bool,
    "BYTES": _is_text,
}


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _prediction(answer: Answer) -> dict[str, Any]:
    values = answer.predictions
    return _tensor("prediction", "BYTES" if answer.classes else "FP64", [len(values)], values)


def _prediction_id(answer: Answer) -> dict[str, Any]:
    return _tensor("prediction_id", "BYTES", [len(answer.prediction_ids)], answer.prediction_ids)


def _probability(answer: Answer) -> dict[str, Any] | None:
    values = answer.probability
    return None if values is None else _tensor("probability", "FP64", [len(values)], values)


def _probabilities(answer: Answer) -> dict[str, Any] | None:
    values = answer.probabilities
    if values is None:
        return None
    flat = [value for row in values for value in row]
    return _tensor("probabilities", "FP64", [len(values), len(answer.classes)], flat)


_OUTPUTS: Final[dict[str, Callable[[Answer], dict[str, Any] | None]]] = {
    "prediction": _prediction,
    "prediction_id": _prediction_id,
    "probability": _probability,
    "probabilities": _probabilities,
}


def _check_outputs(endpoint: LoadedEndpoint, wanted: list[str] | None) -> None:
    for name in wanted or ():
        if name not in _OUTPUTS:
            raise ConfigError(
                f"outputs: {name[:60]!r}: endpoint {endpoint.spec.endpoint!r} has {list(_OUTPUTS)}; correct it"
            )
