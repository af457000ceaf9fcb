"""What endpoints served, and when."""

from __future__ import annotations

from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.clock import to_micros
from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.paging import Place
from trimtab.loop.actor import Actor
from trimtab.loop.history import served_at, standing_of, told
from trimtab.loop.operation import operation
from trimtab.loop.operations.deployment import OneEndpoint, weights_of
from trimtab.loop.platform import Platform
from trimtab.loop.requests import Moment
from trimtab.rollout import endpoint_store


class History(OneEndpoint):
    """Which endpoint, and perhaps which moment."""

    at: Moment | None = Field(default=None, description="Only what was served at that moment; null: the newest.")


@operation("endpoints.history", "GET", "/api/endpoints/{endpoint}/history", Role.VIEWER, History)
def show_history(platform: Platform, _actor: Actor, request: History) -> JsonObject:
    """Say which versions an endpoint served with which share, of which data, from when to when, and who made it so.

    Newest first. A generation that has no `since_us` was never seen to be served.
    """
    further = None
    with platform.database.reading() as connection:
        if request.at is not None:
            standings = [served_at(connection, request.endpoint, to_micros(request.at))]
        else:
            model = endpoint_store.model_of(connection, request.endpoint)
            if model is None:
                raise NotFoundError(f"endpoint {request.endpoint!r}: never served anything; see 'trimtab status'")
            found = endpoint_store.endpoint_generations(
                connection, request.endpoint, after=request.place, limit=request.one_more
            )
            shown, further = request.page(found, lambda one: Place(one.spec.generation, request.endpoint))
            standings = [standing_of(connection, model, generation) for generation in shown]
    generations = [{**told(one), "variants": weights_of(one.generation.spec)} for one in standings]
    return {"endpoint": request.endpoint, "generations": generations, "next": further}
