"""Keeps the stored profiles of what the monitors look at summed up, between deliveries."""

from __future__ import annotations

from datetime import timedelta

import structlog

from trimtab.core.clock import to_micros
from trimtab.core.errors import TrimtabError
from trimtab.lake.profile_rollup import roll_up
from trimtab.loop.platform import Platform

__all__ = ["roll_up_profiles"]

_log = structlog.get_logger(__name__)


def roll_up_profiles(platform: Platform) -> bool:
    """Sum up some closed hours and days of each endpoint's longest window; return whether there were any.

    A few at a call, so that deliveries need not wait long. A model whose files are at fault is left out.
    """
    now = platform.clock.now()
    written = 0
    for model in platform.project.model_names:
        try:
            files = platform.files(model)
            since = now - files.monitoring.longest_window - timedelta(days=1)
            written += roll_up(platform.database, files.endpoint, since_us=to_micros(since), now_us=to_micros(now))
        except TrimtabError as error:
            _log.warning("profiles.not_summed_up", model=model, error=str(error))
    return written > 0
