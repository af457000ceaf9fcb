"""``POST /invocations``: MLflow's scoring protocol, and SageMaker's, which share the path.

https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final, TypeVar

import msgspec

from trimtab.bundle.manifest import Feature
from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import JSON, Response, json_response
from trimtab.serving.endpoints import LoadedEndpoint, LoadedVariant
from trimtab.serving.exchange import Answer, Exchange
from trimtab.serving.protocols.bodies import FieldValue, decode
from trimtab.serving.protocols.csv_rows import check_columns, csv_line, csv_rows, named_rows
from trimtab.serving.protocols.invocation_headers import CSV, IMAGE, JSON_LINES, InvocationHeaders
from trimtab.serving.protocols.question import Question
from trimtab.serving.protocols.raw_images import image_row

__all__ = ["read_invocation"]

Cells = FieldValue | list[FieldValue]
Instance = dict[str, Cells] | list[FieldValue] | FieldValue
Row = dict[str, FieldValue]

_FEATURES: Final = "features"
_CONSTANTS: Final[dict[str, None]] = {"NaN": None}

MessageT = TypeVar("MessageT")


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """What pandas' ``to_dict(orient="split")`` gives; without columns, values are in the features' order."""

    data: list[list[FieldValue]]
    columns: list[str | int] | None = None
    index: list[Any] | None = None


class ScoringRequest(msgspec.Struct):
    """Rows in one of four forms. ``params`` and what else stands there are ignored, as MLflow does for such models."""

    dataframe_split: Split | None = None
    dataframe_records: list[Row] | None = None
    instances: list[Instance] | None = None
    inputs: dict[str, Cells] | list[Instance] | None = None


class Line(msgspec.Struct):
    """One row's answer, as a JSON line."""

    prediction: Any
    probability: float | None
    prediction_id: str


_SCORING: Final = msgspec.json.Decoder(ScoringRequest)
_INSTANCE: Final[msgspec.json.Decoder[Instance]] = msgspec.json.Decoder(Instance)
_LINES: Final = msgspec.json.Encoder()


def read_invocation(endpoint: LoadedEndpoint, body: bytes, *, said: InvocationHeaders) -> Question:
    """Return what ``body`` asks; it is answered by ``{"predictions": [...]}``, or a line a row.

    Values without names are in the order of the features of the variant that was asked for, else of the one of highest
    weight.

    Raises:
        ConfigError: it is not as it should be; or no live variant has the name that was asked for.
    """
    asked = None if said.variant is None else _variant(endpoint, said.variant)
    features = endpoint.fields_of(asked or endpoint.heaviest)
    most = endpoint.spec.max_rows
    rows: Sequence[Mapping[str, FieldValue | bytes]]
    if said.comes == IMAGE:
        rows = [image_row(endpoint, body)]
    elif said.comes == CSV:
        rows = csv_rows(body, features, most, has_header=said.has_header)
    elif said.comes == JSON_LINES:
        rows = _rows(_lines(body, most), features, most, "line")
    else:
        rows = _scored(_decoded(_SCORING, body), features, most)
    return Question(rows, partial(_response, said), asked=asked)


def _variant(endpoint: LoadedEndpoint, name: str) -> LoadedVariant:
    for variant in endpoint.live:
        if variant.spec.name == name:
            return variant
    known = ", ".join(variant.spec.name for variant in endpoint.live)
    raise ConfigError(
        f"variant {name[:60]!r}: not live on endpoint {endpoint.spec.endpoint!r}, which has {known}; correct the header"
    )


def _decoded(decoder: msgspec.json.Decoder[MessageT], body: bytes) -> MessageT:
    try:
        return decode(decoder, body)
    except ConfigError:
        if b"NaN" not in body:
            raise
        # Python's writers, MLflow's own client among them, send a missing number as NaN, for which JSON has no word.
        try:
            plain = json.dumps(json.loads(body, parse_constant=_CONSTANTS.__getitem__), allow_nan=False)
        except (ValueError, KeyError, RecursionError):
            plain = None
        if plain is None:
            raise
    return decode(decoder, plain.encode())


