"""Labelling campaigns: which rows people should label. Who labels them, and where, is another matter."""

from __future__ import annotations

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.paging import Place
from trimtab.lake.campaigns import read_campaign
from trimtab.loop.actor import Actor
from trimtab.loop.asking import Wish, ask, waiting_told
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Id, ModelRequest, OfModel, Reason, Text
from trimtab.remediation.action_store import list_actions, load_action
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind


class OpenCampaign(ModelRequest):
    """Of which model, how many rows, and why."""

    rows: int = Field(default=200, ge=1, le=10_000, description="How many rows at most.")
    where: dict[Text, Text] = Field(
        default_factory=dict, max_length=20, description="Only rows of these feature values."
    )
    reason: Reason = Field(min_length=1)


class OneCampaign(Strict):
    """Which campaign."""

    campaign_id: Id


@operation("labelling.open", "POST", "/api/models/{model}/campaigns", Role.OPERATOR, OpenCampaign)
def open_campaign(platform: Platform, actor: Actor, request: OpenCampaign) -> JsonObject:
    """Choose rows without a label that people should label: half where the model was unsure, half at random."""
    params: JsonObject = {"rows": request.rows, "where": request.where, "text": request.reason}
    only = ", ".join(f"{name} = {value}" for name, value in request.where.items())
    purpose = f"have people label up to {request.rows} rows of {request.model}{' where ' * bool(only)}{only}"
    with platform.database.transaction() as connection:
        asked = ask(connection, platform, actor, Wish(ActionKind.OPEN_LABELLING, request.model, purpose, params))
        answer = waiting_told(connection, asked)
    platform.wake.set()
    return {"model": request.model, "campaign_id": answer["action_id"], **answer}


@operation("labelling.campaigns", "GET", "/api/campaigns", Role.VIEWER, OfModel)
def list_campaigns(platform: Platform, _actor: Actor, request: OfModel) -> JsonObject:
    """List the newest labelling campaigns, newest first."""
    with platform.database.reading() as connection:
        found = list_actions(
            connection,
            model=request.model,
            kind=ActionKind.OPEN_LABELLING,
            after=request.place,
            limit=request.one_more,
        )
    shown, further = request.page(found, lambda action: Place(action.created_us, action.id))
    return {"campaigns": [_described(action) for action in shown], "next": further}


@operation("labelling.campaign", "GET", "/api/campaigns/{campaign_id}", Role.VIEWER, OneCampaign)
def show_campaign(platform: Platform, _actor: Actor, request: OneCampaign) -> JsonObject:
    """Show a campaign: why it was opened, by what query its rows were chosen, and these rows."""
    with platform.database.reading() as connection:
        action = load_action(connection, request.campaign_id)
    if action.kind is not ActionKind.OPEN_LABELLING or action.state is not ActionState.SUCCEEDED:
        raise NotFoundError(
            f"campaign {request.campaign_id!r}: there is none that was opened; see 'trimtab labelling list'"
        )
    return {**_described(action), **read_campaign(platform.lake, action.model, action.id)}


def _described(action: ActionRequest) -> JsonObject:
    return {
        "campaign_id": action.id,
        "model": action.model,
        "state": action.state.value,
        "why": str(action.params.get("text") or action.reason),
        "rows_wanted": action.effect.get("rows"),
        "incident_id": action.incident_id,
        "created_us": action.created_us,
        "outcome": action.outcome,
    }
