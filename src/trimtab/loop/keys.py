"""API keys: random, shown once, stored as hashes, each with a role."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import insert, select, update

from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError, NotFoundError, UnknownCallerError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection
from trimtab.db.tables import api_key
from trimtab.loop.actor import Actor

__all__ = ["LOCAL_ADMIN", "authenticate", "create_key", "list_keys", "other_approvers", "replace_key", "revoke_key"]

_PREFIX = "tt_"
_OURS = frozenset({"conductor", "policy", "trigger", "trimtab"})
LOCAL_ADMIN = "local-admin"
"""The key that ``trimtab up`` makes for the person at this machine."""


def create_key(connection: Connection, name: str, role: Role, *, at_us: int) -> str:
    """Store a new key and return it; it can never be read again.

    Raises:
        ConflictError: a key of that name is in use, or the name is one of the platform's own.
    """
    if name in _OURS:
        raise ConflictError(f"key {name!r}: the audit log calls parts of the platform so; choose another name")
    used = api_key.c.name == name
    connection.execute(api_key.delete().where(used, api_key.c.revoked_us.is_not(None)))
    if connection.execute(select(api_key.c.id).where(used)).first() is not None:
        raise ConflictError(f"key {name!r}: exists already; revoke it first, or choose another name")
    key = _PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        insert(api_key).values(id=new_id(), name=name, role=role.value, key_hash=_hash(key), created_us=at_us)
    )
    return key


def replace_key(connection: Connection, name: str, role: Role, *, at_us: int) -> str:
    """Return a fresh key for ``name``; one that existed before stops working."""
    connection.execute(api_key.delete().where(api_key.c.name == name))
    return create_key(connection, name, role, at_us=at_us)


def revoke_key(connection: Connection, name: str, *, at_us: int) -> None:
    """Make the key ``name`` useless from now on.

    Raises:
        NotFoundError: there is no such key in use.
    """
    changed = connection.execute(
        update(api_key).where(api_key.c.name == name, api_key.c.revoked_us.is_(None)).values(revoked_us=at_us)
    )
    if changed.rowcount == 0:
        raise NotFoundError(f"key {name!r}: none in use has that name; see 'trimtab keys list'")


def list_keys(connection: Connection) -> list[dict[str, object]]:
    """Return name, role and times of all keys, oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created_us)).all()
    return [
        {"name": row.name, "role": row.role, "created_us": row.created_us, "revoked_us": row.revoked_us} for row in rows
    ]


def authenticate(connection: Connection, key: str) -> Actor:
    """Return whose key this is.

    Raises:
        UnknownCallerError: it is nobody's, or was revoked.
    """
    row = connection.execute(
        select(api_key.c.name, api_key.c.role).where(api_key.c.key_hash == _hash(key), api_key.c.revoked_us.is_(None))
    ).first()
    if row is None:
        raise UnknownCallerError("API key: unknown or revoked; pass a valid one as 'Authorization: Bearer tt_…'")
    return Actor(name=row.name, role=Role(row.role))


def other_approvers(connection: Connection, name: str) -> int:
    """Return how many keys of other names could approve."""
    rows = connection.execute(
        select(api_key.c.role).where(api_key.c.name != name, api_key.c.revoked_us.is_(None))
    ).scalars()
    return sum(Role(role).reaches(Role.APPROVER) for role in rows)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
