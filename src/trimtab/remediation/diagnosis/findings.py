"""The checks of a case, sorted so that their order says nothing, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from trimtab.core.enums import Verdict
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.remediation.diagnosis.evidence import Evidence
from trimtab.remediation.family import family_of
from trimtab.remediation.signals import worst_by_key

__all__ = ["DATA_QUALITY", "DRIFT", "ESTIMATE", "FAIRNESS", "QUALITY", "Findings", "in_order"]

DRIFT = frozenset({"data_drift", "plain_drift"})
QUALITY, ESTIMATE, DATA_QUALITY, FAIRNESS = "model_quality", "estimated_quality", "data_quality", "fairness"


@dataclass(frozen=True, slots=True)
class Findings:
    """``checks``: the worst of each thing that is watched; ``breaches`` those that the case is to explain.

    ``around`` are the checks with what the case saw in the windows that its breaches reach back to. ``causes`` are what
    monitors named there, the one with the most rows first, one of a kind and column.
    """

    evidence: Evidence
    checks: tuple[Check, ...]
    around: tuple[Check, ...]
    breaches: tuple[Check, ...]
    causes: tuple[Cause, ...]

    @staticmethod
    def of(evidence: Evidence) -> Findings:
        """Sort and sift the evidence."""
        checks = tuple(worst_by_key(sorted(evidence.checks, key=in_order)).values())
        mine = tuple(
            check for check in checks if check.verdict is Verdict.BREACH and family_of(check) is evidence.family
        )
        around = tuple(worst_by_key(sorted((*evidence.checks, *evidence.seen), key=in_order)).values())
        causes = _causes_of(tuple(check for check in around if check.verdict is Verdict.BREACH))
        return Findings(evidence, checks, around, mine, causes)

    def of_kind(self, *kinds: str) -> Iterator[Check]:
        """Yield the checks of these kinds, whatever their verdict, those of the windows around included."""
        return (check for check in self.around if check.kind in kinds)

    def broken(self, *kinds: str) -> list[Check]:
        """Return the breaches of these kinds, of whatever family: what is known of the service explains a model."""
        return [check for check in self.of_kind(*kinds) if check.verdict is Verdict.BREACH]

    def named(self, *kinds: CauseKind, where: Callable[[Cause], bool] = lambda _cause: True) -> list[Cause]:
        """Return the causes of these kinds."""
        return [cause for cause in self.causes if cause.kind in kinds and where(cause)]

    def backing(self, column: str) -> tuple[str, ...]:
        """Return what else, beside the drift of its values, blames ``column``."""
        checks = (check for check in self.broken(DATA_QUALITY) if check.column == column)
        rows = sum(alert.rows_blamed_on(column) for alert in self.evidence.alerts)
        told = (f"the contract quarantined {rows} rows for {column}",) if rows else ()
        return (*(check.explanation for check in checks), *told)


def in_order(check: Check) -> tuple[str, ...]:
    """Return by what checks are sorted: all that tells them apart."""
    return (
        check.kind,
        check.monitor,
        check.column or "",
        str(check.detail.get("metric") or check.detail.get("percentile") or check.detail.get("fingerprint") or ""),
        check.variant,
        f"{check.model_version:09d}",
        f"{check.window.end_us:020d}",
        check.verdict.value,
        check.severity.value,
        str(check.value),
        check.explanation,
    )


def _causes_of(breaches: tuple[Check, ...]) -> tuple[Cause, ...]:
    found: dict[tuple[CauseKind, str], Cause] = {}
    for check in breaches:
        for content in check.detail.get("causes", ()):
            cause = Cause.from_json(content)
            found.setdefault((cause.kind, cause.column), cause)
    return tuple(sorted(found.values(), key=lambda cause: (-cause.since_row_share, cause.column, cause.kind)))
