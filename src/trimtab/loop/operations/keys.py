"""API keys: make, list, say whose they are, revoke."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.durations import Duration
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.db.engine import machine_us
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Nothing

KeyName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,62}$", description="How the audit log calls the holder.")
]


class CreateKey(Strict):
    """A name for the audit log, and what its holder may do."""

    name: KeyName
    role: Role = Field(description="What its holder may do.")
    owner: KeyName | None = Field(
        default=None, description="The person who holds it, and may hold others; default: the one it is named after."
    )
    expires: Duration | None = Field(
        default=None, gt=timedelta(0), le=timedelta(days=3650), description="How long it works: '90d'. Default: always."
    )


class OwnKey(Strict):
    """Which key, and who holds it."""

    name: KeyName
    owner: KeyName = Field(description="The person who holds it, and may hold others.")


class RevokeKey(Strict):
    """Which key."""

    name: KeyName


@operation("keys.create", "POST", "/api/keys", Role.ADMIN, CreateKey)
def create_key(platform: Platform, actor: Actor, request: CreateKey) -> JsonObject:
    """Make an API key; it is shown this once."""
    at_us = platform.now_us()
    # A key is held against the machine's time, as sessions are: a platform whose clock stands still has no old keys.
    expires_us = None if request.expires is None else machine_us() + request.expires // timedelta(microseconds=1)
    owner = request.owner or request.name
    with platform.database.transaction() as connection:
        key = keys.create_key(
            connection,
            request.name,
            request.role,
            at_us=at_us,
            owner=request.owner,
            created_by=actor.name,
            expires_us=expires_us,
        )
        audit.append(
            connection,
            at_us=at_us,
            actor=actor.name,
            action="key.created",
            subject=f"key:{request.name}",
            after={"role": request.role.value, "owner": owner, "expires_us": expires_us},
        )
    told: JsonObject = {"name": request.name, "role": request.role.value, "owner": owner}
    return {**told, "expires_us": expires_us, "key": key}


@operation("keys.list", "GET", "/api/keys", Role.ADMIN, Nothing)
def list_keys(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """List API keys, without the keys themselves."""
    return {"keys": platform.database.read(keys.list_keys)}


@operation("keys.owner", "POST", "/api/keys/{name}/owner", Role.ADMIN, OwnKey)
def own_key(platform: Platform, actor: Actor, request: OwnKey) -> JsonObject:
    """Say which person holds an API key: whoever holds several is one when it comes to agreeing."""
    with platform.database.transaction() as connection:
        before = keys.own_key(connection, request.name, request.owner)
        audit.append(
            connection,
            at_us=platform.now_us(),
            actor=actor.name,
            action="key.owner_changed",
            subject=f"key:{request.name}",
            before={"owner": before},
            after={"owner": request.owner},
        )
    return {"name": request.name, "owner": request.owner}


@operation("keys.revoke", "POST", "/api/keys/{name}/revoke", Role.ADMIN, RevokeKey)
def revoke_key(platform: Platform, actor: Actor, request: RevokeKey) -> JsonObject:
    """Make an API key useless from now on."""
    at_us = platform.now_us()
    with platform.database.transaction() as connection:
        keys.revoke_key(connection, request.name, at_us=at_us)
        audit.append(connection, at_us=at_us, actor=actor.name, action="key.revoked", subject=f"key:{request.name}")
    return {"name": request.name, "revoked": True}
