"""What happened in a simulation, as JSON: by simulated time, and without an id, so that two runs can be compared."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sqlalchemy import func, select

from trimtab import __version__
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.enums import Task, Verdict
from trimtab.db.engine import Connection
from trimtab.db.tables import action_request, check_result, incident, job, retraining_event, snapshot
from trimtab.loop.simulation.stream import Stream, usual_step_us
from trimtab.loop.simulation.world import World
from trimtab.measures.metrics import evaluate
from trimtab.registry import store as registry
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import list_rollouts

__all__ = ["fits_so_far", "outcome_of"]

_DIGITS = 9
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ALL = 1_000_000


def fits_so_far(connection: Connection) -> int:
    """Return how many trainings have come to an end, well or not: each has cost a fit."""
    return connection.execute(select(func.count()).select_from(job).where(job.c.finished_us.is_not(None))).scalar_one()


def outcome_of(
    world: World, stream: Stream, ticks: Sequence[JsonObject], answers: Path, asked: JsonObject
) -> JsonObject:
    """Return all that a reader, a plot or a comparison needs; times are in ISO 8601, UTC."""
    answered = _answered(answers, len(ticks))
    with world.platform.database.reading() as connection:
        releases = _releases(connection, world.model)
        content = {
            "schema_version": 1,
            "trimtab": __version__,
            "model": world.model,
            "asked": asked,
            "notes": [*stream.notes, *_more_notes(world, stream)],
            "from": _iso(stream.start_us),
            "to": _iso(int(ticks[-1]["until_us"])),
            "summary": {
                **_losses(world, stream, answered),
                **_counts(connection, stream, ticks, answered, releases),
            },
            "chunks": _chunks(world, stream, answered),
            "checks": _checks(connection),
            "evaluations": _evaluations(connection),
            "actions": _actions(connection),
            "fits": _fits(connection),
            "releases": releases,
            "versions": _versions(connection, world.model),
            "incidents": _incidents(connection),
            "planted": [],
            "ticks": [{"until": _iso(tick["until_us"]), "refused": tick["refused"]} for tick in ticks],
        }
    rounded: JsonObject = _rounded(content)
    return rounded


def _answered(folder: Path, ticks: int) -> pa.Table:
    return pa.concat_tables([pq.read_table(folder / f"{number:06d}.parquet") for number in range(ticks)])


def _losses(world: World, stream: Stream, answered: pa.Table) -> JsonObject:
    metrics = world.files.model.all_metrics
    return {"metric": metrics[0], "metrics": _evaluated(world, stream, answered, metrics)}


def _evaluated(world: World, stream: Stream, answered: pa.Table, metrics: Sequence[str]) -> dict[str, float]:
    """Return metrics of the rows that have an outcome, whenever it became known: the simulation looks back on all."""
    model = world.files.model
    rows = answered["row"].to_numpy()
    truths = [stream.truth[place] for place in rows.tolist()]
    has = np.array([truth is not None for truth in truths], dtype=bool)
    if not has.any():
        return dict.fromkeys(metrics, math.nan)
    truth: NDArray[Any] = np.array([one for one in truths if one is not None])
    prediction: NDArray[Any] = np.array(answered["prediction"].to_pylist())[has]
    probability: NDArray[Any] | None = answered["probability"].to_numpy()[has]
    if model.task is Task.REGRESSION:
        truth, prediction, probability = truth.astype(np.float64), prediction.astype(np.float64), None
    return evaluate(model.task, metrics, truth, prediction, probability, positive_class=model.positive_class)


def _chunks(world: World, stream: Stream, answered: pa.Table) -> list[JsonObject]:
    """Return the main metric week by week (day by day where that is not many), with the versions that answered."""
    if not answered.num_rows:
        return []
    event_us = stream.event_us[answered["row"].to_numpy()]
    width = usual_step_us(int(event_us.max()) - stream.start_us)
    number = (event_us - stream.start_us) // width
    main = world.files.model.main_metric
    chunks = []
    for one in np.unique(number).tolist():
        mine = answered.filter(pa.array(number == one))
        chunks.append(
            {
                "from": _iso(stream.start_us + one * width),
                "to": _iso(stream.start_us + (one + 1) * width),
                "rows": mine.num_rows,
                "versions": {
                    str(value["values"]): value["counts"] for value in pc.value_counts(mine["version"]).to_pylist()
                },
                "loss": _evaluated(world, stream, mine, [main])[main],
            }
        )
    return chunks


def _counts(
    connection: Connection, stream: Stream, ticks: Sequence[JsonObject], answered: pa.Table, releases: list[JsonObject]
) -> JsonObject:
    end_us = int(ticks[-1]["until_us"])
    alarms = select(func.count(func.distinct(check_result.c.run_id))).where(check_result.c.verdict == Verdict.BREACH)
    fired = select(func.count()).select_from(retraining_event).where(retraining_event.c.held)
    return {
        "rows": answered.num_rows,
        "refused": sum(tick["refused"] for tick in ticks),
        "outcomes_told": len(stream.became_known(stream.start_us, end_us)),
        "fits": fits_so_far(connection),
        "releases": sum(one["phase"] == Phase.PROMOTED for one in releases),
        "switches_back": sum(one["phase"] == Phase.PROMOTED and one["served_before"] for one in releases),
        "firings": connection.execute(fired).scalar_one(),
        "runs_with_breach": connection.execute(alarms).scalar_one(),
        "incidents": connection.execute(select(func.count()).select_from(incident)).scalar_one(),
    }


def _checks(connection: Connection) -> list[JsonObject]:
    """Return the checks, but for those of single columns that found nothing."""
    found = connection.execute(
        select(check_result).order_by(
            check_result.c.at_us,
            check_result.c.model_version,
            check_result.c.variant,
            check_result.c.monitor,
            check_result.c.kind,
            check_result.c.column,
        )
    )
    return [
        {
            "at": _iso(row.at_us),
            "window": [_iso(row.window_start_us), _iso(row.window_end_us)],
            "monitor": row.monitor,
            "kind": row.kind,
            "column": row.column,
            "version": row.model_version,
            "verdict": row.verdict,
            "value": row.value,
            "threshold": row.threshold,
            "effect": row.effect,
            "why": row.spec.get("explanation"),
            "causes": [
                {"kind": cause["kind"], "column": cause["column"]} for cause in row.spec["detail"].get("causes", ())
            ],
        }
        for row in found
        if row.column is None or row.verdict != Verdict.OK
    ]


def _evaluations(connection: Connection) -> list[JsonObject]:
    """Return the evaluations of the retraining condition, with their trees where it held or said something new."""
    found, before = [], None
    for row in connection.execute(select(retraining_event).order_by(retraining_event.c.at_us, retraining_event.c.id)):
        tree = row.spec["explanation"] if row.held or row.spec["reason"] != before else None
        before = row.spec["reason"]
        found.append(
            {
                "at": _iso(row.at_us),
                "held": row.held,
                "reason": row.spec["reason"],
                "refused": row.spec.get("refused"),
                "asked_for_an_action": row.action_id is not None,
                "explanation": tree,
            }
        )
    return found


def _actions(connection: Connection) -> list[JsonObject]:
    found = connection.execute(select(action_request).order_by(action_request.c.created_us, action_request.c.id))
    return [
        {
            "at": _iso(row.created_us),
            "kind": row.kind,
            "tier": row.tier,
            "asked_by": row.requested_by,
            "because": _because(row.spec),
            "decided_by": row.decided_by,
            "state": row.state,
            "ended": None if row.finished_us is None else _iso(row.finished_us),
            "outcome": row.spec.get("outcome"),
        }
        for row in found
    ]


def _because(action: JsonObject) -> str | None:
    params = action.get("params") or {}
    return params.get("trigger") or params.get("reason")


def _fits(connection: Connection) -> list[JsonObject]:
    causes = {row.id: _because(row.spec) for row in connection.execute(select(action_request))}
    found = connection.execute(select(job).order_by(job.c.created_us, job.c.id))
    return [
        {
            "at": _iso(row.created_us),
            "cause": causes.get(row.spec.get("action_id"), "the first version"),
            "state": row.state,
            "status": (row.spec.get("result") or {}).get("status"),
            "algorithm": (row.spec.get("result") or {}).get("algorithm"),
            "rows": (row.spec.get("result") or {}).get("rows"),
            "version": row.spec.get("version_number"),
            "comparison": _comparison((row.spec.get("result") or {}).get("comparison")),
            "error": row.error,
        }
        for row in found
    ]


def _comparison(found: JsonObject | None) -> JsonObject | None:
    if found is None:
        return None
    return {name: value for name, value in found.items() if not name.endswith("_digest")}


def _releases(connection: Connection, model: str) -> list[JsonObject]:
    rollouts = sorted(list_rollouts(connection, model=model, limit=_ALL), key=lambda one: (one.started_us, one.id))
    served: set[int] = set()
    found = []
    for one in rollouts:
        number = one.spec.candidate.number
        found.append(
            {
                "at": _iso(one.started_us),
                "version": number,
                "instead_of": None if one.spec.stable is None else one.spec.stable.number,
                "phase": one.state.phase.value,
                "ended": None if one.finished_us is None else _iso(one.finished_us),
                "served_before": number in served,
                "reason": (one.last or {}).get("reason"),
            }
        )
        if one.state.phase is Phase.PROMOTED:
            served.add(number)
    return found


def _versions(connection: Connection, model: str) -> list[JsonObject]:
    learnt = {row.id: row for row in connection.execute(select(snapshot))}
    return [
        {
            "number": one.number,
            "at": _iso(one.created_us),
            "algorithm": one.algorithm,
            "state": one.state.value,
            "reason": one.reason,
            "rows": learnt[one.snapshot_id].rows,
            "learnt_from": _iso(learnt[one.snapshot_id].span_start_us),
            "learnt_until": _iso(learnt[one.snapshot_id].span_end_us),
            "metrics": dict(one.metrics),
        }
        for one in sorted(registry.listing(connection, model=model), key=lambda one: one.number)
    ]


def _incidents(connection: Connection) -> list[JsonObject]:
    return [
        {
            "at": _iso(row.opened_us),
            "title": row.title,
            "diagnosis": row.diagnosis,
            "state": row.state,
            "closed": None if row.closed_us is None else _iso(row.closed_us),
        }
        for row in connection.execute(select(incident).order_by(incident.c.opened_us, incident.c.id))
    ]


def _more_notes(world: World, stream: Stream) -> Iterable[str]:
    if not len(stream.became_known(stream.start_us, int(stream.event_us[-1]))):
        yield "no outcome became known before the end: nothing could be judged or learnt after the first version"
    if any(monitor.type == "latency" for monitor in world.files.monitoring.monitors):
        yield "latencies are 0: time stands still while a simulated request is answered"
    business = [monitor.title for monitor in world.files.monitoring.monitors if monitor.type == "business"]
    if business:
        yield f"no database and no Prometheus was asked for {', '.join(business)}: its number would be today's"


def _iso(us: int | None) -> str | None:
    return None if us is None else from_micros(us).isoformat()


def _rounded(content: Any) -> Any:
    """Return ``content`` with floats as JSON has them: no NaN, and no digit that is noise of the machine; no id."""
    if isinstance(content, str):
        return _ID.sub("(id)", content)
    if isinstance(content, float):
        return float(f"{content:.{_DIGITS}g}") if math.isfinite(content) else None
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    return [_rounded(value) for value in content] if isinstance(content, list | tuple) else content
