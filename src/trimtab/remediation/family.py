"""What a case is about: which breaches belong together, so that one does not wait for another's recovery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from trimtab.monitoring.check import Check
from trimtab.remediation.kinds import Family
from trimtab.remediation.signals import SignalKey, key_of

__all__ = ["FROM_OUTSIDE", "by_family", "family_of"]

FROM_OUTSIDE = "alert"
"""The kind of a check that no monitor of ours made: an outside alert, a failed job, a person's report."""

_OF_THE_SERVICE = frozenset({"latency", "errors"})


def family_of(check: Check) -> Family:
    """Return what ``check`` is about: one from outside says it itself, ours go by their kind."""
    if check.kind == FROM_OUTSIDE:
        return Family(check.detail.get("family", Family.PIPELINE))
    return Family.SERVICE if check.kind in _OF_THE_SERVICE else Family.MODEL


def by_family(checks: Iterable[Check], standing: Mapping[SignalKey, Family]) -> dict[Family, list[Check]]:
    """Return ``checks`` by the family whose case takes them.

    ``standing`` says which open case is about something already: it goes on there, whatever its kind, or a case of
    before families would never see its latency recover.
    """
    found: dict[Family, list[Check]] = {}
    for check in checks:
        found.setdefault(standing.get(key_of(check), family_of(check)), []).append(check)
    return found
