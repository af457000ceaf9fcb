"""One monitor's judgement of one window: what was found, what was allowed, and why it says so."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity, Verdict
from trimtab.core.errors import DataContractError

__all__ = ["Check", "Window"]


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start_us`` up to, not including, ``end_us``: microseconds since 1970 UTC, of event time."""

    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class Check:
    """What ``monitor`` (of type ``kind``) says of a column, or of all (``column`` None), in a window of one variant.

    ``value`` is held against ``threshold``; ``effect`` says how large the change is, 0 meaning none: a distance
    (drift), an excess share (data quality), a relative worsening (model quality, latency). All three are None where
    nothing could be measured. ``detail`` holds what else was seen, as JSON.
    """

    monitor: str
    kind: str
    model: str
    endpoint: str
    variant: str
    model_version: int
    column: str | None
    window: Window
    value: float | None
    threshold: float | None
    effect: float | None
    verdict: Verdict
    severity: Severity
    explanation: str
    detail: JsonObject = field(default_factory=dict)
    opens: bool = True

    @property
    def is_late(self) -> bool:
        """Whether a window that was over was judged again, since outcomes of it came late: no word of the present."""
        return bool(self.detail.get("late"))

    def to_json(self) -> JsonObject:
        """Return the check as JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(content: JsonObject) -> Check:
        """Return the check that `to_json` wrote.

        Raises:
            DataContractError: a field is missing, unknown or of no known value.
        """
        fields: dict[str, Any] = dict(content)
        try:
            fields["window"] = Window(**fields["window"])
            fields["verdict"] = Verdict(fields["verdict"])
            fields["severity"] = Severity(fields["severity"])
            return Check(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise DataContractError(f"check: {error}; expected the fields of a check; write it anew") from error
