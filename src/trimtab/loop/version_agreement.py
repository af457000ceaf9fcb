"""Who has a share in a version: who had it trained, and who agreed to it. One version is agreed to once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from trimtab.core.enums import Role
from trimtab.db.engine import Connection
from trimtab.db.tables import job
from trimtab.loop.actor import Actor
from trimtab.loop.keys import approvers, owner_named, person_named
from trimtab.loop.platform import Platform
from trimtab.registry.versions import ModelVersion
from trimtab.remediation.action_store import grant_of, list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.vote_store import votes_of
from trimtab.remediation.votes import SOMEBODY_HERE, tally

__all__ = ["agreed_to", "trained_by"]

_ALL = 1_000_000


def trained_by(connection: Connection, version: ModelVersion) -> str | None:
    """Return the person who had ``version`` trained, None where it was the platform, or nobody knows who."""
    spec = connection.execute(select(job.c.spec).where(job.c.id == version.job_id)).scalar_one_or_none() or {}
    name = spec.get("asked_by")
    if name is None or spec.get("action_id") is not None:
        return None
    owner = owner_named(connection, str(name))
    known = owner != SOMEBODY_HERE and owner in approvers(connection, Role.VIEWER)
    return owner if known else None


def agreed_to(
    connection: Connection, platform: Platform, version: ModelVersion
) -> tuple[ActionRequest | None, Sequence[Actor]]:
    """Return the approval of ``version`` whose grant covers its release, and the people who stand behind it.

    A grant is good for one release: one that was used, or has ended, is none.
    """
    released = list_actions(connection, model=version.model, kind=ActionKind.DEPLOY, limit=_ALL)
    used = {one.params.get("agreed_with") for one in released if one.state is not ActionState.WAITING_APPROVAL}
    for approval in list_actions(connection, model=version.model, kind=ActionKind.APPROVE_VERSION, limit=_ALL):
        if approval.params.get("number") != version.number or approval.state is not ActionState.SUCCEEDED:
            continue
        grant = grant_of(connection, approval.id)
        if approval.id in used or grant is None or not grant.allows(ActionKind.DEPLOY, platform.now_us()):
            return None, ()
        behind = dict.fromkeys([*tally(votes_of(connection, approval.id), approval.needed).agreed, approval.owner])
        people = [person_named(connection, owner) for owner in behind if owner is not None]
        return approval, [person for person in people if person is not None]
    return None, ()
