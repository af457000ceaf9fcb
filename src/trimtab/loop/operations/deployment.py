"""Deployment: start a rollout, follow it, hold or end it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, VariantRole
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.paging import Place
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.releases import start_rollout
from trimtab.loop.requests import Id, ModelRequest, Number, OfModel, Paged, Reason
from trimtab.loop.rollouts import operate_rollout
from trimtab.loop.standing import example_row
from trimtab.loop.version_agreement import agreed_to
from trimtab.registry import store as registry
from trimtab.registry.versions import VersionState
from trimtab.remediation.kinds import ActionKind
from trimtab.rollout import endpoint_store, store
from trimtab.rollout.analysis_store import Look, newest_look
from trimtab.rollout.machine import Operation
from trimtab.rollout.store import Rollout
from trimtab.serving.spec import EndpointSpec


class Deploy(ModelRequest):
    """Which version; without a number the newest approved one."""

    number: Number | None = Field(default=None, description="The version; null: the newest approved one.")


class OneRollout(Strict):
    """Which rollout."""

    rollout_id: Id


class OperateRollout(OneRollout):
    """What is to be done with a rollout, and why."""

    operation: Operation = Field(description="What to do.")
    reason: Reason = Field(min_length=1)


EndpointName = Annotated[str, Field(max_length=128, description="The endpoint's name.")]


class NamedEndpoint(Strict):
    """Which endpoint."""

    endpoint: EndpointName


class OneEndpoint(Paged):
    """Which endpoint."""

    endpoint: EndpointName


@operation("rollouts.start", "POST", "/api/models/{model}/deploy", Role.APPROVER, Deploy)
def deploy(platform: Platform, actor: Actor, request: Deploy) -> JsonObject:
    """Roll an approved version out: staging, smoke test, then by the model's strategy into production.

    Where another person could agree, and none has agreed to the version either, it waits for one.
    """
    files = platform.files(request.model)
    with platform.database.transaction() as connection:
        number = request.number
        if number is None:
            newest = registry.latest(connection, request.model, state=VersionState.APPROVED)
            if newest is None:
                raise NotFoundError(
                    f"model {request.model!r}: has no approved version; see 'trimtab versions list {request.model}'"
                )
            number = newest.number
        version = registry.get(connection, request.model, number)
        approval, agreed = agreed_to(connection, platform, version)
        wish = Wish(
            ActionKind.DEPLOY,
            request.model,
            purpose=f"serve version {number} of {request.model}",
            params={"number": number, "reason": "", "agreed_with": None if approval is None else approval.id},
            about=str(number),
            agreed=agreed,
        )
        asked = ask(connection, platform, actor, wish)
        if asked.request is None:
            # It is under way: this says how far.
            start_rollout(connection, platform, files, number, by=actor.name)
            raise ConflictError(f"{version.subject}: its rollout has just ended; look again, and deploy it anew")
        told = waiting_told(connection, asked)
        active = store.active_rollout(connection, files.endpoint)
    platform.wake.set()
    if asked.waits or active is None:
        described = {"rollout_id": None, "endpoint": files.endpoint, "model": request.model, "candidate": number}
        return {**described, "phase": asked.request.state.value, "active": False, **told}
    return {**_described(active), **told}


@operation("rollouts.show", "GET", "/api/rollouts/{rollout_id}", Role.VIEWER, OneRollout)
def show_rollout(platform: Platform, _actor: Actor, request: OneRollout) -> JsonObject:
    """Say where a rollout stands, and why."""
    with platform.database.reading() as connection:
        rollout = store.load_rollout(connection, request.rollout_id)
        newest = newest_look(connection, rollout.id)
    return {**_described(rollout), "log": list(rollout.log), "last": rollout.last, "newest": _told_look(newest)}


@operation("rollouts.list", "GET", "/api/rollouts", Role.VIEWER, OfModel)
def list_rollouts(platform: Platform, _actor: Actor, request: OfModel) -> JsonObject:
    """List the newest rollouts, newest first."""
    with platform.database.reading() as connection:
        found = store.list_rollouts(connection, model=request.model, after=request.place, limit=request.one_more)
    shown, further = request.page(found, lambda rollout: Place(rollout.started_us, rollout.id))
    return {"rollouts": [_described(rollout) for rollout in shown], "next": further}


@operation("rollouts.operate", "POST", "/api/rollouts/{rollout_id}/operations", Role.APPROVER, OperateRollout)
def operate(platform: Platform, actor: Actor, request: OperateRollout) -> JsonObject:
    """Pause, resume, promote or abort a rollout."""
    with platform.database.transaction() as connection:
        rollout = store.load_rollout(connection, request.rollout_id)
        after = operate_rollout(connection, platform, rollout, request.operation, by=actor.name, reason=request.reason)
    platform.wake.set()
    return _described(after)


@operation("endpoints.example", "GET", "/api/endpoints/{endpoint}/example", Role.VIEWER, NamedEndpoint)
def show_example(platform: Platform, _actor: Actor, request: NamedEndpoint) -> JsonObject:
    """Return a row that an endpoint can answer, of values that its version learnt from."""
    with platform.database.reading() as connection:
        spec = endpoint_store.desired(connection, request.endpoint)
        model = endpoint_store.model_of(connection, request.endpoint)
        if spec is None or model is None or not spec.live:
            raise NotFoundError(f"endpoint {request.endpoint!r}: serves nothing; see 'trimtab status'")
        number = max(spec.live, key=lambda variant: variant.weight_pct).model_version
        version = registry.get(connection, model, number)
    return {"endpoint": request.endpoint, "version": number, "row": example_row(version)}


def _told_look(look: Look | None) -> JsonObject | None:
    """Return what was last seen: of one that is held, evidence goes on coming in beside the decision that held it."""
    if look is None:
        return None
    return {
        "at_us": look.at_us,
        "verdict": None if look.verdict is None else look.verdict.value,
        "requests": look.content["requests"],
        "evidence": look.content["evidence"],
    }


def weights_of(spec: EndpointSpec) -> dict[str, str]:
    """Return the share of each variant, as text with its percent sign; of a shadow that of the requests it gets."""
    roles = {VariantRole.LIVE: "", VariantRole.SHADOW: " (shadow)"}
    return {each.name: f"{each.weight_pct.normalize():f} %{roles[each.role]}" for each in spec.variants}


def _described(rollout: Rollout) -> JsonObject:
    return {
        "rollout_id": rollout.id,
        "endpoint": rollout.spec.endpoint,
        "model": rollout.spec.model,
        "candidate": rollout.spec.candidate.number,
        "stable": None if rollout.spec.stable is None else rollout.spec.stable.number,
        "phase": rollout.state.phase.value,
        "weight_pct": str(rollout.state.weight_pct),
        "active": not rollout.state.phase.is_final,
        "strategy": rollout.spec.strategy.type,
        "promotable": rollout.state.is_promotable,
        "started_us": rollout.started_us,
        "finished_us": rollout.finished_us,
        "reason": rollout.reason,
    }
