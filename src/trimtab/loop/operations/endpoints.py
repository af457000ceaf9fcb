"""What serves, operated by a person: paused, resumed, scaled, its caches emptied; each through the gate."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.engine import Connection
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Asked, Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.operations.deployment import NamedEndpoint
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Reason
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store


class OperateEndpoint(NamedEndpoint):
    """Which endpoint, and why."""

    reason: Reason = Field(min_length=1)


class PauseEndpoint(OperateEndpoint):
    """Which endpoint, why, and when callers should ask again."""

    retry_after_s: int = Field(default=60, ge=1, le=86_400, description="Seconds that callers are told to wait.")


class ScaleEndpoint(OperateEndpoint):
    """Which endpoint, why, and to how many workers."""

    workers: int | None = Field(
        ge=1, le=256, description="Workers that it has at least; null: as many as autoscaling says."
    )


@operation("endpoints.pause", "POST", "/api/endpoints/{endpoint}/pause", Role.OPERATOR, PauseEndpoint)
def pause(platform: Platform, actor: Actor, request: PauseEndpoint) -> JsonObject:
    """Have an endpoint refuse all requests (503) until it is resumed; nothing is recorded meanwhile."""
    purpose = f"let {request.endpoint} answer nobody until it is resumed"
    params = {"reason": request.reason, "retry_after_s": request.retry_after_s}
    return _asked(platform, actor, request.endpoint, ActionKind.PAUSE_ENDPOINT, purpose, params)


@operation("endpoints.resume", "POST", "/api/endpoints/{endpoint}/resume", Role.OPERATOR, OperateEndpoint)
def resume(platform: Platform, actor: Actor, request: OperateEndpoint) -> JsonObject:
    """Have a paused endpoint answer again."""
    purpose = f"let {request.endpoint} answer again"
    params = {"reason": request.reason}
    return _asked(platform, actor, request.endpoint, ActionKind.RESUME_ENDPOINT, purpose, params)


@operation("endpoints.scale", "POST", "/api/endpoints/{endpoint}/scale", Role.OPERATOR, ScaleEndpoint)
def scale(platform: Platform, actor: Actor, request: ScaleEndpoint) -> JsonObject:
    """Have an endpoint answered by so many workers at least, whatever its autoscaling says."""
    wanted = "as many workers as autoscaling says" if request.workers is None else f"{request.workers} workers at least"
    params: JsonObject = {"reason": request.reason, "workers": request.workers}
    purpose = f"have {request.endpoint} answered by {wanted}"
    return _asked(platform, actor, request.endpoint, ActionKind.SCALE, purpose, params)


@operation("endpoints.clear_cache", "POST", "/api/endpoints/{endpoint}/cache", Role.OPERATOR, OperateEndpoint)
def clear_cache(platform: Platform, actor: Actor, request: OperateEndpoint) -> JsonObject:
    """Have every worker of an endpoint forget the features that it has read."""
    purpose = f"have {request.endpoint} read its features anew"
    params = {"reason": request.reason}
    return _asked(platform, actor, request.endpoint, ActionKind.CLEAR_CACHE, purpose, params)


def _asked(
    platform: Platform, actor: Actor, endpoint: str, kind: ActionKind, purpose: str, params: JsonObject
) -> JsonObject:
    with platform.database.transaction() as connection:
        model = _model_of(connection, platform, endpoint)
        asked = ask(connection, platform, actor, Wish(kind, model, purpose, params))
        told = waiting_told(connection, asked)
    platform.wake.set()
    return {"endpoint": endpoint, "model": model, "state": _state(asked), **told}


def _state(asked: Asked) -> str:
    return "running" if asked.request is None else asked.request.state.value


def _model_of(connection: Connection, platform: Platform, endpoint: str) -> str:
    model = endpoint_store.model_of(connection, endpoint)
    if model is None or platform.files(model).endpoint != endpoint:
        raise NotFoundError(f"endpoint {endpoint!r}: no production endpoint of a model; see 'trimtab status'")
    return model
