"""API keys: random, shown once, stored as hashes, each with a role and the person whose it is."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from typing import Any

from sqlalchemy import ColumnElement, insert, or_, select, update

from trimtab.core.enums import Role
from trimtab.core.errors import BackendError, ConflictError, NotFoundError, UnknownCallerError
from trimtab.core.ids import new_id
from trimtab.db.engine import Connection, Database, machine_us
from trimtab.db.tables import api_key
from trimtab.loop.actor import Actor
from trimtab.remediation.votes import PARTS_OF_OURS, SOMEBODY_HERE

__all__ = [
    "LOCAL_ADMIN",
    "approvers",
    "authenticate",
    "create_key",
    "holder_of",
    "list_keys",
    "own_key",
    "owner_here",
    "owner_named",
    "person_named",
    "recognised",
    "replace_key",
    "revoke_key",
]

_PREFIX = "tt_"
_DAY_US = 86_400_000_000
LOCAL_ADMIN = SOMEBODY_HERE
"""The key that ``trimtab up`` makes for the person at this machine; until an admin says who that is, anybody's."""


def create_key(
    connection: Connection,
    name: str,
    role: Role,
    *,
    at_us: int,
    owner: str | None = None,
    created_by: str | None = None,
    expires_us: int | None = None,
) -> str:
    """Store a new key and return it; it can never be read again.

    ``owner`` is the person who holds it, by default the one after whom it is named. ``expires_us`` is machine time.

    Raises:
        ConflictError: a key of that name is in use, or the name is one of the platform's own.
    """
    _require_of_a_person(name, "key")
    if owner is not None:
        _require_of_a_person(owner, "owner")
    used = api_key.c.name == name
    connection.execute(api_key.delete().where(used, api_key.c.revoked_us.is_not(None)))
    if connection.execute(select(api_key.c.id).where(used)).first() is not None:
        raise ConflictError(f"key {name!r}: exists already; revoke it first, or choose another name")
    key = _PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        insert(api_key).values(
            id=new_id(),
            name=name,
            role=role.value,
            key_hash=_hash(key),
            created_us=at_us,
            owner=owner,
            created_by=created_by,
            expires_us=expires_us,
        )
    )
    return key


def replace_key(connection: Connection, name: str, role: Role, *, at_us: int) -> str:
    """Return a fresh key for ``name``; one that existed before stops working. Whose it is stays as it was."""
    owner = connection.execute(select(api_key.c.owner).where(api_key.c.name == name)).scalar_one_or_none()
    connection.execute(api_key.delete().where(api_key.c.name == name))
    return create_key(connection, name, role, at_us=at_us, owner=owner)


def own_key(connection: Connection, name: str, owner: str) -> str:
    """Say that the key ``name`` is held by the person ``owner``; return who held it as far as was known.

    Raises:
        NotFoundError: there is no such key in use.
        ConflictError: the owner has the name of a part of the platform.
    """
    _require_of_a_person(owner, "owner")
    if owner == LOCAL_ADMIN:
        raise ConflictError(f"owner {owner!r}: means that nobody knows whose it is; name a person")
    row = connection.execute(select(api_key).where(api_key.c.name == name, api_key.c.revoked_us.is_(None))).first()
    if row is None:
        raise NotFoundError(f"key {name!r}: none in use has that name; see 'trimtab keys list'")
    connection.execute(update(api_key).where(api_key.c.id == row.id).values(owner=owner))
    return _owner_of(row)


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
    """Return name, role, owner and times of all keys, oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created_us)).all()
    return [
        {
            "name": row.name,
            "role": row.role,
            "owner": _owner_of(row),
            "created_us": row.created_us,
            "created_by": row.created_by,
            "expires_us": row.expires_us,
            "last_used_us": row.last_used_us,
            "revoked_us": row.revoked_us,
        }
        for row in rows
    ]


def authenticate(connection: Connection, key: str) -> Actor:
    """Return whose key this is.

    Raises:
        UnknownCallerError: it is nobody's, was revoked, or has expired.
    """
    row = connection.execute(select(api_key).where(api_key.c.key_hash == _hash(key), _works(machine_us()))).first()
    if row is None:
        raise UnknownCallerError("API key: unknown, revoked or expired; pass one as 'Authorization: Bearer tt_…'")
    return _actor(row)


def recognised(database: Database, key: str) -> Actor:
    """Return whose key this is, and remember on which day it was last used.

    Raises:
        UnknownCallerError: it is nobody's, was revoked, or has expired.
    """
    now_us = machine_us()
    with database.reading() as connection:
        actor = authenticate(connection, key)
        used_us = connection.execute(select(api_key.c.last_used_us).where(api_key.c.name == actor.name)).scalar()
    if used_us is None or used_us // _DAY_US != now_us // _DAY_US:
        # By day: a write for each request would have all of them wait for one another. Nobody is turned away for it.
        with contextlib.suppress(BackendError), database.transaction() as connection:
            seen = update(api_key).where(api_key.c.key_hash == _hash(key))
            connection.execute(seen.values(last_used_us=now_us - now_us % _DAY_US))
    return actor


def holder_of(connection: Connection, key_id: str) -> Actor | None:
    """Return who holds the key with this id now; None when it is of no use any more."""
    row = connection.execute(select(api_key).where(api_key.c.id == key_id, _works(machine_us()))).first()
    return None if row is None else _actor(row)


def approvers(connection: Connection, role: Role) -> frozenset[str]:
    """Return the people who hold a key that works and reaches ``role``, each once."""
    rows = connection.execute(select(api_key).where(_works(machine_us())))
    return frozenset(_owner_of(row) for row in rows if Role(row.role).reaches(role))


def person_named(connection: Connection, owner: str) -> Actor | None:
    """Return the person by their own name, with the highest role of their keys that work; None: they have none."""
    rows = connection.execute(select(api_key).where(_works(machine_us()))).all()
    roles = [Role(row.role) for row in rows if _owner_of(row) == owner]
    highest = next((role for role in (Role.ADMIN, Role.APPROVER, Role.OPERATOR, Role.VIEWER) if role in roles), None)
    return None if highest is None else Actor(name=owner, role=highest, owner=owner)


def owner_named(connection: Connection, name: str) -> str:
    """Return the person who holds the key ``name``, or held it; the name itself where there is no such key."""
    row = connection.execute(select(api_key).where(api_key.c.name == name)).first()
    return name if row is None else _owner_of(row)


def owner_here(connection: Connection) -> str:
    """Return who is at this machine: whom an admin named as the owner of its key, or somebody."""
    return owner_named(connection, LOCAL_ADMIN)


def _owner_of(row: Any) -> str:
    return str(row.owner or row.name)


def _actor(row: Any) -> Actor:
    return Actor(name=row.name, role=Role(row.role), owner=_owner_of(row), key_id=row.id)


def _works(now_us: int) -> ColumnElement[bool]:
    not_expired = or_(api_key.c.expires_us.is_(None), api_key.c.expires_us > now_us)
    return api_key.c.revoked_us.is_(None) & not_expired


def _require_of_a_person(name: str, what: str) -> None:
    if name in PARTS_OF_OURS:
        raise ConflictError(f"{what} {name!r}: the audit log calls parts of the platform so; choose another name")


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
