"""Whether the database still stands in the way of edits: its triggers on the log and its head, as they were written."""

from __future__ import annotations

import hashlib
from typing import Final

from sqlalchemy import text

from trimtab.db.engine import Connection

__all__ = ["missing_guards"]

# The first 16 hexadecimal digits of the SHA-256 of what `_THERE` tells of each, as the migrations write it.
_GUARDS: Final = {
    "sqlite": {
        "audit_entry_no_update": "b428a1068ec06322",
        "audit_entry_no_delete": "0651690e4f1f3e8f",
        "audit_entry_only_next": "3595a99cd971ee9e",
        "audit_head_only_forward": "a495704ab25db2dd",
        "audit_head_no_delete": "f89de183e847216c",
        "audit_head_only_one": "a7dfb534bcc82e6c",
    },
    "postgresql": {
        "audit_entry_no_change": "cf1d901214b6bce8",
        "audit_entry_only_next": "fc728d5cb5a60b55",
        "audit_head_only_forward": "87ede21814fb5e3f",
        "audit_head_no_delete": "4597bb80ca189d3e",
        "audit_head_only_one": "d70f3b34fc1d00a4",
    },
}
_THERE: Final = {
    "sqlite": (
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_entry', 'audit_head')"
    ),
    # 'D' is a trigger that was disabled, 'R' one that fires for replicas alone. A condition, or columns, narrow it.
    "postgresql": (
        "SELECT tgname, concat_ws(' ', tgrelid = 'audit_entry'::regclass, tgtype, tgqual IS NOT NULL, tgattr::text, "
        "lanname, prosrc) "
        "FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_language ON pg_language.oid = prolang "
        "WHERE tgrelid IN ('audit_entry'::regclass, 'audit_head'::regclass) AND tgenabled IN ('O', 'A')"
    ),
}


def missing_guards(connection: Connection) -> list[str]:
    """Return the names of triggers that are gone, switched off, or do something else than those that were written.

    Whoever owns the tables can do that. None missing proves nothing: they may have been away for a while.
    """
    dialect = connection.dialect.name
    there = {name: _digest(told) for name, told in connection.execute(text(_THERE[dialect]))}
    return sorted(name for name, digest in _GUARDS[dialect].items() if there.get(name) != digest)


def _digest(told: str) -> str:
    return hashlib.sha256(" ".join(told.split()).encode()).hexdigest()[:16]
