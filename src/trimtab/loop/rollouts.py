"""Keeps rollouts moving: looks at each, decides its next step, stores decision, evidence and desired spec at once."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import msgspec
import structlog

from trimtab.audit import log as audit
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.crashpoints import reached
from trimtab.core.errors import ConflictError, IllegalTransitionError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.loop.platform import Platform
from trimtab.rollout import analysis_store, endpoint_store, store
from trimtab.rollout.analysis_store import Analysis, Look
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.state import Observation, Transition
from trimtab.rollout.store import Rollout
from trimtab.rollout.strategies import planned_duration
from trimtab.serving.spec import EndpointSpec

__all__ = ["Seen", "Watch", "advance_rollouts", "apply_desired", "desire", "operate_rollout"]

_TELL_US = 3_000_000
_KEEP_US = 5_000_000
_LOOK_US = 1_000_000
_LOOKS = 1_000
_ALL = 1_000_000
_CONDUCTOR = "conductor"
_SALT_BYTES = 16

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a rollout found.

    ``analysis``: all that the next look must know, None where nothing was counted. ``news``: what was new since the
    last one, to be kept with the look.
    """

    observation: Observation
    analysis: JsonObject | None = None
    news: Mapping[str, Any] = field(default_factory=dict)


class Watch(Protocol):
    """Looks at rollouts, and stores nothing: what it found is found again until a decision on it is stored."""

    def look(self, rollout: Rollout, analysis: Analysis) -> Seen:
        """Return what is seen of ``rollout``, beyond what ``analysis`` says was seen before.

        Raises:
            BackendError: what serves cannot be asked; the same call may succeed later.
        """


