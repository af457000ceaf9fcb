"""Feeds whose cases are over, and that could not be trusted again at that moment: proposed when it can be done."""

from __future__ import annotations

from trimtab.db.outbox import Event
from trimtab.loop.conductor import Commit
from trimtab.loop.freeing import free_feeds
from trimtab.loop.platform import Platform

__all__ = ["look_at_feeds"]


def look_at_feeds(platform: Platform, event: Event) -> Commit | None:
    """Look after each run of a model's monitors whether a feed waits to be trusted again."""
    model = str(event.payload["model"])
    if model not in platform.project.model_names:
        return None
    return lambda connection: free_feeds(connection, platform, model)
