"""What a diagnosis rests on: values that others have gathered. Nothing here is read from anywhere, or judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.kinds import Family

__all__ = ["ConfigChange", "Evidence", "Ledger", "RecentRollout", "Traffic"]


@dataclass(frozen=True, slots=True)
class RecentRollout:
    """A version that went out lately: ``at_us`` is when it had taken all traffic, or began to where it has not yet.

    ``before`` is the version that it replaced, None where nobody knows.
    """

    at_us: int
    candidate: int
    phase: str
    before: int | None = None


@dataclass(frozen=True, slots=True)
class ConfigChange:
    """A change of the model's files, or of the policy, lately."""

    at_us: int
    what: str


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows answered in the window that is judged, and ``usual``ly in one as long; None where nobody counted."""

    now: int
    usual: float | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger of losses says of a training now.

    ``would_gain``: whether a fresher version would have lost less than the champion by more than a training costs,
    None where that is not known. ``age_s`` is how long ago the champion learnt its newest rows, ``usual_life_s`` how
    long versions before it served, ``longest_life_s`` the age from which the model's own files call for a training.
    """

    would_gain: bool | None
    why: str
    age_s: float | None = None
    usual_life_s: float | None = None
    longest_life_s: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a case's diagnosis rests on, all of it values.

    ``checks`` are the newest of each monitor (all verdicts), and what the case holds from outside; ``history`` those of
    the windows before, in any order. ``seen`` are breaches of the case that are well again, of windows that what is
    still wrong reaches back to: outcomes come when what befell their rows may be over. ``affected_row_share`` is the
    share of recent rows that the trouble touches, 0..1. ``begun_us`` is the start of the first window that breached.
    ``importance`` is each feature's share of what the model uses, ``primary`` the metric that it is judged by.
    ``criticality`` multiplies the severity. ``unlisted`` alerts of others fire beside those among ``checks``. None, or
    empty: not known.
    """

    checks: tuple[Check, ...]
    alerts: tuple[Alert, ...] = ()
    rollouts: tuple[RecentRollout, ...] = ()
    affected_row_share: float | None = None
    family: Family = Family.MODEL
    history: tuple[Check, ...] = ()
    seen: tuple[Check, ...] = ()
    config_changes: tuple[ConfigChange, ...] = ()
    traffic: Traffic | None = None
    ledger: Ledger | None = None
    importance: Mapping[str, float] = field(default_factory=dict)
    primary: str | None = None
    begun_us: int | None = None
    now_us: int | None = None
    criticality: float = 1.0
    unlisted: int = 0