def advance_rollouts(platform: Platform, watch: Watch) -> bool:
    """Look at every active rollout, decide its next step, and store it; return whether any moved.

    What one rollout breaks on is raised when all others had their turn: it must not keep them from going back.
    """
    with platform.database.reading() as connection:
        active = store.list_rollouts(connection, active_only=True, limit=_ALL)
    moved, broke = False, None
    for rollout in active:
        if rollout.unread is not None:
            # Nobody knows its limits. It is told where rollouts are listed, and a person may abort it.
            continue
        try:
            moved |= _advance(platform, watch, rollout)
        except TrimtabError as error:
            _log.warning("rollout.held", rollout=rollout.id, error=str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of a rollout: raised again below
            broke = broke or error
    if broke is not None:
        raise broke
    return moved


def operate_rollout(
    connection: Connection, platform: Platform, rollout: Rollout, operation: Operation, *, by: str, reason: str
) -> Rollout:
    """Pause, resume, promote or abort in the caller's transaction.

    Raises:
        IllegalTransitionError: the operation has no meaning where the rollout stands, or is no way back for one that
            cannot be read.
        ConflictError: it changed since it was read.
    """
    if rollout.unread is not None and operation is not Operation.ABORT:
        raise IllegalTransitionError(f"rollout {rollout.id}: {rollout.unread.why}, so it cannot go on; abort it")
    transition = operate(rollout.spec, rollout.state, operation, platform.clock.now(), reason)
    action = "resumed" if operation is Operation.RESUME else None
    return _record(connection, platform, rollout, transition, actor=by, action=action)


def apply_desired(platform: Platform) -> bool:
    """Hand every desired spec that has not arrived to the deployer; repeating it changes nothing.

    It never counts as work done: while no server answers it is repeated, and nobody must run in circles for that. What
    one endpoint breaks on is raised when all others had their turn.
    """
    with platform.database.reading() as connection:
        wanted = endpoint_store.list_desired(connection)
    broke = None
    for spec in wanted:
        try:
            _apply(platform, spec)
        except TrimtabError as error:
            broke = broke or error
    if broke is not None:
        raise broke
    return False


def _apply(platform: Platform, spec: EndpointSpec) -> None:
    broke, told = None, 0
    try:
        status = platform.deployer.observe(spec.endpoint)
        told = 0 if status is None else status.desired_generation
    except TrimtabError as error:
        # What it does now need not be known to say what it shall do.
        broke = error
    if told != spec.generation:
        try:
            asked = max(platform.deployer.apply(spec), told)
        except ConflictError:
            # The same generation with other content: a copy of this database, or somebody else, asked for that.
            _overtake(platform, spec, max(spec.generation, told))
        else:
            if asked > spec.generation:
                _overtake(platform, spec, asked)
    if broke is not None:
        raise broke


def _overtake(platform: Platform, spec: EndpointSpec, asked: int) -> None:
    """Desire ``spec`` anew, above the generation that the platform was asked for, if nobody has desired anything since.

    A platform is asked for nothing that was not stored before: so it was another database's, of which this one is an
    older copy, or somebody's who wrote past it.
    """
    reason = f"the platform was asked for generation {asked} by others, expected {spec.generation} at most"
    with platform.database.transaction() as connection:
        if endpoint_store.desired(connection, spec.endpoint) != spec:
            return
        at_us = platform.now_us()
        after = endpoint_store.overtake(connection, spec, asked + 1, actor=_CONDUCTOR, reason=reason, at_us=at_us)
        audit.append(
            connection,
            at_us=at_us,
            actor=_CONDUCTOR,
            action="endpoint.overtaken",
            subject=f"endpoint:{spec.endpoint}",
            reason=reason,
            before={"generation": spec.generation},
            after={"generation": after.generation},
        )
    _log.warning("endpoint.overtaken", endpoint=spec.endpoint, asked=asked, generation=after.generation)
    platform.deployer.apply(after)


def desire(
    connection: Connection,
    platform: Platform,
    rollout: Rollout,
    *,
    staging: bool,
    production: bool,
    actor: str,
    reason: str,
) -> None:
    """Store what a rollout desires of its endpoints now, in the caller's transaction."""
    wanted: list[EndpointSpec] = []
    if staging:
        generation = endpoint_store.next_generation(connection, rollout.spec.staging_endpoint)
        wanted.append(staging_spec(rollout.spec, rollout.state, generation=generation))
    if production:
        generation = endpoint_store.next_generation(connection, rollout.spec.endpoint)
        salt = endpoint_store.salt_of(connection, rollout.spec.endpoint)
        spec = production_spec(rollout.spec, rollout.state, generation=generation)
        spec = msgspec.structs.replace(spec, salt=secrets.token_hex(_SALT_BYTES) if salt is None else salt)
        wanted.append(_as_operated(spec, endpoint_store.desired(connection, rollout.spec.endpoint)))
    for spec in wanted:
        endpoint_store.desire(
            connection,
            spec,
            model=rollout.spec.model,
            actor=actor,
            reason=reason,
            at_us=platform.now_us(),
            rollout_id=rollout.id,
        )


def _as_operated(spec: EndpointSpec, present: EndpointSpec | None) -> EndpointSpec:
    """Return ``spec`` paused, scaled and emptied as the endpoint is now: no step of a rollout undoes that."""
    if present is None:
        return spec
    return msgspec.structs.replace(
        spec, paused=present.paused, scaled_to=present.scaled_to, cache_epoch=present.cache_epoch
    )


def _advance(platform: Platform, watch: Watch, rollout: Rollout) -> bool:
    rollout, analysis = _read(platform, rollout)
    seen = watch.look(rollout, analysis)
    transition = step(rollout.spec, rollout.state, seen.observation, platform.clock.now())
    moved = transition.state != rollout.state
    now_us = platform.now_us()
    tells = moved or _says_something_new(rollout, transition, now_us)
    counted = seen.analysis is not None and seen.analysis != analysis.content
    # A clock that was set back must not keep what is counted from being stored.
    since_us = abs(now_us - analysis.updated_us)
    looks = moved or (counted and (tells or since_us >= _look_us(rollout, now_us)))
    keeps = looks or (counted and since_us >= _KEEP_US)
    if not (tells or keeps):
        return False
    with platform.database.transaction() as connection:
        if keeps:
            store.require_unchanged(connection, rollout)
            look = _look_of(rollout, seen, transition, now_us) if looks else None
            content = analysis.content if seen.analysis is None else seen.analysis
            analysis_store.save_analysis(connection, analysis, content, look, at_us=now_us)
            reached("rollout.looked")
        if moved:
            _record(connection, platform, rollout, transition, actor=_CONDUCTOR)
            reached("rollout.stepped")
        elif tells:
            store.save_transition(connection, rollout, transition, at_us=now_us, actor=_CONDUCTOR)
    if moved:
        reached("rollout.desired")
        apply_desired(platform)
    return moved


def _read(platform: Platform, rollout: Rollout) -> tuple[Rollout, Analysis]:
    """Return the rollout with the generation that is desired of production now, and how far it has been judged."""
    with platform.database.reading() as connection:
        wanted = endpoint_store.desired(connection, rollout.spec.endpoint)
        analysis = analysis_store.load_analysis(connection, rollout.id)
    state = dataclasses.replace(rollout.state, generation=None if wanted is None else wanted.generation)
    return dataclasses.replace(rollout, state=state), analysis


def _says_something_new(rollout: Rollout, transition: Transition, now_us: int) -> bool:
    """Whether to store why a rollout holds: when verdict or limits change, or else every few seconds, for people.

    One that is held keeps the decision that says why: it would be new at every look.
    """
    if rollout.state.phase.is_held:
        return False
    last = rollout.last or {}
    verdict = None if transition.verdict is None else transition.verdict.value
    if last.get("reason") == transition.reason:
        return False
    judged = [piece["name"] for piece in last.get("evidence", ())]
    other = last.get("verdict") != verdict or judged != [piece.name for piece in transition.evidence]
    return other or abs(now_us - int(last.get("at_us", 0))) >= _TELL_US


def _look_us(rollout: Rollout, now_us: int) -> int:
    """Return how far apart looks are kept: some thousand of them are enough for a plot of the whole rollout.

    One that lasts longer than planned, as it waits for somebody, is looked at ever less often.
    """
    planned_us = planned_duration(rollout.spec.strategy) // timedelta(microseconds=1)
    return max(_LOOK_US, max(planned_us, now_us - rollout.started_us) // _LOOKS)


def _look_of(rollout: Rollout, seen: Seen, transition: Transition, at_us: int) -> Look:
    told = transition.to_json()
    content = {
        **seen.news,
        "weight_pct": str(rollout.state.weight_pct),
        "requests": seen.observation.requests,
        "reason": transition.reason,
        "evidence": told["evidence"],
    }
    state = rollout.state
    return Look(at_us, state.generation, state.step_index, state.phase, transition.verdict, content)


def _record(
    connection: Connection,
    platform: Platform,
    rollout: Rollout,
    transition: Transition,
    *,
    actor: str,
    action: str | None = None,
) -> Rollout:
    """Store a move with all that follows from it. ``action`` names it in the audit log; None: by where it leads."""
    at_us = to_micros(platform.clock.now())
    after = store.save_transition(connection, rollout, transition, at_us=at_us, actor=actor)
    final = after.state.phase.is_final
    production = transition.weights is not None
    desire(connection, platform, after, staging=final, production=production, actor=actor, reason=transition.reason)
    payload = {"rollout_id": after.id, "model": after.spec.model, "phase": after.state.phase.value}
    kind = "rollout.finished" if final else "rollout.moved"
    platform.publish(connection, kind, f"model:{after.spec.model}", payload)
    audit.append(
        connection,
        at_us=at_us,
        actor=actor,
        action=f"rollout.{action or after.state.phase.value}",
        subject=f"rollout:{after.spec.endpoint}/{after.id}",
        reason=transition.reason,
        before={"phase": rollout.state.phase.value, "weight_pct": str(rollout.state.weight_pct)},
        after={"phase": after.state.phase.value, "weight_pct": str(after.state.weight_pct)},
        detail={"candidate": after.spec.candidate.number, "evidence": transition.to_json()["evidence"]},
    )
    return after
