"""The Open Inference Protocol v2, as KServe, Triton and MLServer speak it, with its binary tensor extension.

One input tensor a feature, by name, of shape [n] or [n, 1]. https://github.com/kserve/open-inference-protocol
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

import trimtab
from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import Response, json_response
from trimtab.serving.endpoints import LoadedEndpoint, LoadedVariant
from trimtab.serving.exchange import Answer, Exchange, RowContext
from trimtab.serving.protocols.bodies import FieldValue, checked_keys, checked_source, decode, event_micros
from trimtab.serving.protocols.infer_outputs import check_outputs, infer_response, output_metadata, output_tensors
from trimtab.serving.protocols.json_tensors import check_values
from trimtab.serving.protocols.question import Question
from trimtab.serving.protocols.tensors import TensorBytes, split_body

__all__ = ["model_metadata", "model_ready", "read_infer", "server_metadata", "tensor_of"]

Datum = FieldValue | list[FieldValue]


class RequestParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a request says beside its tensors; all but ``binary_data_output`` and the two hints are our extension.

    ``priority`` and ``timeout`` are hints to a scheduler, which a server that answers at once has no use for.
    """

    source: str | None = None
    event_time: str | int | None = None
    event_times: list[str | int] | None = None
    record_keys: list[str | int] | None = None
    sticky_keys: list[str | int] | None = None
    binary_data_output: bool = False
    priority: int | None = None
    timeout: int | None = None


class InputParameters(msgspec.Struct, frozen=True):
    """``binary_data_size``: the tensor's bytes stand behind the JSON, and are so many."""

    binary_data_size: int | None = None


class InputTensor(msgspec.Struct):
    """One feature of all rows: its values in ``data``, or as bytes."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Datum] | None = None
    parameters: InputParameters = InputParameters()


class OutputParameters(msgspec.Struct, frozen=True):
    """How an output is sent. ``classification`` and ``shared_memory_region`` are known so as to be refused."""

    binary_data: bool | None = None
    classification: int = 0
    shared_memory_region: str | None = None


class WantedOutput(msgspec.Struct):
    """An output that the caller asks for."""

    name: str
    parameters: OutputParameters = OutputParameters()


class InferRequest(msgspec.Struct):
    """Rows as tensors. Unknown members are ignored, as the standard has extensions."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: RequestParameters = RequestParameters()
    outputs: list[WantedOutput] | None = None


_DECODER: Final = msgspec.json.Decoder(InferRequest)


def server_metadata() -> Response:
    """Answer ``GET /v2``."""
    return json_response({"name": "trimtab", "version": trimtab.__version__, "extensions": ["binary_tensor_data"]})


def model_metadata(endpoint: LoadedEndpoint, version: str | None = None) -> Response:
    """Answer ``GET /v2/models/{name}``, and of a version: tensors of its variant, else of the one of highest weight.

    Raises:
        NotFoundError: there is no such version.
    """
    variant = _asked(endpoint, version)
    return json_response(
        {
            "name": endpoint.spec.endpoint,
            "versions": list(endpoint.versions),
            "platform": "trimtab_onnx",
            "inputs": [
                {"name": feature.name, "datatype": _datatype(feature), "shape": [-1]}
                for feature in endpoint.fields_of(variant)
            ],
            "outputs": output_metadata(variant.predictor.manifest),
        }
    )


def model_ready(endpoint: LoadedEndpoint, version: str | None = None) -> Response:
    """Answer ``GET /v2/models/{name}/ready``, and of a version: what is in the table is loaded.

    Raises:
        NotFoundError: there is no such version.
    """
    _asked(endpoint, version)
    return json_response({"name": endpoint.spec.endpoint, "ready": True})


def read_infer(
    endpoint: LoadedEndpoint, body: bytes, *, version: str | None = None, header_bytes: bytes | None = None
) -> Question:
    """Return what a ``POST /v2/models/{name}/infer`` asks; of the variant of ``version``, where one is named.

    Raises:
        ConfigError: it is not as it should be.
        NotFoundError: there is no such version.
    """
    asked = None if version is None else endpoint.of_version(version)
    content, tensor_bytes = split_body(body, header_bytes)
    request = decode(_DECODER, content)
    said = request.parameters
    wanted = _wanted(request, request.outputs, endpoint, asked or endpoint.heaviest) if request.outputs else None
    rows = _rows(request.inputs, endpoint, tensor_bytes)
    times = said.event_times if said.event_time is None else [said.event_time] * len(rows)
    context = RowContext(
        record_keys=checked_keys(said.record_keys, "record_keys"),
        event_us=None if times is None else [event_micros(value, "event_time") for value in times],
        source=checked_source(said.source),
        sticky_keys=checked_keys(said.sticky_keys, "sticky_keys"),
    )
    return Question(rows, partial(_response, request, wanted), context, asked)


