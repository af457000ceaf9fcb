"""API keys: make, list, revoke."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
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


class RevokeKey(Strict):
    """Which key."""

    name: KeyName


@operation("keys.create", "POST", "/api/keys", Role.ADMIN, CreateKey)
def create_key(platform: Platform, actor: Actor, request: CreateKey) -> JsonObject:
    """Make an API key; it is shown this once."""
    at_us = platform.now_us()
    with platform.database.transaction() as connection:
        key = keys.create_key(connection, request.name, request.role, at_us=at_us)
        audit.append(
            connection,
            at_us=at_us,
            actor=actor.name,
            action="key.created",
            subject=f"key:{request.name}",
            after={"role": request.role.value},
        )
    return {"name": request.name, "role": request.role.value, "key": key}


@operation("keys.list", "GET", "/api/keys", Role.ADMIN, Nothing)
def list_keys(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """List API keys, without the keys themselves."""
    return {"keys": platform.database.read(keys.list_keys)}


@operation("keys.revoke", "POST", "/api/keys/{name}/revoke", Role.ADMIN, RevokeKey)
def revoke_key(platform: Platform, actor: Actor, request: RevokeKey) -> JsonObject:
    """Make an API key useless from now on."""
    at_us = platform.now_us()
    with platform.database.transaction() as connection:
        keys.revoke_key(connection, request.name, at_us=at_us)
        audit.append(connection, at_us=at_us, actor=actor.name, action="key.revoked", subject=f"key:{request.name}")
    return {"name": request.name, "revoked": True}