def _scored(request: ScoringRequest, features: Sequence[Feature], most: int) -> list[Row]:
    split, records, instances, inputs = forms = (
        request.dataframe_split,
        request.dataframe_records,
        request.instances,
        request.inputs,
    )
    if sum(form is not None for form in forms) != 1:
        raise ConfigError("body: expected one of dataframe_split, dataframe_records, instances and inputs; send one")
    if split is not None:
        _check_count(len(split.data), most)
        return named_rows(split.data, _columns(split.columns, features), features)
    if records is not None:
        return records
    if isinstance(inputs, dict):
        check_columns(inputs, features)
        return _transposed(inputs, most)
    return _rows(instances or inputs or [], features, most, "row")


def _columns(columns: list[str | int] | None, features: Sequence[Feature]) -> list[str]:
    names = [feature.name for feature in features]
    if columns is None:
        return names
    texts = [str(name) for name in columns]
    # pandas counts columns that nobody named.
    return names if columns == list(range(len(names))) and not set(texts) & set(names) else texts


def _transposed(columns: dict[str, Cells], most: int) -> list[Row]:
    lists = {name: cells for name, cells in columns.items() if isinstance(cells, list)}
    if not lists:
        return [{name: cells for name, cells in columns.items() if not isinstance(cells, list)}]
    if len(lists) != len(columns):
        single = next(name for name in columns if name not in lists)
        raise ConfigError(f"inputs: column {single[:60]!r} is a single value, others are lists; make all the same")
    counts = {name: len(cells) for name, cells in lists.items()}
    if len(set(counts.values())) != 1:
        (first, expected), *others = counts.items()
        name, count = next(pair for pair in others if pair[1] != expected)
        raise ConfigError(
            f"inputs: column {name[:60]!r} has {count} values, {first[:60]!r} has {expected}; make them equal"
        )
    _check_count(max(counts.values()), most)
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def _rows(instances: Sequence[Instance], features: Sequence[Feature], most: int, unit: str) -> list[Row]:
    _check_count(len(instances), most)
    names = [feature.name for feature in features]
    return [_row(instance, names, f"{unit} {at}") for at, instance in enumerate(instances)]


def _row(instance: Instance, names: list[str], where: str) -> Row:
    if isinstance(instance, dict):
        # SageMaker's own algorithms take {"features": [...]}.
        dense = instance.get(_FEATURES) if len(instance) == 1 else None
        if not isinstance(dense, list):
            return {name: _single(cells, name, where) for name, cells in instance.items()}
        instance = dense
    values = instance if isinstance(instance, list) else [instance]
    if len(values) != len(names):
        listed = ", ".join(names)[:180]
        raise ConfigError(f"{where}: {len(values)} values, expected {len(names)} ({listed}); send them, or an object")
    return dict(zip(names, values, strict=True))


def _single(cells: Cells, name: str, where: str) -> FieldValue:
    if isinstance(cells, list):
        raise ConfigError(f"{where}: field {name[:60]!r} is a list; expected one value; correct it")
    return cells


def _lines(body: bytes, most: int) -> list[Instance]:
    instances: list[Instance] = []
    for at, line in enumerate(io.BytesIO(body)):
        if line.isspace():
            continue
        try:
            instances.append(_decoded(_INSTANCE, line))
        except ConfigError as error:
            raise ConfigError(f"line {at}: {error}") from None
        _check_count(len(instances), most)
    return instances


def _check_count(count: int, most: int) -> None:
    if count > most:
        raise ConfigError(f"rows: {count}, expected 1 to {most} a request; split them")


def _response(said: InvocationHeaders, answer: Answer, _: Exchange) -> Response:
    wanted, headers = said.wanted, (*answer.variant.headers, *said.echoed)
    if wanted == JSON:
        return json_response({"predictions": answer.predictions}, headers=headers)
    if wanted == CSV:
        text = "".join(map(csv_line, answer.predictions))
        return Response(200, text.encode(), headers, b"text/csv; charset=utf-8")
    probability = repeat(None) if answer.probability is None else answer.probability
    lines = map(Line, answer.predictions, probability, answer.prediction_ids)
    return Response(200, _LINES.encode_lines(lines), headers, JSON_LINES)
