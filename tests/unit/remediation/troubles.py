"""Evidence of each class of trouble, as monitors tell it, and of what lies next to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from tests.unit.remediation.cases import BREACH, HOUR_US, INCONCLUSIVE, NOW_US, OK, check, overall, quality

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity, Verdict
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.check import Check
from trimtab.remediation.alerts import Alert
from trimtab.remediation.diagnosis import Evidence, Ledger, RecentRollout
from trimtab.remediation.external import OutsideAlert, check_of, ended_job
from trimtab.remediation.kinds import Family

STILL = (check(OK), overall(OK))
MOVED = (check(BREACH), check(BREACH, column="age"), overall(BREACH))
FELL = quality(BREACH)
RELEASED = RecentRollout(NOW_US - HOUR_US // 2, candidate=2, phase="promoted", before=1)


def overall_of(verdict: Verdict, p_value: float) -> Check:
    """Return a check of all inputs that would be so by chance with this probability."""
    return dataclasses.replace(overall(verdict), detail={"p_value": p_value})


def cause(kind: CauseKind, column: str = "chol", *, factor: float | None = None, **evidence: object) -> Check:
    """Return a drift check of ``column`` that names this cause."""
    named = Cause(
        kind=kind,
        column=column,
        factor=factor,
        known_unit=None,
        since_us=NOW_US - HOUR_US // 2,
        until_us=None,
        since_row_share=0.5,
        explanation=f"{column}: {kind.value}",
        evidence=evidence,
    )
    return check(BREACH, column=column, detail={"causes": [named.to_json()]})


def problem(name: str, *, column: str | None = "chol", value: float = 1.0, verdict: Verdict = BREACH) -> Check:
    """Return a check of data quality that found this."""
    detail: JsonObject = {"problem": name, "rows": int(value) if name == "volume" else 100}
    return check(verdict, kind="data_quality", column=column, value=value, threshold=50.0, detail=detail)


def confused(right: int, wrong: int) -> Check:
    """Return a fall of quality of two classes, each with so many right and wrong answers."""
    return counted([[right, wrong], [wrong, right]])


def counted(counts: list[list[int]]) -> Check:
    """Return a fall of quality of two classes: ``counts`` by truth (rows) and answer (columns)."""
    labelled = sum(map(sum, counts))
    detail: JsonObject = {
        "metric": "accuracy",
        "labelled": labelled,
        "baseline": 0.8,
        "confusion": {"classes": ["no", "yes"], "counts": counts},
    }
    value = (counts[0][0] + counts[1][1]) / labelled
    return check(BREACH, kind="model_quality", column=None, value=value, threshold=0.6, detail=detail)


def well(counts: list[list[int]]) -> Check:
    """Return a quality of two classes that was OK in the window before."""
    before = check(OK, kind="model_quality", column=None, hour=-1, value=0.8, threshold=0.6)
    return dataclasses.replace(before, detail=counted(counts).detail)


def mirrored_lately(rows: int = 50) -> Check:
    """Return a fall of quality in whose last quarter, of so many rows, outcomes say the opposite of the answers."""
    parts = [{"correlation": 0.6, "rows": rows, "since_us": NOW_US - 4 + part} for part in range(3)]
    parts.append({"correlation": -0.5, "rows": rows, "since_us": NOW_US - 1})
    detail = FELL.detail | {"labelled": 4 * rows, "correlation": 0.2, "correlation_parts": parts}
    return dataclasses.replace(FELL, detail=detail)


def gap(verdict: Verdict = BREACH) -> Check:
    """Return a check of fairness between groups by sex."""
    detail: JsonObject = {"metric": "equalized_odds_difference_increase", "group": "sex"}
    return check(verdict, kind="fairness", column=None, value=0.4, threshold=0.1, detail=detail)


def slow(verdict: Verdict = BREACH, *, version: int = 1, hour: int = 0) -> Check:
    """Return a check of latency of one version."""
    found = check(
        verdict, kind="latency", column=None, hour=hour, value=600, threshold=250, detail={"percentile": "p95"}
    )
    return dataclasses.replace(found, model_version=version)


def errors(metric: str) -> Check:
    """Return a breach of a share of requests."""
    return check(BREACH, kind="errors", column=None, value=0.4, threshold=0.1, detail={"metric": metric})


def alert(name: str, **labels: str) -> Check:
    """Return a firing alert from outside."""
    told = OutsideAlert(name, "f1", True, NOW_US, None, labels=labels, endpoint="heart")
    return check_of(told, model="heart", endpoint="heart")


def falling(*values: float) -> tuple[Check, ...]:
    """Return checks of quality (a loss) of the windows before, the oldest first."""
    return tuple(quality(OK, hour=place - len(values), value=value) for place, value in enumerate(values))


def job(error: str | None = "no rows") -> Check:
    """Return how a training ended."""
    return ended_job(
        "training", model="heart", endpoint="heart", at_us=NOW_US, error=error, job_id="j1", severity=Severity.HIGH
    )


def blamed(rule: str, rows: int = 40) -> Alert:
    """Return an alert of a delivery of 100 rows of which so many broke this rule of the contract."""
    return Alert(
        "al1", "k", "rows_quarantined", Severity.HIGH, "t", NOW_US, detail={"reasons": {rule: rows}, "rows": 100}
    )


OLD = Ledger(would_gain=True, why="saved 3 × what it costs", age_s=90 * 86_400, usual_life_s=20 * 86_400)
OF_SERVICE = Family.SERVICE

POSITIVE: Mapping[str, Evidence] = {
    "data_outage: no rows": Evidence((problem("volume", column=None, value=0.0),)),
    "data_outage: few rows": Evidence((problem("volume", column=None, value=9.0), FELL)),
    "data_outage: an empty column": Evidence((problem("missing"), check(BREACH), FELL)),
    "data_outage: a sensor that hangs": Evidence((cause(CauseKind.STUCK), FELL)),
    "data_outage: a feed that stopped": Evidence((alert("TrimtabFeedStopped", source="lab"),)),
    "unit_change: five times and blamed": Evidence(
        (cause(CauseKind.UNIT_CHANGE, factor=7.0),), alerts=(blamed("chol: above 400"),)
    ),
    "unit_change: twice, and worse answers": Evidence((cause(CauseKind.SHIFT, factor=2.2), FELL)),
    "upstream_schema_change: swapped": Evidence(
        (cause(CauseKind.SWAPPED_COLUMNS), cause(CauseKind.SWAPPED_COLUMNS, "age"), FELL)
    ),
    "upstream_schema_change: a new category": Evidence((cause(CauseKind.NEW_CATEGORY, share=0.3),)),
    "upstream_schema_change: a column is gone": Evidence((problem("absent"),)),
    "upstream_schema_change: text in a number": Evidence((FELL,), alerts=(blamed("chol: not a number"),)),
    "upstream_schema_change: rows come twice": Evidence((problem("duplicates", column=None, value=0.5),)),
    "upstream_schema_change: refused": Evidence((errors("refused_share"),), family=OF_SERVICE),
    "pipeline_failure: a job": Evidence((job(),), family=Family.PIPELINE),
    "pipeline_failure: a program": Evidence((alert("TrimtabServerDown"),), family=OF_SERVICE),
    "bad_release: worse answers": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)), rollouts=(RELEASED,), history=falling(0.3)
    ),
    "bad_release: slow": Evidence(
        (slow(version=2),), rollouts=(RELEASED,), history=(slow(OK, hour=-1),), family=OF_SERVICE
    ),
    "bad_release: before anybody looked": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)), rollouts=(RELEASED,)
    ),
    "latency: slow": Evidence((slow(),), family=OF_SERVICE),
    "latency: failing": Evidence((errors("failed_share"),), family=OF_SERVICE),
    "latency: shed": Evidence((alert("TrimtabRequestsShed"),), family=OF_SERVICE),
    "latency: somebody's own rule": Evidence((alert("Odd", trimtab_says="latency_up"),), family=OF_SERVICE),
    "label_problem: mirrored": Evidence((*STILL, confused(right=15, wrong=85))),
    "label_problem: mirrored, mostly of one class": Evidence(
        (*STILL, counted([[5, 8], [60, 30]])), history=(well([[60, 30], [5, 8]]),)
    ),
    "label_problem: mirrored in the last quarter": Evidence((*STILL, mirrored_lately())),
    "label_problem: mirrored, and one that hardly matters moved": Evidence(
        (check(BREACH), check(OK, column="age"), overall(OK), confused(right=15, wrong=85)),
        importance={"chol": 0.01, "age": 0.99},
    ),
    "label_problem: too few": Evidence(
        (check(BREACH, kind="model_quality", column=None, value=0.1, detail={"metric": "label_coverage"}),)
    ),
    "fairness_regression: a gap": Evidence((*STILL, gap(), quality(OK, value=0.3))),
    "stale_model: old and falling": Evidence((*STILL, FELL), history=falling(0.3, 0.4, 0.5, 0.6, 0.75), ledger=OLD),
    "covariate_drift: moved": Evidence((*MOVED, FELL)),
    "covariate_drift: before labels come": Evidence(
        (*MOVED, quality(INCONCLUSIVE), check(BREACH, kind="estimated_quality", column=None))
    ),
    "covariate_drift: several that matter": Evidence(
        (check(BREACH), check(BREACH, column="age"), check(OK, column="sex"), overall(OK), FELL),
        importance={"chol": 0.5, "age": 0.3, "sex": 0.2},
    ),
    "concept_drift: still": Evidence((*STILL, FELL)),
    "concept_drift: one lies beyond a short reference, in a window that is not rare": Evidence(
        (
            check(INCONCLUSIVE),
            check(OK, column="age"),
            overall_of(INCONCLUSIVE, 0.25),
            FELL,
        )
    ),
    "concept_drift: one that hardly matters moved": Evidence(
        (check(BREACH), check(OK, column="age"), check(OK, column="sex"), overall(OK), FELL),
        importance={"chol": 0.01, "age": 0.59, "sex": 0.4},
    ),
}
"""Each is of the class that its name begins with."""

NEAR_MISSES: Mapping[str, Evidence] = {
    "data_outage: rows as usual": Evidence((problem("volume", column=None, value=80.0, verdict=OK), *MOVED)),
    "data_outage: one value in many, not in nearly all": Evidence((problem("stuck", value=0.7), *MOVED)),
    "data_outage: nobody says whether rows came": Evidence((check(BREACH, kind="data_quality", column=None),)),
    "data_outage: no rows, since they are refused": Evidence(
        (problem("volume", column=None, value=0.0),), seen=(errors("refused_share"),)
    ),
    "unit_change: a factor, and nobody else says so": Evidence((cause(CauseKind.UNIT_CHANGE, factor=7.0),)),
    "unit_change: twice, but another column moved too": Evidence(
        (cause(CauseKind.SHIFT, factor=2.2), check(BREACH, column="age"), FELL)
    ),
    "unit_change: a third more may be growth": Evidence((cause(CauseKind.SHIFT, factor=1.3), FELL)),
    "upstream_schema_change: two cross while all move": Evidence(
        (
            cause(CauseKind.SWAPPED_COLUMNS),
            *(check(BREACH, column=name) for name in ("age", "sex", "bmi")),
            overall(BREACH),
            FELL,
        )
    ),
    "upstream_schema_change: two of a hundred values are new": Evidence((cause(CauseKind.NEW_CATEGORY, share=0.02),)),
    "upstream_schema_change: one row in a hundred": Evidence((*STILL, FELL), alerts=(blamed("chol: not a number", 1),)),
    "pipeline_failure: a job that ended well": Evidence((job(error=None),), family=Family.PIPELINE),
    "pipeline_failure: an alert that nobody knows": Evidence((alert("Odd"),), family=Family.PIPELINE),
    "bad_release: the version before was as bad": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)),
        rollouts=(RELEASED,),
        history=(quality(BREACH, hour=-1),),
    ),
    "bad_release: nobody knows how the one before did": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)),
        rollouts=(RELEASED,),
        history=(quality(INCONCLUSIVE, hour=-1),),
    ),
    "bad_release: before anybody looked, and before the window": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)),
        rollouts=(dataclasses.replace(RELEASED, at_us=NOW_US - HOUR_US - 1),),
    ),
    "bad_release: long after": Evidence(
        (*STILL, dataclasses.replace(FELL, model_version=2)),
        rollouts=(dataclasses.replace(RELEASED, at_us=NOW_US - 9 * HOUR_US),),
        history=falling(0.3),
    ),
    "latency: within its limit": Evidence((slow(OK),), family=OF_SERVICE),
    "latency: a release may be the reason": Evidence((slow(version=2),), rollouts=(RELEASED,), family=OF_SERVICE),
    "label_problem: worse than before, not mirrored": Evidence((*STILL, confused(right=55, wrong=45))),
    "label_problem: a little below chance, as a relation that changed sign leaves it": Evidence(
        (*STILL, confused(right=960, wrong=1040))
    ),
    "label_problem: below chance by less than half of what is usual": Evidence(
        (*STILL, confused(right=35, wrong=65)), history=(well([[90, 10], [10, 90]]),)
    ),
    "label_problem: mirrored, but the inputs moved": Evidence((*MOVED, confused(right=15, wrong=85))),
    "label_problem: mirrored in a quarter of a dozen rows": Evidence((*STILL, mirrored_lately(12))),
    "label_problem: no confusion is told": Evidence((*STILL, FELL)),
    "fairness_regression: quality fell as a whole": Evidence((*STILL, gap(), FELL)),
    "fairness_regression: too few rows of a group": Evidence((*STILL, gap(INCONCLUSIVE))),
    "stale_model: at once": Evidence((*STILL, FELL), history=falling(0.3, 0.3, 0.31, 0.3), ledger=OLD),
    "stale_model: nobody weighs a training": Evidence(
        (*STILL, FELL),
        history=falling(0.3, 0.4, 0.5, 0.6, 0.75),
        ledger=dataclasses.replace(OLD, would_gain=None),
    ),
    "covariate_drift: quality is well": Evidence((*MOVED, quality(OK, value=0.3))),
    "covariate_drift: quality is not known": Evidence((*MOVED, quality(INCONCLUSIVE))),
    "concept_drift: whether inputs moved is not known": Evidence((check(INCONCLUSIVE), FELL)),
    "concept_drift: some lie far out, in a window that does not count yet": Evidence(
        (check(INCONCLUSIVE), check(OK, column="age"), overall(INCONCLUSIVE), FELL)
    ),
    "concept_drift: no alarm, but a window of inputs as there is hardly any": Evidence(
        (check(OK), overall_of(OK, 0.001), FELL)
    ),
    "concept_drift: one that matters moved alone": Evidence(
        (check(BREACH), check(OK, column="age"), check(OK, column="sex"), overall(OK), FELL),
        importance={"chol": 0.5, "age": 0.3, "sex": 0.2},
    ),
    "concept_drift: quality is well": Evidence((*STILL, quality(OK, value=0.3))),
}
"""None is of the class that its name begins with: one needed fact is false, or is not known."""
