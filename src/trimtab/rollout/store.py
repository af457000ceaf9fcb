"""Rollouts in the database. One is active on an endpoint at a time; whoever saves has seen the newest version."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog
from pydantic import ValidationError
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConflictError, DataContractError, NotFoundError, TrimtabError
from trimtab.db.engine import Connection
from trimtab.db.paging import Place, newest
from trimtab.db.tables import rollout as rollout_table
from trimtab.rollout.state import RolloutSpec, RolloutState, Transition

__all__ = [
    "Rollout",
    "Unread",
    "active_rollout",
    "create_rollout",
    "list_rollouts",
    "load_rollout",
    "require_unchanged",
    "save_transition",
]


# What the way back to the stable version does without: all else of a rollout's spec may be lost.
_NEEDLESS: Final = (
    ("strategy",),
    ("strategy", "smoke_max_abs_difference", "task", "metrics"),
    ("strategy", "smoke_max_abs_difference", "task", "metrics", "answering"),
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Unread:
    """A rollout's spec as it is stored, and ``why`` this program cannot read it whole."""

    why: str
    spec: JsonObject


@dataclass(frozen=True, slots=True)
class Rollout:
    """A rollout as it is stored.

    ``log`` holds its transitions, oldest first: ``at_us``, ``actor``, ``from``, ``to`` and what `Transition.to_json`
    gives. ``last`` is the newest decision and its ``at_us``, also where it
    only holds. Of one that is ``unread`` only as much of the spec is true as it takes to abort it.
    """

    id: str
    spec: RolloutSpec
    state: RolloutState
    started_us: int
    finished_us: int | None = None
    action_id: str | None = None
    log: tuple[JsonObject, ...] = ()
    last: JsonObject | None = None
    version: int = 1
    unread: Unread | None = None

    @property
    def reason(self) -> str:
        """Why it stands where it does; of one that cannot be read, why not."""
        if self.unread is not None and not self.state.phase.is_final:
            return f"{self.unread.why}; abort it"
        return str((self.last or {}).get("reason", "just started"))


def create_rollout(
    connection: Connection, rollout_id: str, spec: RolloutSpec, *, now_us: int, action_id: str | None = None
) -> Rollout:
    """Store a new rollout in its first phase.

    Raises:
        ConflictError: another one is active on the endpoint.
    """
    running = active_rollout(connection, spec.endpoint)
    if running is not None:
        raise ConflictError(_busy(spec, running))
    created = Rollout(
        id=rollout_id, spec=spec, state=RolloutState.initial(now_us), started_us=now_us, action_id=action_id
    )
    try:
        connection.execute(
            insert(rollout_table).values(
                id=rollout_id,
                endpoint=spec.endpoint,
                model=spec.model,
                candidate=spec.candidate.number,
                stable=spec.stable.number if spec.stable is not None else None,
                started_us=now_us,
                action_id=action_id,
                **_changing(created),
            )
        )
    except IntegrityError as error:
        raise ConflictError(f"rollout {rollout_id}: another one started on {spec.endpoint!r} just now") from error
    return created


def save_transition(
    connection: Connection, before: Rollout, transition: Transition, *, at_us: int, actor: str = "trimtab"
) -> Rollout:
    """Store what was decided on ``before``; one that says what the last one said writes nothing.

    A rollout that stays held keeps the decision that says why.

    Raises:
        ConflictError: the rollout changed since it was read; read it again and decide anew.
    """
    decided = transition.to_json()
    if before.last is not None and {**decided, "at_us": before.last.get("at_us")} == before.last:
        return before
    moved = transition.state != before.state
    if not moved and before.state.phase.is_held:
        return before
    entry = {"at_us": at_us, "actor": actor, "from": before.state.phase.value, "to": transition.state.phase.value}
    after = dataclasses.replace(
        before,
        state=transition.state,
        finished_us=at_us if transition.state.phase.is_final and before.finished_us is None else before.finished_us,
        log=(*before.log, {**entry, **decided}) if moved else before.log,
        last={**decided, "at_us": at_us},
        version=before.version + 1,
    )
    changed = connection.execute(
        update(rollout_table)
        .where(rollout_table.c.id == before.id, rollout_table.c.version == before.version)
        .values(**_changing(after))
    )
    if changed.rowcount != 1:
        raise ConflictError(f"rollout {before.id}: changed since version {before.version}; read it again")
    return after


