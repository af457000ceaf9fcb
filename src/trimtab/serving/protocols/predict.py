"""Plain JSON on ``/predict``: named fields in, class, probability and prediction id out."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import Response, json_response
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.exchange import NOTHING_SAID, Answer, Exchange, RowContext
from trimtab.serving.features.base import Why
from trimtab.serving.protocols.bodies import FieldValue, checked_keys, checked_source, decode, event_micros
from trimtab.serving.protocols.question import Question

__all__ = ["predict_response", "read_predict"]

Row = dict[str, FieldValue]


class PredictRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Several rows, with lists as long as they; or one row, with single values."""

    rows: list[Row] | None = None
    record_keys: list[str | int] | None = None
    event_times: list[str | int] | None = None
    sticky_keys: list[str | int] | None = None
    row: Row | None = None
    record_key: str | int | None = None
    event_time: str | int | None = None
    sticky_key: str | int | None = None
    source: str | None = None


class Prediction(msgspec.Struct):
    """One row's answer."""

    prediction_id: str
    prediction: Any
    probability: float | None
    probabilities: dict[str, float] | msgspec.UnsetType = msgspec.UNSET


class MissedFeature(msgspec.Struct):
    """A feature that its source had no value for, and in which rows that would have been needed."""

    name: str
    why: Why
    rows: list[int]


class PredictResponse(msgspec.Struct):
    """The answer to a request."""

    endpoint: str
    model: str
    model_version: int
    variant: str
    request_id: str
    predictions: list[Prediction]
    features: list[MissedFeature] | msgspec.UnsetType = msgspec.UNSET


_beside_row = attrgetter(*(name for name in PredictRequest.__struct_fields__ if name != "row"))
_NOTHING: Final = (None,) * (len(PredictRequest.__struct_fields__) - 1)
_DECODER: Final = msgspec.json.Decoder(PredictRequest)


def read_predict(endpoint: LoadedEndpoint, body: bytes) -> Question:
    """Return what ``body`` asks.

    Raises:
        ConfigError: it is not as it should be.
    """
    rows, context = _read(_decoded(endpoint, body))
    return Question(rows, predict_response, context)


def predict_response(answer: Answer, exchange: Exchange) -> Response:
    """Return ``answer`` as ``/predict`` gives it."""
    spec = answer.variant.spec
    response = PredictResponse(
        endpoint=answer.endpoint,
        model=spec.model,
        model_version=spec.model_version,
        variant=spec.name,
        request_id=exchange.request_id,
        predictions=_predictions(answer),
    )
    if exchange.missed:
        response.features = [MissedFeature(*one) for one in exchange.missed]
    return json_response(response, headers=answer.variant.headers)


def _decoded(endpoint: LoadedEndpoint, body: bytes) -> PredictRequest:
    try:
        return decode(_DECODER, body)
    except ConfigError:
        bare = _bare_row(endpoint, body)
        if bare is None:
            raise
    raise ConfigError(
        f'body: field {bare!r} stands outside of a row; expected {{"row": {{"{bare}": …}}}}, or a list of such in '
        '"rows"; put the fields into one'
    )


def _bare_row(endpoint: LoadedEndpoint, body: bytes) -> str | None:
    """Return a field of the model that stands where ``row`` or ``rows`` should; None if that is not what is wrong."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    first = content[0] if isinstance(content, list) and content else content
    return next((name for name in first if name in endpoint.field_names), None) if isinstance(first, dict) else None


def _read(request: PredictRequest) -> tuple[list[Row], RowContext]:
    if request.row is not None and _beside_row(request) == _NOTHING:
        return [request.row], NOTHING_SAID
    single = (request.record_key, request.event_time, request.sticky_key)
    several = (request.record_keys, request.event_times, request.sticky_keys)
    if (request.rows is None) == (request.row is None):
        raise ConfigError("body: expected either rows (a list) or row (one object); send one of them")
    if request.rows is not None:
        if any(value is not None for value in single):
            raise ConfigError("body: record_key, event_time and sticky_key go with row; with rows send lists")
        keys, times, sticky = several
        rows = request.rows
    else:
        if any(value is not None for value in several):
            raise ConfigError(
                "body: record_keys, event_times and sticky_keys go with rows; with row send single values"
            )
        rows = [] if request.row is None else [request.row]
        keys, times, sticky = (None if value is None else [value] for value in single)
    return rows, RowContext(
        record_keys=checked_keys(keys, "record_key"),
        event_us=None if times is None else [event_micros(value, "event_time") for value in times],
        source=checked_source(request.source),
        sticky_keys=checked_keys(sticky, "sticky_key"),
    )


def _predictions(answer: Answer) -> list[Prediction]:
    if answer.probability is None or answer.probabilities is None:
        return [
            Prediction(prediction_id, value, None)
            for prediction_id, value in zip(answer.prediction_ids, answer.predictions, strict=True)
        ]
    classes = answer.classes
    return [
        Prediction(prediction_id, value, probability, dict(zip(classes, probabilities, strict=True)))
        for prediction_id, value, probability, probabilities in zip(
            answer.prediction_ids, answer.predictions, answer.probability, answer.probabilities, strict=True
        )
    ]
