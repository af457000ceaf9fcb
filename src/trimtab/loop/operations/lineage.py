"""Where an answer or a version comes from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.lineage.tracing import trace_prediction, trace_version
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import ModelRequest, Number

PredictionId = Annotated[
    str, Field(min_length=1, max_length=64, pattern=r"^[\w-]+$", description="The prediction_id that came with it.")
]


class OfVersion(ModelRequest):
    """Which version."""

    number: Number


class OfPrediction(Strict):
    """Which answer."""

    prediction_id: PredictionId


@operation("lineage.version", "GET", "/api/models/{model}/versions/{number}/lineage", Role.VIEWER, OfVersion)
def show_of_version(platform: Platform, _actor: Actor, request: OfVersion) -> JsonObject:
    """Follow a version back to its training, data, code and the people who agreed; what is missing is named."""
    platform.files(request.model)
    return trace_version(platform, request.model, request.number)


@operation("lineage.prediction", "GET", "/api/predictions/{prediction_id}/lineage", Role.VIEWER, OfPrediction)
def show_of_prediction(platform: Platform, _actor: Actor, request: OfPrediction) -> JsonObject:
    """Follow one answer back to the version that gave it, and to all that this came from."""
    return trace_prediction(platform, request.prediction_id)
