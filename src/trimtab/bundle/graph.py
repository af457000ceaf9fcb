"""What an ONNX file must not hold before ONNX Runtime may see it: foreign operators, functions, bytes outside the file.

Read straight from the protobuf wire format, since the inference server has no ``onnx`` package.
"""

from __future__ import annotations

from collections.abc import Iterator

from trimtab.core.errors import ArtifactUntrustedError

__all__ = ["check_graph"]

_ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_OPSETS, _MODEL_TRAINING, _MODEL_FUNCTIONS = 7, 8, 20, 25
_OPSET_DOMAIN = 1
_TENSOR_EXTERNAL, _TENSOR_LOCATION = 13, 14
_NESTED = {
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
_MAX_DEPTH = 32
_SEARCHED_BYTES = 1 << 20


def check_graph(model: bytes) -> None:
    """Refuse a model that names operators of others, carries functions or training graphs, or points to other files.

    Raises:
        ArtifactUntrustedError: it does, or the bytes are no protobuf.
    """
    try:
        graph = _check_head(model)
        # The key that every reference to another file carries; without it there is nothing to look for.
        if graph is not None and _mentions(model, b"location"):
            _check_tensors(graph, "graph", 0)
    except (IndexError, UnicodeDecodeError) as error:
        raise ArtifactUntrustedError("model.onnx: no ONNX file (it breaks off); export it again") from error


def _mentions(model: bytes, key: bytes) -> bool:
    # In one search of a large file no other thread, such as one that answers requests, could go on.
    return any(
        model.find(key, begin, begin + _SEARCHED_BYTES + len(key)) >= 0
        for begin in range(0, len(model), _SEARCHED_BYTES)
    )


def _check_head(model: bytes) -> memoryview | None:
    graph = None
    for field, value in _fields(memoryview(model)):
        if field in {_MODEL_FUNCTIONS, _MODEL_TRAINING}:
            raise ArtifactUntrustedError("model.onnx: holds functions or training graphs; export plain operators only")
        if field == _MODEL_OPSETS and isinstance(value, memoryview):
            names = [bytes(v).decode() for f, v in _fields(value) if f == _OPSET_DOMAIN and isinstance(v, memoryview)]
            domain = names[-1] if names else ""
            if domain not in _ALLOWED_DOMAINS:
                raise ArtifactUntrustedError(
                    f"model.onnx: uses operators of domain {domain[:60]!r}; expected ai.onnx and ai.onnx.ml only; "
                    "export without custom operators"
                )
        if field == _MODEL_GRAPH and isinstance(value, memoryview):
            if graph is not None:
                raise ArtifactUntrustedError("model.onnx: holds its graph twice; export it again")
            graph = value
    if graph is None:
        raise ArtifactUntrustedError("model.onnx: holds no graph; export it again")
    return graph


def _check_tensors(message: memoryview, kind: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ArtifactUntrustedError(f"model.onnx: graphs nested deeper than {_MAX_DEPTH}; export a flat graph")
    nested = _NESTED[kind]
    for field, value in _fields(message):
        if kind == "tensor" and (field == _TENSOR_EXTERNAL or (field == _TENSOR_LOCATION and value != 0)):
            raise ArtifactUntrustedError("model.onnx: keeps tensors in other files; export them into the model")
        if field in nested and isinstance(value, memoryview):
            _check_tensors(value, nested[field], depth + 1)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield field number and value: an int for varints, a view for bytes; fixed-size values as views.

    Raises:
        IndexError: the message breaks off.
        ArtifactUntrustedError: a wire type that protobuf no longer has.
    """
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(message, at)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
        else:
            raise ArtifactUntrustedError("model.onnx: no ONNX file (unknown wire type); export it again")
        if at + size > end:
            raise IndexError(at)
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError(at)
