"""Trainings that wait for something outside: MLflow, or room on a disk. They go on by themselves, within bounds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from trimtab.config.durations import format_duration
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.training.hindrance import Hindrance

__all__ = ["PATIENCE", "Waiting", "waits_longer", "waits_of"]

PATIENCE: Final = timedelta(hours=24)
"""How long a training waits in all for what is away, before it fails."""

_AGAIN_AFTER_S: Final = (5, 15, 30, 60, 120, 300)
_LONGEST_US: Final = _AGAIN_AFTER_S[-1] * 1_000_000


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a training waits for and why; machine time, microseconds UTC. ``waited_us``: in all waits until now."""

    waits_for: str
    error: str
    since_us: int
    again_us: int
    times: int = 1
    waited_us: int = 0

    def is_due(self, machine_us: int) -> bool:
        """Whether it is time for another attempt; also when the machine's clock has gone back since."""
        return not machine_us < self.again_us <= machine_us + _LONGEST_US

    @property
    def is_hopeless(self) -> bool:
        """Whether the patience is at its end."""
        return self.waited_us > PATIENCE // timedelta(microseconds=1)

    @property
    def told(self) -> str:
        """How it goes, in words that follow ``waiting``.

        >>> print(Waiting("MLflow", "MLflow at http://ml: refused", 0, 15_000_000).told)
        for MLflow since 1970-01-01 00:00:00 UTC, tries again at 00:00:15: MLflow at http://ml: refused
        """
        since, again = f"{from_micros(self.since_us):%Y-%m-%d %H:%M:%S}", f"{from_micros(self.again_us):%H:%M:%S}"
        return f"for {self.waits_for} since {since} UTC, tries again at {again}: {self.error}"

    @property
    def given_up(self) -> str:
        """Why it has failed."""
        return f"waited {format_duration(PATIENCE)} for {self.waits_for}: {self.error}; then train again"

    def to_json(self) -> JsonObject:
        """Return it as a job stores it."""
        return asdict(self)


def waits_of(spec: JsonObject) -> Waiting | None:
    """Return what a job has waited for, as its ``spec`` stores it; None if it never had to."""
    stored = spec.get("waits")
    return None if stored is None else Waiting(**stored)


def waits_longer(before: Waiting | None, found: Hindrance, machine_us: int) -> Waiting:
    """Return what a training waits for after an attempt met ``found``: each wait is longer, up to five minutes."""
    times = 1 if before is None else before.times + 1
    wait_us = _AGAIN_AFTER_S[min(times, len(_AGAIN_AFTER_S)) - 1] * 1_000_000
    same = before is not None and before.waits_for == found.waits_for
    return Waiting(
        waits_for=found.waits_for,
        error=found.error,
        since_us=before.since_us if same and before is not None else machine_us,
        again_us=machine_us + wait_us,
        times=times,
        waited_us=wait_us + (0 if before is None else before.waited_us),
    )
