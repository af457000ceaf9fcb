"""What an inference server on another machine needs, to serve what is deployed here."""

from __future__ import annotations

from pathlib import Path

import msgspec
from pydantic import Field

from trimtab.bundle.writer import is_path_in_bundle
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Nothing
from trimtab.rollout import endpoint_store


class FileOfBundle(Strict):
    """Which file of which bundle."""

    digest: str = Field(pattern=r"^[0-9a-f]{64}$", description="The bundle's digest, as a spec names it.")
    name: str = Field(max_length=500, description="The file, as `bundle.json` lists it; or `bundle.json` itself.")


@operation("serving.specs", "GET", "/v1/serving/specs", Role.SERVICE, Nothing)
def list_specs(platform: Platform, _actor: Actor, _request: Nothing) -> JsonObject:
    """Return what every endpoint shall serve; over HTTP only where it has changed since (`If-None-Match`)."""
    with platform.database.reading() as connection:
        specs = endpoint_store.list_desired(connection)
    return {"specs": [msgspec.to_builtins(spec) for spec in specs]}


@operation("serving.bundle", "GET", "/v1/serving/bundles/{digest}", Role.SERVICE, FileOfBundle)
def find_file(platform: Platform, _actor: Actor, request: FileOfBundle) -> JsonObject:
    """Return a file of a bundle that an endpoint shall serve; over HTTP its bytes."""
    with platform.database.reading() as connection:
        specs = endpoint_store.list_desired(connection)
    wanted = (variant for spec in specs for variant in spec.variants if variant.bundle_digest == request.digest)
    found = next(wanted, None)
    if found is None:
        raise NotFoundError(f"bundle {request.digest[:12]}…: no endpoint serves it; ask for the specs again")
    path = Path(found.bundle_path) / request.name
    if not is_path_in_bundle(request.name) or path.is_symlink() or not path.is_file():
        raise NotFoundError(f"bundle {request.digest[:12]}…: holds no file {request.name[:80]!r}; see its bundle.json")
    return {"path": str(path)}
