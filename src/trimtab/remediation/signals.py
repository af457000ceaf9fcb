"""How checks are told apart across windows, variants and versions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trimtab.core.enums import Verdict
from trimtab.monitoring.check import Check

__all__ = ["SignalKey", "key_of", "worst_by_key"]

_RANK = {Verdict.OK: 0, Verdict.INCONCLUSIVE: 1, Verdict.BREACH: 2}


class SignalKey(NamedTuple):
    """What a check is about: ``part`` is the column, metric, percentile or fingerprint, None for the whole window."""

    monitor: str
    kind: str
    part: str | None

    @property
    def label(self) -> str:
        """The key in words.

        >>> SignalKey("drift", "data_drift", "chol").label, SignalKey("drift", "data_drift", None).label
        ('drift of chol', 'drift')
        """
        return self.monitor if self.part is None or self.kind == "alert" else f"{self.monitor} of {self.part}"


def key_of(check: Check) -> SignalKey:
    """Return what ``check`` is about; the same for every variant and version."""
    detail = check.detail
    part = check.column or detail.get("metric") or detail.get("percentile") or detail.get("fingerprint")
    return SignalKey(check.monitor, check.kind, None if part is None else str(part))


def worst_by_key(checks: Iterable[Check]) -> dict[SignalKey, Check]:
    """Return the worst check of each key (BREACH before INCONCLUSIVE before OK); of equals the latest window's.

    A window that was judged again, late, says nothing where a later one of the same variant and version was judged.
    """
    found: dict[SignalKey, Check] = {}
    for check in _standing(list(checks)):
        key = key_of(check)
        present = found.get(key)
        if present is None or _badness(check) > _badness(present):
            found[key] = check
    return found


def _standing(checks: Sequence[Check]) -> list[Check]:
    latest_us: dict[tuple[SignalKey, str, int], int] = {}
    for check in checks:
        if check.verdict is not Verdict.INCONCLUSIVE:
            whose = key_of(check), check.variant, check.model_version
            latest_us[whose] = max(check.window.end_us, latest_us.get(whose, check.window.end_us))
    return [
        check
        for check in checks
        if not check.detail.get("late")
        or check.window.end_us >= latest_us.get((key_of(check), check.variant, check.model_version), 0)
    ]


def _badness(check: Check) -> tuple[int, int]:
    return _RANK[check.verdict], check.window.end_us
