"""What an entry of the log is about, as far as it says so itself."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from trimtab.audit.entry import AuditEntry

__all__ = ["MOST_CHARACTERS", "About", "Told", "day_of", "told_by"]

_DAY_US: Final = 86_400_000_000
MOST_CHARACTERS: Final = 200


class About(StrEnum):
    """What entries can be asked for by."""

    MODEL = "model"
    VERSION = "version"
    ENDPOINT = "endpoint"
    ROLLOUT = "rollout"
    JOB = "job"
    ACTION = "action"
    INCIDENT = "incident"
    ACTOR = "actor"
    DAY = "day"


Told = dict[About, str]

_OF_SUBJECT: Final[Mapping[str, tuple[About | None, About | None]]] = {
    "model": (About.MODEL, None),
    "version": (About.MODEL, None),
    "snapshot": (About.MODEL, None),
    "delivery": (About.MODEL, None),
    "feed": (About.MODEL, None),
    "endpoint": (About.ENDPOINT, None),
    "rollout": (About.ENDPOINT, About.ROLLOUT),
    "action": (About.ACTION, None),
    "incident": (About.INCIDENT, None),
}
"""By the first word of a subject: what stands before the slash, and what after it."""
_OF_DETAIL: Final[Mapping[str, About]] = {
    "model": About.MODEL,
    "endpoint": About.ENDPOINT,
    "incident_id": About.INCIDENT,
    "action_id": About.ACTION,
    "job_id": About.JOB,
}


def told_by(entry: AuditEntry) -> Told:
    """Return what ``entry`` itself says that it is about; nothing that takes more than 200 characters.

    >>> from trimtab.audit.entry import GENESIS_HASH
    >>> fields = {"sequence": 1, "id": "a", "at_us": 0, "actor": "ada", "action": "x", "previous_hash": GENESIS_HASH}
    >>> entry = AuditEntry(**fields, subject="version:bike/3", spec={"detail": {"job_id": "j1"}}, hash="")
    >>> [str(value) for value in told_by(entry).values()]
    ['bike', 'bike/3', 'j1', 'ada', '000000000000']
    """
    word, _, rest = entry.subject.partition(":")
    name, _, part = rest.partition("/")
    first, second = _OF_SUBJECT.get(word, (None, None))
    found: Told = {}
    if first is not None:
        found[first] = name
    if second is not None:
        found[second] = part
    if word == "version":
        found[About.VERSION] = rest
    for key, kind in _OF_DETAIL.items():
        value = entry.detail.get(key)
        if isinstance(value, str):
            found.setdefault(kind, value)
    found[About.ACTOR] = entry.actor
    found[About.DAY] = day_of(entry.at_us)
    return {kind: value for kind, value in found.items() if 0 < len(value) <= MOST_CHARACTERS}


def day_of(at_us: int) -> str:
    """Return the day as text that sorts as days do; what is before 1970 is the first day."""
    return f"{max(at_us, 0) // _DAY_US:012d}"
