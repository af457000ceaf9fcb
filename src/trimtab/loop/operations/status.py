"""How everything stands, and what to do next."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import func, select

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection, machine_us
from trimtab.db.tables import check_result, event_delivery, heartbeat
from trimtab.files.processes import is_alive
from trimtab.loop.actor import Actor
from trimtab.loop.model_files import ModelFiles, load_policy
from trimtab.loop.operation import operation
from trimtab.loop.operations.data import records_of
from trimtab.loop.operations.deployment import weights_of
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Nothing
from trimtab.registry import store as registry
from trimtab.registry.versions import VersionState
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionState
from trimtab.remediation.store import list_incidents
from trimtab.rollout import endpoint_store, store

_STALE_US = 30_000_000


@operation("status.show", "GET", "/api/status", Role.VIEWER, Nothing)
def show_status(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Say how every model stands, whether the platform's processes live, and what to do next."""
    models, hints = [], []
    try:
        load_policy(platform.project)
    except TrimtabError as error:
        hints.append(f"no rule can be asked: {error}")
    with platform.database.reading() as connection:
        for name in platform.project.model_names:
            try:
                files = platform.files(name)
            except TrimtabError as error:
                hints.append(f"{name}: {error}")
                continue
            model = _model(connection, files)
            models.append(model)
            hints += _next_steps(connection, files, model)
            served = platform.deployer.observe(files.endpoint)
            if served is not None and served.error is not None:
                hints.append(f"{name}: the inference server cannot serve what it should: {served.error}")
        processes = _processes(connection, platform)
        dead = connection.execute(
            select(func.count()).select_from(event_delivery).where(event_delivery.c.state == "dead")
        ).scalar_one()
    if platform.serving_url() is None:
        hints.append("no inference server runs: trimtab up (it restarts one that dies)")
    return {
        "project": platform.project.config.project,
        "at_us": platform.now_us(),
        "models": models,
        "processes": processes,
        "dead_deliveries": dead,
        "next": hints,
    }


def _model(connection: Connection, files: ModelFiles) -> JsonObject:
    spec = endpoint_store.desired(connection, files.endpoint)
    rollout = store.active_rollout(connection, files.endpoint)
    counts = records_of(connection, files.endpoint)
    waiting = list_actions(connection, model=files.model.name, state=ActionState.WAITING_APPROVAL)
    return {
        "name": files.model.name,
        "endpoint": files.endpoint,
        "serves": {} if spec is None else weights_of(spec),
        "rollout": None
        if rollout is None
        else {
            "rollout_id": rollout.id,
            "phase": rollout.state.phase.value,
            "candidate": rollout.spec.candidate.number,
            "weight_pct": str(rollout.state.weight_pct),
        },
        "records": counts["records"],
        "truths": counts["truths"],
        "verdicts": _verdicts(connection, files.model.name),
        "open_incidents": len(list_incidents(connection, model=files.model.name, open_only=True)),
        "waiting_approval": len(waiting),
    }


def _verdicts(connection: Connection, model: str) -> dict[str, int]:
    newest = (
        select(check_result.c.run_id)
        .where(check_result.c.model == model)
        .order_by(check_result.c.at_us.desc(), check_result.c.run_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(select(check_result.c.verdict).where(check_result.c.run_id == newest)).scalars()
    return dict(sorted(Counter(rows).items()))


def _next_steps(connection: Connection, files: ModelFiles, model: JsonObject) -> list[str]:
    name = files.model.name
    for action in list_actions(connection, model=name, state=ActionState.WAITING_APPROVAL):
        return [f"{name}: {action.purpose}? trimtab approvals approve {action.id}"]
    newest = registry.latest(connection, name)
    if newest is None:
        return [f"{name}: deliver data and train it: trimtab ingest {name} FILE; trimtab train {name}"]
    if newest.state is VersionState.PENDING:
        return [f"{name}: version {newest.number} waits: trimtab versions approve {name}@{newest.number}"]
    if not model["serves"] and model["rollout"] is None and newest.state is VersionState.APPROVED:
        return [f"{name}: version {newest.number} is approved: trimtab deploy {name}@{newest.number}"]
    return [f"{name}: look at its open incident: trimtab incidents list"] if model["open_incidents"] else []


def _processes(connection: Connection, platform: Platform) -> list[JsonObject]:
    rows = connection.execute(select(heartbeat)).all()
    found = [{"process": row.process, "pid": row.pid, "alive": _beats(row)} for row in rows]
    return [*found, {"process": "inference-server", "pid": None, "alive": platform.serving_url() is not None}]


def _beats(row: Any) -> bool:
    return machine_us() - row.beat_us <= _STALE_US and is_alive(row.pid, row.spec.get("start_ticks", 0))