def load_rollout(connection: Connection, rollout_id: str) -> Rollout:
    """Return the rollout.

    Raises:
        NotFoundError: there is none with this id.
        DataContractError: what is stored is none.
    """
    row = connection.execute(select(rollout_table).where(rollout_table.c.id == rollout_id)).first()
    if row is None:
        raise NotFoundError(f"rollout {rollout_id!r}: not known; list them with 'trimtab rollouts list'")
    return _from_row(row)


def require_unchanged(connection: Connection, rollout: Rollout) -> None:
    """Return if ``rollout`` is as it was read.

    Raises:
        ConflictError: it changed since; read it again and decide anew.
    """
    found = connection.execute(select(rollout_table.c.version).where(rollout_table.c.id == rollout.id)).scalar()
    if found != rollout.version:
        raise ConflictError(f"rollout {rollout.id}: changed since version {rollout.version}; read it again")


def active_rollout(connection: Connection, endpoint: str) -> Rollout | None:
    """Return the rollout that is under way on ``endpoint``.

    Raises:
        DataContractError: what is stored is none.
    """
    row = connection.execute(
        select(rollout_table).where(rollout_table.c.endpoint == endpoint, rollout_table.c.active)
    ).first()
    return None if row is None else _from_row(row)


def list_rollouts(
    connection: Connection,
    *,
    model: str | None = None,
    active_only: bool = False,
    after: Place | None = None,
    limit: int = 50,
) -> list[Rollout]:
    """Return rollouts, newest first, those behind ``after``; a row that is none is told in the log, and left out."""
    query = newest(select(rollout_table), rollout_table.c.started_us, rollout_table.c.id, after=after, limit=limit)
    if model is not None:
        query = query.where(rollout_table.c.model == model)
    if active_only:
        query = query.where(rollout_table.c.active)
    found = []
    for row in connection.execute(query):
        try:
            found.append(_from_row(row))
        except DataContractError as error:
            _tell(row.id, str(error))
    return found


def _changing(rollout: Rollout) -> dict[str, Any]:
    return {
        "phase": rollout.state.phase.value,
        "active": not rollout.state.phase.is_final,
        "finished_us": rollout.finished_us,
        "version": rollout.version,
        "spec": {
            "spec": rollout.spec.to_json() if rollout.unread is None else rollout.unread.spec,
            "state": rollout.state.to_json(),
            "log": list(rollout.log),
            "last": rollout.last,
        },
    }


def _from_row(row: Any) -> Rollout:
    try:
        spec, unread = _spec(row.id, row.spec["spec"])
        return Rollout(
            id=row.id,
            spec=spec,
            state=RolloutState.from_json(row.spec["state"]),
            started_us=row.started_us,
            finished_us=row.finished_us,
            action_id=row.action_id,
            log=tuple(row.spec["log"]),
            last=row.spec["last"],
            version=row.version,
            unread=unread,
        )
    except (TrimtabError, ValidationError, LookupError, TypeError) as error:
        raise DataContractError(
            f"rollout {row.id} on {row.endpoint!r}: cannot be read ({_told(error)}); restore it from a backup, or go "
            "back to the release that wrote it"
        ) from error


def _spec(rollout_id: str, stored: Mapping[str, Any]) -> tuple[RolloutSpec, Unread | None]:
    """Return the spec, as far as it can be read; and what of it cannot be.

    A limit that no rollout may have (any more) must not keep a person from taking it back, or others from going on.
    """
    try:
        return RolloutSpec.from_json(stored), None
    except (TrimtabError, ValidationError) as error:
        why = f"its spec cannot be read ({_told(error)})"
    _tell(rollout_id, why)
    for needless in _NEEDLESS[:-1]:
        try:
            return RolloutSpec.from_json(_without(stored, needless)), Unread(why, dict(stored))
        except (TrimtabError, ValidationError):
            continue
    return RolloutSpec.from_json(_without(stored, _NEEDLESS[-1])), Unread(why, dict(stored))


def _without(stored: Mapping[str, Any], needless: tuple[str, ...]) -> JsonObject:
    return {name: value for name, value in stored.items() if name not in needless}


def _told(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    found = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, found['loc']))}: {found['msg'][:1].lower()}{found['msg'][1:]}"


@lru_cache(maxsize=1_000)
def _tell(rollout_id: str, why: str) -> None:
    """Say it in the log: once, as rollouts are read all the time."""
    _log.error("rollout.unread", rollout=rollout_id, error=why)


def _busy(spec: RolloutSpec, running: Rollout) -> str:
    since = from_micros(running.started_us).isoformat(timespec="seconds")
    return (
        f"endpoint {spec.endpoint!r}: rollout {running.id} of {running.spec.candidate.variant} "
        f"is {running.state.phase}, started {since}; let it finish or abort it before {spec.candidate.variant} starts"
    )
