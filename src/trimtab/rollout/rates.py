"""Errors and refusals: of the candidate beside the stable version, and of one version against a limit of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from trimtab.core.enums import Verdict
from trimtab.measures.betting import BetProcess
from trimtab.measures.quantile_band import rate_band
from trimtab.rollout.state import Evidence
from trimtab.rollout.variant_labels import Labels, counted, label_wealth, ratio_band
from trimtab.rollout.wealth import HarmBets, Limit, Wealth, e_value, outlook, settled

__all__ = ["SLOW_SHARE", "Hits", "judge_ratio", "judge_share", "with_hits"]

SLOW_SHARE = 0.05
"""How many requests may take longer than a limit on the 95th percentile."""
_SMALLEST = 1e-6


@dataclass(frozen=True, slots=True)
class Hits:
    """Requests of one version, how many were hits (errors, or too slow), and the bets that more are than may be."""

    hits: int = 0
    requests: int = 0
    harm: HarmBets = field(default_factory=HarmBets)


def with_hits(before: Hits, hits: int, requests: int, *, limit: float) -> Hits:
    """Return the counts with those of a block, whose bets are against a chance of ``limit`` of being a hit."""
    limit = _within(limit)
    gains = BetProcess.start(-limit, 1 - limit).with_counts([(1 - limit, hits), (-limit, requests - hits)]).log_wealth
    return Hits(before.hits + hits, before.requests + requests, before.harm.with_gains(gains, requests))


def _within(limit: float) -> float:
    return min(max(limit, _SMALLEST), 1 - _SMALLEST)


def _share_wealth(harm: Hits, safe: Hits, limit: float) -> Wealth:
    """Return the evidence that each request is a hit with a chance above (harm), or below (safe), ``limit``.

    The two differ where one cannot count exactly: ``harm`` holds what was a hit for certain, ``safe`` what may have
    been one.
    """
    limit = _within(limit)
    kept = BetProcess.start(limit - 1, limit).with_counts([(limit - 1, safe.hits), (limit, safe.requests - safe.hits)])
    return Wealth(harm.harm.log_e, float(kept.log_e))


def judge_ratio(
    limit: Limit, labels: Labels, drawn: tuple[int, int], *, sticky: bool, required: bool = True
) -> Evidence:
    """Return whether events are more than ``limit.limit`` times as frequent at the candidate as at the stable version.

    ``drawn``: requests (or sticky keys) of the candidate and of the stable version, for the sentence and the value;
    the evidence rests on the labels of the events alone.
    """
    wealth = label_wealth(labels, limit.limit, sticky=sticky)
    low, high = ratio_band(labels, limit.alpha, limit.alpha_ok, sticky=sticky)
    candidate, stable = counted(labels)
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    seen = (
        f"{candidate} of {drawn[0]} requests at the candidate and {stable} of {drawn[1]} at the stable version "
        f"{limit.noun}"
    )
    # A fault that begins late is found before it shows over everything since the start.
    more = f"at least {low:.3g} times as often" if low >= limit.limit else "lately too often"
    why = {
        Verdict.BREACH: f"{seen}: {more}; at most {limit.limit:.3g} times is allowed",
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


def judge_share(limit: Limit, harm: Hits, safe: Hits, beside: Hits, *, comparing: bool) -> Evidence:
    """Return whether the candidate is beyond a limit of its own, whatever the stable version does.

    While both take traffic (``comparing``), what the stable version breaches too is no fault of the candidate's: it
    is left open, so that nothing is promoted in it.
    """
    wealth = _share_wealth(harm, safe, limit.limit)
    stable = _share_wealth(beside, beside, limit.limit)
    hits, requests = harm.hits, harm.requests
    verdict = settled(wealth, limit.alpha, limit.alpha_ok)
    low, high = rate_band(hits, requests, limit.alpha)
    seen = f"{hits} of {requests} requests of the candidate {limit.noun}"
    if verdict is Verdict.BREACH and comparing and settled(stable, limit.alpha_ok, limit.alpha_ok) is Verdict.BREACH:
        verdict = Verdict.INCONCLUSIVE
        why = (
            f"{seen}, and {beside.hits} of {beside.requests} of the stable version: both are beyond {limit.limit:.3g}; "
            "look for a fault that they share"
        )
    elif verdict is Verdict.INCONCLUSIVE:
        why = f"{seen}: too few to tell whether more than {limit.limit:.3g} do" + outlook(
            wealth.log_safe, limit.alpha_ok, requests, "of its requests"
        )
    else:
        more = "more" if hits > limit.limit * requests else "lately more"
        why = f"{seen}, {more if verdict is Verdict.BREACH else 'less'} than the limit of {limit.limit:.3g}"
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
        stable_n=beside.requests,
    )


def _ratio(candidate: int, candidate_drawn: int, stable: int, stable_drawn: int) -> float | None:
    if not candidate_drawn or not stable_drawn or not stable:
        return None
    return (candidate / candidate_drawn) / (stable / stable_drawn)
