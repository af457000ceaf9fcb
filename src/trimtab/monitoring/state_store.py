"""What monitors remember from one window to the next, in the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.exc import IntegrityError

from trimtab.core.canonical import JsonObject, digest_of
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection
from trimtab.db.tables import monitor_state
from trimtab.monitoring.settings import MonitoringConfig, MonitorSettings

__all__ = ["KeptState", "StateKey", "load_states", "save_state", "settings_digest"]

_TOLD_ONLY = {"name", "severity", "schedule", "time_limit"}


@dataclass(frozen=True, slots=True)
class StateKey:
    """Whose state it is: one monitor's, of one version behind one variant."""

    model: str
    endpoint: str
    variant: str
    model_version: int
    monitor: str


@dataclass(frozen=True, slots=True)
class KeptState:
    """A stored state: of which window's end, made under which settings, and how often it was written."""

    state: JsonObject
    window_end_us: int
    settings: str
    version: int


def settings_digest(config: MonitoringConfig, settings: MonitorSettings) -> str:
    """Return what names all that ``settings`` judge by. How, when and how loudly it is told is no part of it."""
    window_s = config.window_of(settings).total_seconds()
    return digest_of([settings.model_dump(mode="json", exclude=_TOLD_ONLY), window_s])[:16]


def load_states(
    connection: Connection, model: str, endpoint: str, variant: str, model_version: int
) -> dict[str, KeptState]:
    """Return the states of one version behind one variant, by the monitor's name."""
    mine = _where(StateKey(model, endpoint, variant, model_version, ""))[:-1]
    return {
        row.monitor: KeptState(row.spec["state"], row.window_end_us, row.spec["settings"], row.version)
        for row in connection.execute(select(monitor_state).where(*mine))
    }


def save_state(
    connection: Connection,
    key: StateKey,
    state: JsonObject,
    *,
    window_end_us: int,
    settings: str,
    before: KeptState | None,
) -> bool:
    """Store ``state`` in place of ``before``; return False when ``before`` is of a window that ends no earlier.

    Raises:
        ConflictError: another process has written this state since ``before`` was read.
    """
    if before is not None and before.settings == settings and window_end_us <= before.window_end_us:
        return False
    values = {"window_end_us": window_end_us, "spec": {"state": state, "settings": settings}}
    if before is None:
        written = _inserted(connection, key, values)
    else:
        known = *_where(key), monitor_state.c.version == before.version
        changed = update(monitor_state).where(*known).values(**values, version=before.version + 1)
        written = connection.execute(changed).rowcount == 1
    if not written:
        raise ConflictError(
            f"monitor {key.monitor!r} of {key.model!r}: another process judged {key.variant!r} meanwhile; expected its "
            "state as it was read; nothing is left to do"
        )
    return True


def _inserted(connection: Connection, key: StateKey, values: JsonObject) -> bool:
    names = {
        "model": key.model,
        "endpoint": key.endpoint,
        "variant": key.variant,
        "model_version": key.model_version,
        "monitor": key.monitor,
    }
    try:
        connection.execute(insert(monitor_state).values(**names, **values, version=1))
    except IntegrityError:
        return False
    return True


def _where(key: StateKey) -> tuple[ColumnElement[bool], ...]:
    return (
        monitor_state.c.model == key.model,
        monitor_state.c.endpoint == key.endpoint,
        monitor_state.c.variant == key.variant,
        monitor_state.c.model_version == key.model_version,
        monitor_state.c.monitor == key.monitor,
    )
