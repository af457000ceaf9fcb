"""What a model answers as tensors of the Open Inference Protocol: their description, as JSON, and as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from trimtab.bundle.manifest import Manifest
from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import Headers, Response, json_response
from trimtab.serving.exchange import Answer
from trimtab.serving.protocols.tensors import encode_tensor

__all__ = ["check_outputs", "infer_response", "output_metadata", "output_tensors"]

Tensor = dict[str, Any]

_OCTETS: Final = b"application/octet-stream"


def output_metadata(manifest: Manifest) -> list[Tensor]:
    """Return name, datatype and shape of each tensor that the model answers."""
    classes = len(manifest.classes)
    outputs: list[Tensor] = [
        {"name": "prediction", "datatype": "BYTES" if classes else "FP64", "shape": [-1]},
        {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
    ]
    if classes:
        outputs.append({"name": "probability", "datatype": "FP64", "shape": [-1]})
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": [-1, classes]})
    return outputs


def check_outputs(wanted: Mapping[str, bool], manifest: Manifest, endpoint: str) -> None:
    """Make sure that the model answers what is ``wanted``.

    Raises:
        ConfigError: it has no such tensor.
    """
    known = [tensor["name"] for tensor in output_metadata(manifest)]
    for name in wanted:
        if name not in known:
            raise ConfigError(f"outputs: {name[:60]!r}: endpoint {endpoint!r} has {known}; correct it")


def output_tensors(answer: Answer, wanted: Mapping[str, bool] | None) -> list[Tensor]:
    """Return the tensors of ``answer`` with their data, flat; only the ``wanted`` ones, unless that is None."""
    made = [make(answer) for name, make in _MAKERS.items() if wanted is None or name in wanted]
    return [tensor for tensor in made if tensor is not None]


def infer_response(
    head: Tensor, tensors: list[Tensor], *, wanted: Mapping[str, bool] | None, binary: bool, headers: Headers
) -> Response:
    """Return ``head``, completed by the tensors, as a response.

    Those go as bytes that ``wanted`` says so of; where that is None, all of them or none, by ``binary``.
    """
    head["outputs"] = tensors
    if wanted is None and not binary:
        return json_response(head, headers=headers)
    chunks: list[bytes] = []
    for tensor in tensors:
        if binary if wanted is None else wanted[tensor["name"]]:
            chunks.append(encode_tensor(tensor.pop("data"), tensor["datatype"]))
            tensor["parameters"] = {"binary_data_size": len(chunks[-1])}
    response = json_response(head, headers=headers)
    if not chunks:
        return response
    length = (b"inference-header-content-length", str(len(response.body)).encode())
    return Response(200, b"".join((response.body, *chunks)), (length, *headers), _OCTETS)


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> Tensor:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _prediction(answer: Answer) -> Tensor:
    values = answer.predictions
    return _tensor("prediction", "BYTES" if answer.classes else "FP64", [len(values)], values)


def _prediction_id(answer: Answer) -> Tensor:
    return _tensor("prediction_id", "BYTES", [len(answer.prediction_ids)], answer.prediction_ids)


def _probability(answer: Answer) -> Tensor | None:
    values = answer.probability
    return None if values is None else _tensor("probability", "FP64", [len(values)], values)


def _probabilities(answer: Answer) -> Tensor | None:
    values = answer.probabilities
    if values is None:
        return None
    flat = [value for row in values for value in row]
    return _tensor("probabilities", "FP64", [len(values), len(answer.classes)], flat)


_MAKERS: Final[dict[str, Callable[[Answer], Tensor | None]]] = {
    "prediction": _prediction,
    "prediction_id": _prediction_id,
    "probability": _probability,
    "probabilities": _probabilities,
}
