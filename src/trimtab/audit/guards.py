"""Whether the database still stands in the way of edits: its triggers on the log and its head."""

from __future__ import annotations

from typing import Final

from sqlalchemy import text

from trimtab.db.engine import Connection

__all__ = ["missing_guards"]

_OF_BOTH: Final = frozenset(
    {"audit_entry_only_next", "audit_head_only_forward", "audit_head_no_delete", "audit_head_only_one"}
)
_GUARDS: Final = {
    "sqlite": _OF_BOTH | {"audit_entry_no_update", "audit_entry_no_delete"},
    "postgresql": _OF_BOTH | {"audit_entry_no_change"},
}
_THERE: Final = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_entry', 'audit_head')",
    # 'D' is a trigger that was disabled, 'R' one that fires for replicas alone.
    "postgresql": (
        "SELECT tgname FROM pg_trigger WHERE tgrelid IN ('audit_entry'::regclass, 'audit_head'::regclass) "
        "AND tgenabled IN ('O', 'A')"
    ),
}


def missing_guards(connection: Connection) -> list[str]:
    """Return the names of triggers that are gone or switched off; whoever owns the tables can do that.

    None missing proves nothing: they may have been away for a while.
    """
    dialect = connection.dialect.name
    return sorted(_GUARDS[dialect] - set(connection.execute(text(_THERE[dialect])).scalars()))
