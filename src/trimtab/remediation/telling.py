"""When people are told of a case again."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from enum import StrEnum

from trimtab.core.clock import from_micros, to_micros
from trimtab.remediation.incidents import Incident

__all__ = ["Again", "again", "told"]


class Again(StrEnum):
    """Why an open case is told again."""

    LOUDER = "louder"
    REPEATED = "repeated"


def again(incident: Incident, *, now: datetime, repeat: timedelta | None) -> Again | None:
    """Return why people should hear of a case again, None if they should not.

    An open case is told again when it is louder than when it was last told, and each time that ``repeat`` has passed
    since; None never repeats. What joins it without being louder is quiet. Pure; once it is `told`, there is no reason.
    """
    if not incident.state.is_open:
        return None
    if incident.told_severity is not None and incident.loudness.rank > incident.told_severity.rank:
        return Again.LOUDER
    if repeat is None:
        return None
    if incident.told_us is None or now - from_micros(incident.told_us) >= repeat:
        return Again.REPEATED
    return None


def told(incident: Incident, *, now: datetime) -> Incident:
    """Return the case as one that people were told of just now."""
    return dataclasses.replace(incident, told_us=to_micros(now), told_severity=incident.loudness)
