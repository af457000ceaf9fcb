"""One breach told: rows quarantined, a check, a job that failed."""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity

__all__ = ["Alert"]


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that a person should know of. The same ``dedup_key`` is told once.

    ``detail["reasons"]`` of kind ``rows_quarantined`` counts rows by reason; a reason starts with its column:
    ``chol: 5.8 is below 100``. ``detail["rows"]`` is the number of rows delivered.
    """

    id: str
    dedup_key: str
    kind: str
    severity: Severity
    title: str
    at_us: int
    model: str | None = None
    endpoint: str | None = None
    incident_id: str | None = None
    detail: JsonObject = field(default_factory=dict)

    def rows_blamed_on(self, column: str) -> int:
        """Return how many quarantined rows name ``column`` as their reason.

        >>> alert = Alert("1", "k", "rows_quarantined", Severity.HIGH, "t", 0, detail={"reasons": {"chol: 5 low": 7}})
        >>> alert.rows_blamed_on("chol"), alert.rows_blamed_on("age")
        (7, 0)
        """
        reasons = self.detail.get("reasons", {})
        return sum(int(rows) for reason, rows in reasons.items() if str(reason).partition(":")[0].strip() == column)
