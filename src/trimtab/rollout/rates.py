"""Errors and refusals: of the candidate beside the stable version, and of one version against a limit of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from trimtab.core.enums import Verdict
from trimtab.measures.betting import BetProcess
from trimtab.measures.quantile_band import rate_band
from trimtab.rollout.arm_labels import Labels, counted, label_wealth, ratio_band
from trimtab.rollout.state import Evidence
from trimtab.rollout.wealth import Limit, Wealth, e_value, mixed_over_starts, outlook, settled

__all__ = ["HitCounts", "Hits", "judge_ratio", "judge_share", "share_wealth", "with_hits"]

_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class HitCounts:
    """Requests of one version in one generation, and how many of them were hits (errors, or too slow)."""

    generation: int
    hits: int
    requests: int


Hits = tuple[HitCounts, ...]


def with_hits(rows: Hits, generation: int, hits: int, requests: int) -> Hits:
    """Return the counts with more of one generation; their order makes no difference.

    >>> with_hits(with_hits((), 1, 0, 10), 1, 1, 5)
    (HitCounts(generation=1, hits=1, requests=15),)
    """
    found = {row.generation: row for row in rows}
    old = found.get(generation, HitCounts(generation, 0, 0))
    found[generation] = replace(old, hits=old.hits + hits, requests=old.requests + requests)
    return tuple(found[key] for key in sorted(found))


def share_wealth(harm_rows: Hits, safe_rows: Hits, limit: float) -> Wealth:
    """Return the evidence that each request is a hit with a chance above (harm), or below (safe), ``limit``.

    The two differ where one cannot count exactly: ``harm_rows`` hold what was a hit for certain, ``safe_rows`` what
    may have been one.
    """
    limit = min(max(limit, _SMALLEST), 1 - _SMALLEST)
    harm = BetProcess.start(-limit, 1 - limit)
    starts = []
    for row in reversed(harm_rows):
        harm = harm.with_counts([(1 - limit, row.hits), (-limit, row.requests - row.hits)])
        starts.append(float(harm.log_e))
    safe = BetProcess.start(limit - 1, limit)
    hits, requests = _total(safe_rows)
    safe = safe.with_counts([(limit - 1, hits), (limit, requests - hits)])
    return Wealth(mixed_over_starts(starts[::-1]), float(safe.log_e))


def judge_ratio(limit: Limit, rows: Labels, drawn: tuple[int, int], *, sticky: bool, required: bool = True) -> Evidence:
    """Return whether events are more than ``limit.limit`` times as frequent at the candidate as at the stable version.

    ``drawn``: requests (or sticky keys) of the candidate and of the stable version, for the sentence and the value;
    the evidence rests on the labels of the events alone.
    """
    wealth = label_wealth(rows, limit.limit, sticky=sticky)
    low, high = ratio_band(rows, limit.alpha, limit.alpha_ok, sticky=sticky)
    candidate, stable = counted(rows)
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    seen = (
        f"{candidate} of {drawn[0]} requests at the candidate and {stable} of {drawn[1]} at the stable version "
        f"{limit.noun}"
    )
    why = {
        Verdict.BREACH: f"{seen}: at least {low:.3g} times as often; at most {limit.limit:.3g} times is allowed",
        Verdict.OK: f"{seen}: at most {high:.3g} times as often; up to {limit.limit:.3g} times is allowed",
        Verdict.INCONCLUSIVE: f"{seen}: too few to tell whether that is more than {limit.limit:.3g} times as often"
        + outlook(wealth.log_safe, limit.alpha_ok, sum(drawn), "requests"),
    }[verdict]
    return Evidence(
        limit.name,
        verdict,
        _ratio(candidate, drawn[0], stable, drawn[1]),
        limit.limit,
        why,
        lower=low,
        # JSON knows no infinity: no upper bound is none.
        upper=high if high < float("inf") else None,
        e_harm=e_value(wealth.log_harm),
        e_safe=e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=drawn[0],
        stable_n=drawn[1],
        required=required,
    )


def judge_share(limit: Limit, harm_rows: Hits, safe_rows: Hits, stable_rows: Hits, *, comparing: bool) -> Evidence:
    """Return whether the candidate is beyond a limit of its own, whatever the stable version does.

    While both take traffic (``comparing``), what the stable version breaches too is no fault of the candidate's: it
    is left open, so that nothing is promoted in it.
    """
    wealth = share_wealth(harm_rows, safe_rows, limit.limit)
    beside = share_wealth(stable_rows, stable_rows, limit.limit)
    (hits, requests), (stable_hits, stable_requests) = _total(harm_rows), _total(stable_rows)
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    low, high = rate_band(hits, requests, limit.alpha)
    seen = f"{hits} of {requests} requests of the candidate {limit.noun}"
    if verdict is Verdict.BREACH and comparing and settled(beside, limit.alpha_ok, limit.alpha_ok) is Verdict.BREACH:
        verdict = Verdict.INCONCLUSIVE
        why = (
            f"{seen}, and {stable_hits} of {stable_requests} of the stable version: both are beyond {limit.limit:.3g}; "
            "look for a fault that they share"
        )
    elif verdict is Verdict.INCONCLUSIVE:
        why = f"{seen}: too few to tell whether more than {limit.limit:.3g} do" + outlook(
            wealth.log_safe, limit.alpha_ok, requests, "of its requests"
        )
    else:
        why = f"{seen}, {'more' if verdict is Verdict.BREACH else 'less'} than the limit of {limit.limit:.3g}"
    return Evidence(
        limit.name,
        verdict,
        hits / requests if requests else None,
        limit.limit,
        why,
        lower=low,
        upper=high,
        e_harm=e_value(wealth.log_harm),
        e_safe=e_value(wealth.log_safe),
        alpha=limit.alpha,
        candidate_n=requests,
        stable_n=stable_requests,
    )


def _total(rows: Hits) -> tuple[int, int]:
    return sum(row.hits for row in rows), sum(row.requests for row in rows)


def _ratio(candidate: int, candidate_drawn: int, stable: int, stable_drawn: int) -> float | None:
    if not candidate_drawn or not stable_drawn or not stable:
        return None
    return (candidate / candidate_drawn) / (stable / stable_drawn)
