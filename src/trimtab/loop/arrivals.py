"""Notices when what is desired of an endpoint is served: its history says so from then on, and the registry."""

from __future__ import annotations

import structlog

from trimtab.core.errors import BackendError
from trimtab.loop.platform import Platform
from trimtab.rollout import endpoint_store, store

__all__ = ["note_arrivals"]

_log = structlog.get_logger(__name__)


def note_arrivals(platform: Platform) -> bool:
    """Store of each desired generation when it was first seen to be served; return whether any was.

    One that is replaced before anybody looked was never seen: the history says so.
    """
    with platform.database.reading() as connection:
        awaited = endpoint_store.unseen(connection)
    return any([_note(platform, endpoint, generation) for endpoint, generation in awaited])


def _note(platform: Platform, endpoint: str, generation: int) -> bool:
    try:
        status = platform.deployer.observe(endpoint)
    except BackendError as error:
        # The others are looked at all the same.
        _log.warning("arrival.not_seen", endpoint=endpoint, error=str(error))
        return False
    if status is None or status.generation != generation or not all(told.ready for told in status.variants):
        return False
    at_us = platform.now_us()
    with platform.database.transaction() as connection:
        if not endpoint_store.mark_served(connection, endpoint, generation, at_us=at_us):
            return False
        found = endpoint_store.generation_at(connection, endpoint, at_us)
        if found is None or found.rollout_id is None:
            return True
        rollout = store.load_rollout(connection, found.rollout_id)
        if rollout.spec.endpoint == endpoint:
            # Staging is no production: nobody is told.
            payload = {"model": rollout.spec.model, "endpoint": endpoint, "generation": generation}
            platform.publish(connection, "endpoint.served", f"model:{rollout.spec.model}", payload)
    return True
