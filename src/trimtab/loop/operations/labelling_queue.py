"""Rows that people should label, and their labels: of campaigns that were opened, until each row has an outcome."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from trimtab.config.loading import Strict
from trimtab.config.model import Name
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.lake.campaigns import read_campaign
from trimtab.lake.labelled import labelled_rows
from trimtab.loop.actor import Actor
from trimtab.loop.one_at_a_time import OneAtATime
from trimtab.loop.operation import operation
from trimtab.loop.operations.truths import Outcome, take_in
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Limited
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.kinds import ActionKind

_CAMPAIGNS = 20
_LOOKS = OneAtATime("a look for rows that wait for a label")
_Label = Annotated[str, Field(max_length=1_000)]


class ListWanted(Limited):
    """Of which model, and how many."""

    model: Name | None = Field(default=None, description="Only rows of this one.")


class LabelRow(Strict):
    """Which row, and what is true of it."""

    task_id: Annotated[str, Field(min_length=1, max_length=200, description="As the queue calls it.")]
    label: bool | int | float | _Label = Field(description="What is true: a class of the model's target, or a number.")


@dataclass(frozen=True, slots=True)
class _Campaign:
    """A campaign as it stands: the rows that have no outcome yet, and the ids of those that have one."""

    id: str
    model: str
    endpoint: str
    why: str
    waiting: tuple[JsonObject, ...]
    labelled: frozenset[str]


@operation("labelling.queue", "GET", "/api/labeling-queue", Role.VIEWER, ListWanted)
def show_queue(platform: Platform, _actor: Actor, request: ListWanted) -> JsonObject:
    """List rows that people should label, most wanted first: of the newest 20 campaigns, without an outcome yet."""
    campaigns = _campaigns(platform, request.model)
    tasks = [_task(campaign, row) for campaign in campaigns for row in campaign.waiting]
    return {
        "tasks": tasks[: request.limit],
        "waiting": len(tasks),
        "labelled": sum(len(campaign.labelled) for campaign in campaigns),
        "why_none": None if tasks else _why_none(campaigns),
    }


@operation("labelling.label", "POST", "/api/labeling-queue/{task_id}/label", Role.OPERATOR, LabelRow)
def label(platform: Platform, actor: Actor, request: LabelRow) -> JsonObject:
    """Label a row of the queue: its true outcome, which quality is judged by and the next version learns from."""
    for campaign in _campaigns(platform, None):
        if request.task_id in campaign.labelled:
            raise ConflictError(
                f"task {request.task_id!r}: has an outcome already; send another one to /v1/ground-truth to correct it"
            )
        if any(row["prediction_id"] == request.task_id for row in campaign.waiting):
            outcome = Outcome(truth=request.label, prediction_id=request.task_id, endpoint=campaign.endpoint)
            take_in(platform, actor, [outcome], reason=f"label of campaign {campaign.id}")
            return {"task_id": request.task_id, "model": campaign.model, "campaign_id": campaign.id, "accepted": True}
    raise NotFoundError(f"task {request.task_id!r}: in no campaign of the newest {_CAMPAIGNS}; see /api/labeling-queue")


def _campaigns(platform: Platform, model: str | None) -> list[_Campaign]:
    with platform.database.reading() as connection:
        opened = list_actions(
            connection,
            model=model,
            kind=ActionKind.OPEN_LABELLING,
            state=ActionState.SUCCEEDED,
            limit=_CAMPAIGNS,
        )
    with _LOOKS.turn():
        return [found for one in opened if (found := _campaign(platform, one.model, one.id)) is not None]


def _campaign(platform: Platform, model: str, campaign_id: str) -> _Campaign | None:
    try:
        content = read_campaign(platform.lake, model, campaign_id)
    except NotFoundError:
        # Its file was removed: then nobody is asked for its rows any more.
        return None
    query, rows = content["query"], content["rows"]
    known = _known(platform, query)
    return _Campaign(
        id=campaign_id,
        model=model,
        endpoint=query["endpoint"],
        why=content["why"],
        waiting=tuple(row for row in rows if row["prediction_id"] not in known),
        labelled=frozenset(row["prediction_id"] for row in rows) & known,
    )


def _known(platform: Platform, query: JsonObject) -> frozenset[str]:
    """Return the ids of the campaign's time that have an outcome by now."""
    told = labelled_rows(
        platform.lake,
        query["endpoint"],
        start_us=query["since_us"],
        end_us=query["until_us"],
        known_until_us=platform.now_us() + 1,
    )
    return frozenset(told.table["prediction_id"].to_pylist())


def _task(campaign: _Campaign, row: JsonObject) -> JsonObject:
    return {
        "task_id": row["prediction_id"],
        "campaign_id": campaign.id,
        "model": campaign.model,
        "endpoint": campaign.endpoint,
        "campaign_why": campaign.why,
        **row,
    }


def _why_none(campaigns: list[_Campaign]) -> str:
    if campaigns:
        return "every row of the open campaigns has an outcome"
    return "no campaign was opened: the action open_labelling of a policy rule opens one; those of images come later"
