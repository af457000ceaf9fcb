"""Action requests, grants and verifications in the database. Of one ``dedup_key`` at most one request is open."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.enums import Verdict
from trimtab.core.errors import ConflictError, NotFoundError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import action_grant, action_request
from trimtab.db.tables import verification as verification_table
from trimtab.remediation.actions import ActionRequest, ActionState, Grant
from trimtab.remediation.kinds import ActionKind, DiagnosisKind
from trimtab.remediation.proposal import PastAction
from trimtab.remediation.verification import Verified

__all__ = [
    "PlannedVerification",
    "create_action",
    "finish_verification",
    "grant_of",
    "is_action",
    "list_actions",
    "load_action",
    "overdue_actions",
    "past_actions",
    "pending_verifications",
    "plan_verification",
    "running_actions",
    "save_action",
    "save_grant",
    "verification_of",
    "withdraw_grant",
]

_OPEN = [state.value for state in ActionState if state.is_open]


@dataclass(frozen=True, slots=True)
class PlannedVerification:
    """The verification of an action: done when it has a verdict that is not INCONCLUSIVE, or its deadline is over.

    ``due_us``: when the first answer is expected. Both moments are None for what is older than they are.
    """

    id: str
    action_id: str
    created_us: int
    params: dict[str, Any]
    due_us: int | None = None
    deadline_us: int | None = None
    finished_us: int | None = None
    result: Verified | None = None
    version: int = 1


def create_action(connection: Connection, request: ActionRequest) -> ActionRequest:
    """Store a request and return it; where one with its ``dedup_key`` is open, return that one instead."""
    present = _open_with(connection, request.dedup_key)
    if present is not None:
        return present
    try:
        connection.execute(
            insert(action_request).values(
                id=request.id,
                dedup_key=request.dedup_key,
                kind=request.kind.value,
                model=request.model,
                endpoint=request.endpoint,
                incident_id=request.incident_id,
                requested_by=request.requested_by,
                created_us=request.created_us,
                owner=request.owner,
                version=request.version,
                **_changing(request),
            )
        )
    except IntegrityError as error:
        raise ConflictError(f"action {request.id}: {request.dedup_key!r} was requested just now; read it") from error
    return request


def save_action(connection: Connection, request: ActionRequest) -> ActionRequest:
    """Store a request that has moved on, and return it with its new version.

    Raises:
        ConflictError: it changed since it was read; read it again.
    """
    after = dataclasses.replace(request, version=request.version + 1)
    changed = connection.execute(
        update(action_request)
        .where(action_request.c.id == request.id, action_request.c.version == request.version)
        .values(version=after.version, **_changing(after))
    )
    if changed.rowcount != 1:
        raise ConflictError(f"action {request.id}: changed since version {request.version}; read it again")
    return after


def is_action(connection: Connection, action_id: str) -> bool:
    """Return whether there is a request with this id."""
    return connection.execute(select(action_request.c.id).where(action_request.c.id == action_id)).first() is not None


def load_action(connection: Connection, action_id: str) -> ActionRequest:
    """Return the request.

    Raises:
        NotFoundError: there is none with this id.
    """
    row = connection.execute(select(action_request).where(action_request.c.id == action_id)).first()
    if row is None:
        raise NotFoundError(f"action {action_id!r}: not known; list them with 'trimtab approvals'")
    return _action(row)


def list_actions(
    connection: Connection,
    *,
    model: str | None = None,
    kind: ActionKind | None = None,
    state: ActionState | None = None,
    open_only: bool = False,
    incident_id: str | None = None,
    after: Place | None = None,
    limit: int | None = None,
) -> list[ActionRequest]:
    """Return requests, newest first, those behind ``after``; ``open_only``: those of which something is still to come.

    Whoever looks for one among many has to ask for it, or for all: behind ``limit`` others it would not be seen.
    """
    query = select(action_request)
    if model is not None:
        query = query.where(action_request.c.model == model)
    if kind is not None:
        query = query.where(action_request.c.kind == kind.value)
    if open_only:
        query = query.where(action_request.c.state.in_([one.value for one in ActionState if one.is_open]))
    if state is not None:
        query = query.where(action_request.c.state == state.value)
    if incident_id is not None:
        query = query.where(action_request.c.incident_id == incident_id)
    ordered = newest(query, action_request.c.created_us, action_request.c.id, after=after, limit=limit)
    return [_action(row) for row in connection.execute(ordered)]


def running_actions(connection: Connection, kinds: Sequence[ActionKind]) -> list[ActionRequest]:
    """Return all requests of these kinds that run, oldest first."""
    query = select(action_request).where(
        action_request.c.state == ActionState.RUNNING.value, action_request.c.kind.in_([kind.value for kind in kinds])
    )
    return [_action(row) for row in connection.execute(query.order_by(action_request.c.created_us))]


def overdue_actions(connection: Connection, now_us: int) -> list[ActionRequest]:
    """Return all requests that run though their deadline is over, the most overdue first."""
    query = select(action_request).where(
        action_request.c.state == ActionState.RUNNING.value, action_request.c.deadline_us <= now_us
    )
    return [_action(row) for row in connection.execute(query.order_by(action_request.c.deadline_us))]


def past_actions(connection: Connection, *, since_us: int) -> list[PastAction]:
    """Return what moved since a moment (asked for, agreed to, ended), of all models, as `decide` takes it."""
    table = action_request.c
    moved_us = func.coalesce(table.finished_us, table.decided_us, table.created_us).label("moved_us")
    decided = table.spec["policy"]
    rows = connection.execute(
        select(
            table.kind,
            table.model,
            table.state,
            table.endpoint,
            table.deadline_us,
            moved_us,
            decided["rule"].as_string().label("rule"),
            decided["diagnosis"].as_string().label("diagnosis"),
            table.spec["effect"]["released"].as_integer().label("released"),
        )
        .where(moved_us >= since_us)
        .order_by(moved_us, table.id)
    )
    return [
        PastAction(
            ActionKind(row.kind),
            row.model,
            row.moved_us,
            ActionState(row.state),
            None if row.diagnosis is None else DiagnosisKind(row.diagnosis),
            row.rule,
            row.endpoint,
            # What has begun to run has a deadline; what was cancelled before that changed nothing.
            row.deadline_us is not None,
            row.released is not None,
        )
        for row in rows
    ]


def save_grant(connection: Connection, grant: Grant) -> None:
    """Store the grant of an action.

    Raises:
        ConflictError: the action has one already.
    """
    if grant_of(connection, grant.action_id) is not None:
        raise ConflictError(f"action {grant.action_id}: has a grant already; one thing is approved once")
    connection.execute(
        insert(action_grant).values(
            id=grant.id,
            action_id=grant.action_id,
            purpose=grant.purpose,
            covers=[action.value for action in grant.covers],
            granted_by=grant.granted_by,
            granted_us=grant.granted_us,
            expires_us=grant.expires_us,
        )
    )


def withdraw_grant(connection: Connection, action_id: str) -> None:
    """Take the grant of an action back, if it has one: who agrees anew gives it anew."""
    connection.execute(delete(action_grant).where(action_grant.c.action_id == action_id))


def grant_of(connection: Connection, action_id: str) -> Grant | None:
    """Return the grant of an action, None when nobody has agreed to it."""
    row = connection.execute(select(action_grant).where(action_grant.c.action_id == action_id)).first()
    if row is None:
        return None
    return Grant(
        id=row.id,
        action_id=row.action_id,
        purpose=row.purpose,
        covers=tuple(ActionKind(action) for action in row.covers),
        granted_by=row.granted_by,
        granted_us=row.granted_us,
        expires_us=row.expires_us,
    )


def plan_verification(connection: Connection, planned: PlannedVerification) -> None:
    """Store that an action is to be verified; without effect when it is already."""
    if verification_of(connection, planned.action_id) is None:
        connection.execute(
            insert(verification_table).values(
                id=planned.id,
                action_id=planned.action_id,
                state="pending",
                created_us=planned.created_us,
                due_us=planned.due_us,
                deadline_us=planned.deadline_us,
                spec={"params": planned.params, "result": None},
                version=1,
            )
        )


def finish_verification(
    connection: Connection, planned: PlannedVerification, result: Verified, *, at_us: int, final: bool | None = None
) -> PlannedVerification:
    """Store a result. INCONCLUSIVE keeps it pending unless ``final`` says that no more is waited for.

    Raises:
        ConflictError: it changed since it was read.
    """
    done = result.verdict is not Verdict.INCONCLUSIVE if final is None else final
    changed = connection.execute(
        update(verification_table)
        .where(verification_table.c.id == planned.id, verification_table.c.version == planned.version)
        .values(
            state="done" if done else "pending",
            verdict=result.verdict.value,
            finished_us=at_us if done else None,
            spec={"params": planned.params, "result": result.to_json()},
            version=planned.version + 1,
        )
    )
    if changed.rowcount != 1:
        raise ConflictError(f"verification {planned.id}: changed since version {planned.version}; read it again")
    return dataclasses.replace(planned, result=result, finished_us=at_us if done else None, version=planned.version + 1)


def verification_of(connection: Connection, action_id: str) -> PlannedVerification | None:
    """Return the verification of an action, None when none is planned."""
    row = connection.execute(select(verification_table).where(verification_table.c.action_id == action_id)).first()
    return None if row is None else _verification(row)


def pending_verifications(
    connection: Connection, *, model: str | None = None, over_us: int | None = None
) -> list[PlannedVerification]:
    """Return the verifications that are still to be made, oldest first.

    ``model``: only of its actions. ``over_us``: only those whose deadline is over by then.
    """
    query = select(verification_table).where(verification_table.c.state == "pending")
    if model is not None:
        of_action = action_request.c.id == verification_table.c.action_id
        query = query.join(action_request, of_action).where(action_request.c.model == model)
    if over_us is not None:
        query = query.where(verification_table.c.deadline_us <= over_us)
    ordered = query.order_by(verification_table.c.created_us, verification_table.c.id)
    return [_verification(row) for row in connection.execute(ordered)]


def _open_with(connection: Connection, dedup_key: str) -> ActionRequest | None:
    row = connection.execute(
        select(action_request).where(action_request.c.dedup_key == dedup_key, action_request.c.state.in_(_OPEN))
    ).first()
    return None if row is None else _action(row)


def _changing(request: ActionRequest) -> dict[str, Any]:
    return {
        "tier": request.tier.value,
        "state": request.state.value,
        "decided_by": request.decided_by,
        "decided_us": request.decided_us,
        "finished_us": request.finished_us,
        "deadline_us": request.deadline_us,
        "needed": request.needed,
        "spec": request.to_json(),
    }


def _action(row: Any) -> ActionRequest:
    # The columns are written together with the JSON; only the version is the row's own.
    return dataclasses.replace(ActionRequest.from_json(row.spec), version=row.version)


def _verification(row: Any) -> PlannedVerification:
    result = row.spec["result"]
    return PlannedVerification(
        id=row.id,
        action_id=row.action_id,
        created_us=row.created_us,
        params=row.spec["params"],
        due_us=row.due_us,
        deadline_us=row.deadline_us,
        finished_us=row.finished_us,
        result=None if result is None else Verified.from_json(result),
        version=row.version,
    )
