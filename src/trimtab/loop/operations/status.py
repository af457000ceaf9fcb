"""How everything stands, and what to do next."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import select

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import TrimtabError
from trimtab.db.engine import Connection, machine_us
from trimtab.db.tables import check_result, heartbeat
from trimtab.files.processes import is_alive
from trimtab.loop.actor import Actor
from trimtab.loop.advice import advice_about
from trimtab.loop.model_files import ModelFiles, load_policy
from trimtab.loop.operation import operation
from trimtab.loop.operations.autonomy import autonomy_now
from trimtab.loop.operations.deployment import weights_of
from trimtab.loop.platform import Platform
from trimtab.loop.platform_advice import Advice, advice_about_platform
from trimtab.loop.requests import Nothing
from trimtab.loop.standing import Standing, newest_checks, standing_of, standing_without_files, undelivered
from trimtab.records.hindrance import healths_of
from trimtab.records.liveness import ShipperState, shipper_state
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.external import NO_MODEL
from trimtab.remediation.kinds import ActionKind
from trimtab.remediation.store import list_incidents
from trimtab.rollout import endpoint_store

_STALE_US = 30_000_000
_RETRAININGS = 100


@operation("status.show", "GET", "/api/status", Role.VIEWER, Nothing)
def show_status(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Say how every model stands, whether the platform's processes live, and what to do next."""
    models: list[JsonObject] = []
    advice: list[tuple[str | None, Advice]] = []
    try:
        load_policy(platform.project)
    except TrimtabError as error:
        advice.append((None, Advice(f"no rule can be asked: {error}", "trimtab validate")))
    with platform.database.reading() as connection:
        for name in platform.project.model_names:
            try:
                files = platform.files(name)
            except TrimtabError as error:
                advice.append((name, Advice(f"{name}: {error}", "trimtab validate")))
                served = standing_without_files(connection, platform, name)
                if served is not None:
                    models.append(_described(connection, served, None))
                continue
            model = standing_of(connection, platform, files)
            models.append(_described(connection, model, files))
            advice += [(name, one) for one in advice_about(model)]
        shipper = shipper_state(platform.project.journal)
        processes = _processes(connection, platform, shipper)
        found = undelivered(connection)
        told = autonomy_now(connection, platform)
        about_no_model = list_incidents(connection, model=NO_MODEL, open_only=True)
    advice += _count_unmatched(platform, models)
    about_platform = advice_about_platform(
        processes=processes,
        found=found,
        hindered=shipper.error if shipper is not None and shipper.alive else None,
        serves_something=any(model["serves"] for model in models),
        logs=str(platform.project.logs),
        lanes=platform.hindered.lanes,
        recording=healths_of(platform.project.journal),
        cases=about_no_model,
    )
    advice = [(None, one) for one in about_platform] + advice
    return {
        "project": platform.project.config.project,
        "at_us": platform.now_us(),
        "models": models,
        "processes": processes,
        "autonomy": told,
        "reacting": found.fresh > 0,
        "dead_deliveries": found.dead,
        "next": [{"model": name, **one.to_json()} for name, one in advice],
    }


def _count_unmatched(platform: Platform, models: list[JsonObject]) -> list[tuple[str | None, Advice]]:
    """Enter how many outcomes of each model have no answered row; advise where none has one: a key is wrong then."""
    advice: list[tuple[str | None, Advice]] = []
    for model in models:
        endpoint, truths = model["endpoint"], model["truths"]
        counts = platform.unmatched.of(platform.lake, endpoint, records=model["records"], truths=truths)
        model["truths_unmatched"] = None if counts is None else counts.unmatched
        if counts is not None and model["records"] and counts.subjects and counts.unmatched == counts.subjects:
            why = (
                f"{model['name']}: none of its {counts.outcomes} outcomes belongs to an answered row; compare their "
                "prediction ids, or record keys and event times, with what was sent"
            )
            advice.append((model["name"], Advice(why, f"trimtab truths show {endpoint}")))
    return advice


def _described(connection: Connection, model: Standing, files: ModelFiles | None) -> JsonObject:
    spec = endpoint_store.desired(connection, model.endpoint)
    rollout = model.rollout
    return {
        "name": model.model,
        "endpoint": model.endpoint,
        "serves": {} if spec is None else weights_of(spec),
        "not_served": model.not_served,
        "rollout": None
        if rollout is None
        else {
            "rollout_id": rollout.id,
            "phase": rollout.state.phase.value,
            "candidate": rollout.spec.candidate.number,
            "weight_pct": str(rollout.state.weight_pct),
        },
        "records": model.records,
        "truths": model.truths,
        "verdicts": {} if files is None else _verdicts(connection, files, model.now_us),
        "open_incidents": len(model.incidents),
        "waiting_approval": len(model.waiting),
        "last_retraining": _last_retraining(connection, model),
    }


def _last_retraining(connection: Connection, model: Standing) -> JsonObject | None:
    """Return how the newest retraining that has ended went; None when there was none, or a rollout has come since."""
    ended = list_actions(connection, model=model.model, kind=ActionKind.RETRAIN, limit=_RETRAININGS)
    newest = next((one for one in ended if one.finished_us is not None and one.outcome), None)
    if newest is None:
        return None
    rollout = model.last_rollout
    if rollout is not None and rollout.action_id != newest.id and rollout.started_us > (newest.finished_us or 0):
        return None
    return {"state": newest.state.value, "outcome": newest.outcome, "finished_us": newest.finished_us}


def _verdicts(connection: Connection, files: ModelFiles, now_us: int) -> dict[str, int]:
    rows = connection.execute(select(check_result.c.verdict).where(newest_checks(files, now_us))).scalars()
    return dict(sorted(Counter(rows).items()))


def _processes(connection: Connection, platform: Platform, shipper: ShipperState | None) -> list[JsonObject]:
    rows = connection.execute(select(heartbeat)).all()
    found = [{"process": row.process, "pid": row.pid, "alive": _beats(row)} for row in rows]
    ships = shipper is not None and shipper.alive
    return [
        *found,
        {"process": "inference-server", "pid": None, "alive": platform.serving_url() is not None},
        {"process": "shipper", "pid": shipper.pid if shipper is not None and ships else None, "alive": ships},
    ]


def _beats(row: Any) -> bool:
    return machine_us() - row.beat_us <= _STALE_US and is_alive(row.pid, row.spec.get("start_ticks", 0))