def _response(request: InferRequest, wanted: dict[str, bool] | None, answer: Answer, exchange: Exchange) -> Response:
    spec = answer.variant.spec
    head = {
        "model_name": answer.endpoint,
        "model_version": str(spec.model_version),
        "id": request.id if request.id is not None else exchange.request_id,
        "parameters": {"variant": spec.name, "request_id": exchange.request_id},
    }
    return infer_response(
        head,
        output_tensors(answer, wanted),
        wanted=wanted,
        binary=request.parameters.binary_data_output,
        headers=answer.variant.headers,
    )


def tensor_of(feature: Feature, values: list[FieldValue]) -> dict[str, object]:
    """Return the input tensor, as JSON, that says ``values`` of ``feature``."""
    return {"name": feature.name, "shape": [len(values)], "datatype": _datatype(feature), "data": values}


def _asked(endpoint: LoadedEndpoint, version: str | None) -> LoadedVariant:
    return endpoint.heaviest if version is None else endpoint.of_version(version)


def _datatype(feature: Feature) -> str:
    if feature.kind is ColumnKind.BOOLEAN:
        return "BOOL"
    # A datetime is text: ISO 8601 or the feature's format. Numbers are taken too, but whether as s or ms differs.
    return "FP64" if feature.kind.is_numeric else "BYTES"


def _wanted(
    request: InferRequest, outputs: list[WantedOutput], endpoint: LoadedEndpoint, variant: LoadedVariant
) -> dict[str, bool]:
    """Return which outputs are asked for, and whether as bytes."""
    wanted: dict[str, bool] = {}
    for output in outputs:
        said = output.parameters
        if said.classification or said.shared_memory_region is not None:
            raise ConfigError(
                f"outputs: {output.name[:60]!r} is asked for by classification or shared memory, which this server "
                "has not; ask for its data"
            )
        wanted[output.name] = request.parameters.binary_data_output if said.binary_data is None else said.binary_data
    check_outputs(wanted, variant.predictor.manifest, endpoint.spec.endpoint)
    return wanted


def _rows(
    tensors: list[InputTensor], endpoint: LoadedEndpoint, tensor_bytes: TensorBytes
) -> list[dict[str, FieldValue | bytes]]:
    if not tensors:
        raise ConfigError("inputs: 0 tensors, expected one a feature; send them")
    columns: dict[str, list[FieldValue | bytes]] = {}
    for tensor in tensors:
        if tensor.name in columns:
            raise ConfigError(f"inputs: tensor {tensor.name[:60]!r} stands there twice; keep one")
        # Before its values are read: what a request may take is bounded by what the model has.
        if tensor.name not in endpoint.field_names:
            known = ", ".join(sorted(endpoint.field_names))[:200]
            raise ConfigError(f"input {tensor.name[:60]!r} is unknown; expected only {known}; remove it")
        columns[tensor.name] = _column(tensor, endpoint, tensor_bytes)
    tensor_bytes.finish()
    names = list(columns)
    counts = {len(column) for column in columns.values()}
    if len(counts) != 1:
        raise ConfigError(
            f"inputs: tensors of {sorted(counts)[:5]} rows, expected the same count in all; make them equal"
        )
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _column(tensor: InputTensor, endpoint: LoadedEndpoint, tensor_bytes: TensorBytes) -> list[FieldValue | bytes]:
    max_rows = endpoint.spec.max_rows
    shape, data, size_bytes = tensor.shape, tensor.data, tensor.parameters.binary_data_size
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or not 0 <= shape[0] <= max_rows:
        raise ConfigError(
            f"{_field(tensor)}: shape {str(shape[:5])[:80]}, expected [n] or [n, 1], n up to {max_rows}; correct it"
        )
    if data is not None and size_bytes is None:
        return [*_from_json(tensor, data)]
    if data is None and size_bytes is not None:
        return tensor_bytes.read(size_bytes, tensor.datatype, shape[0], _field(tensor), raw=endpoint.takes_images)
    raise ConfigError(
        f"{_field(tensor)}: expected either data, or binary_data_size and bytes behind the JSON; send one of them"
    )


def _from_json(tensor: InputTensor, data: list[Datum]) -> list[FieldValue]:
    values: list[FieldValue] = []
    for datum in data:
        if isinstance(datum, list):
            values.extend(datum)
        else:
            values.append(datum)
    if len(values) != tensor.shape[0]:
        raise ConfigError(f"{_field(tensor)}: {len(values)} values for shape {tensor.shape}; make them equal")
    check_values(values, tensor.datatype, _field(tensor))
    return values


def _field(tensor: InputTensor) -> str:
    return f"input {tensor.name[:60]!r}"
