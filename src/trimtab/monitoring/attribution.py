"""Attribution drift: whether answers hang on the features that they hung on when the version was made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.errors import TrimtabError
from trimtab.core.wording import counted
from trimtab.measures.ndcg import rank_agreement
from trimtab.monitoring.base import Finding, Judged, check_of, relation
from trimtab.monitoring.explained import Explained
from trimtab.monitoring.settings import MonitorSettings
from trimtab.monitoring.window import WindowData

__all__ = ["AttributionDriftMonitor", "AttributionDriftSettings"]

Floats = NDArray[np.float64]

_DRAWS = 200
_SURE = 0.95
_SLACK = 0.02
_SHOWN = 10
_NAMED = 3


class AttributionDriftSettings(MonitorSettings):
    """Whether answers hang on the features that they hung on when the version was made."""

    type: Literal["attribution_drift"] = "attribution_drift"
    min_agreement: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Smallest agreement (nDCG) of the features' ranking with that of the rows that the version came "
        "with; lower, where draws of these rows agree less with each other.",
    )
    max_moved: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Largest share of all contributions that may have moved from features to others; larger, where "
        "draws of the version's own rows differ by more.",
    )


@dataclass(frozen=True, slots=True)
class _Statistic:
    """How contributions now, mean by feature, are held against those then; ``sign`` is 1 where more is worse."""

    name: str
    words: str
    of: Callable[[Floats, Floats], float]
    sign: int


def _moved_share(now: Floats, then: Floats) -> float:
    return float(np.abs(_shares(now) - _shares(then)).sum() / 2)


_AGREEMENT = _Statistic("ndcg", "rank agreement (nDCG)", rank_agreement, -1)
_MOVED = _Statistic("moved_share", "share of contributions that moved", _moved_share, 1)


@dataclass(frozen=True, slots=True)
class AttributionDriftMonitor:
    """Two checks, named in ``detail["metric"]``, of the features' mean absolute contributions to answers, now and then.

    ``ndcg``: how far their ranking is what it was. ``moved_share``: half the sum of the changes of their shares, which
    sees a change that leaves the order. Contributions are sampled Shapley values of rows drawn at random, now as then,
    against one background. A limit is never stricter than what two draws of the version's own rows, one as large as
    the window's, keep in 95 % of 200 pairs, with 0.02 to spare. BREACH when 95 % of 200 draws of the window's rows lie
    beyond it; fewer are INCONCLUSIVE.
    """

    kind: ClassVar[str] = "attribution_drift"
    settings_type: ClassVar[type[MonitorSettings]] = AttributionDriftSettings

    settings: AttributionDriftSettings

    def check(self, data: WindowData) -> Judged:
        """Return two checks of the window; one where nothing can be judged."""
        return Judged(tuple(check_of(self.settings, data, finding) for finding in self._findings(data)))

    def _findings(self, data: WindowData) -> list[Finding]:
        if data.explain is None:
            return [Finding(Verdict.INCONCLUSIVE, "nobody can say what the answers of this version hang on")]
        try:
            found = data.explain(data.window)
        except TrimtabError as error:
            return [Finding(Verdict.INCONCLUSIVE, f"attributions are unknown: {error}")]
        reason = self._not_enough(found)
        if reason:
            return [Finding(Verdict.INCONCLUSIVE, reason)]
        return [
            _judged(found, _AGREEMENT, self.settings.min_agreement),
            _judged(found, _MOVED, self.settings.max_moved),
        ]

    def _not_enough(self, found: Explained) -> str:
        least = self.settings.min_rows
        if len(found.now) < least or len(found.then) < least:
            return (
                f"{counted(len(found.now), 'row')} explained of the window, {len(found.then)} of when the version was "
                f"made; {least} of each are needed"
            )
        if len(found.features) < 2:
            return "the version has a single feature: there is nothing to rank"
        if not np.abs(found.then).sum() > 0 or not np.isfinite(found.now).all():
            return "no feature contributes to the version's answers: there is nothing to rank"
        return ""


def _judged(found: Explained, statistic: _Statistic, wanted: float) -> Finding:
    now, then, sign = np.abs(found.now), np.abs(found.then), statistic.sign
    value = statistic.of(now.mean(axis=0), then.mean(axis=0))
    usual = float(np.quantile(sign * _usual(statistic, then, len(now)), _SURE)) + _SLACK
    limit = sign * max(sign * wanted, usual)
    beyond = float((sign * (_drawn(statistic, now, then) - limit) > 0).mean())
    verdict = Verdict.OK
    if sign * (value - limit) > 0:
        verdict = Verdict.BREACH if beyond >= _SURE else Verdict.INCONCLUSIVE
    side = "above" if sign > 0 else "below"
    features = _moved(found.features, _shares(now.mean(axis=0)), _shares(then.mean(axis=0)))
    moved = ", ".join(f"{one['feature']} {one['then']:.0%} → {one['now']:.0%}" for one in features[:_NAMED])
    judged = f"{value:.4g} is {relation(verdict, side)} {limit:.4g}"
    text = f"{statistic.words} {judged}; moved most, of all contributions: {moved}"
    detail: JsonObject = {"metric": statistic.name, "rows": len(now), "beyond": beyond, "features": features}
    return Finding(verdict, text, None, value, limit, value if sign > 0 else 1 - value, detail)


def _usual(statistic: _Statistic, then: Floats, rows: int) -> Floats:
    """Return the statistic of two draws of the version's own rows, one as large as the window's, ``(draws,)``."""
    rng = np.random.default_rng(1)  # a fixed seed: a monitor is pure
    return np.array([statistic.of(_mean_of(then, rows, rng), _mean_of(then, len(then), rng)) for _ in range(_DRAWS)])


def _drawn(statistic: _Statistic, now: Floats, then: Floats) -> Floats:
    """Return the statistic of draws of the window's rows, ``(draws,)``."""
    rng, reference = np.random.default_rng(2), then.mean(axis=0)
    return np.array([statistic.of(_mean_of(now, len(now), rng), reference) for _ in range(_DRAWS)])


def _mean_of(contributed: Floats, rows: int, rng: np.random.Generator) -> Floats:
    return np.asarray(contributed[rng.integers(0, len(contributed), rows)].mean(axis=0))


def _shares(contributed: Floats) -> Floats:
    total = float(contributed.sum())
    return contributed / total if total > 0 else np.zeros(len(contributed))


def _moved(features: tuple[str, ...], now: Floats, then: Floats) -> list[JsonObject]:
    """Return the features whose share has moved most, those first."""
    order = np.argsort(-np.abs(now - then), kind="stable")[:_SHOWN]
    return [{"feature": features[at], "then": float(then[at]), "now": float(now[at])} for at in order]
