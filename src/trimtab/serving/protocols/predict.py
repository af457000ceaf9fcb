"""Plain JSON on ``/predict``: named fields in, class, probability and prediction id out."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.serving.asgi import Response, json_response
from trimtab.serving.endpoints import LoadedEndpoint
from trimtab.serving.handler import Answer, Exchange, Handler, RowContext
from trimtab.serving.protocols.bodies import FieldValue, checked_keys, checked_source, decode, event_micros

__all__ = ["answer_predict"]

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


class PredictResponse(msgspec.Struct):
    """The answer to a request."""

    endpoint: str
    model: str
    model_version: int
    variant: str
    request_id: str
    predictions: list[Prediction]


_DECODER: Final = msgspec.json.Decoder(PredictRequest)


def answer_predict(handler: Handler, endpoint: LoadedEndpoint, body: bytes, exchange: Exchange) -> Response:
    """Answer the rows in ``body``.

    Raises:
        ConfigError, BackendError: see `Handler.answer`.
    """
    rows, context = _read(decode(_DECODER, body))
    answer = handler.answer(endpoint, rows, exchange, context)
    spec = answer.variant.spec
    return json_response(
        PredictResponse(
            endpoint=answer.endpoint,
            model=spec.model,
            model_version=spec.model_version,
            variant=spec.name,
            request_id=exchange.request_id,
            predictions=_predictions(answer),
        ),
        headers=answer.variant.headers,
    )


def _read(request: PredictRequest) -> tuple[list[Row], RowContext]:
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
