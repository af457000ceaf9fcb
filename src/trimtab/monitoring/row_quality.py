"""What is wrong with rows as a whole: too few or too many come, the same ones twice, or against the contract."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.monitoring.base import Finding
from trimtab.monitoring.cause import Cause, CauseKind
from trimtab.monitoring.change_point import changed_periods
from trimtab.monitoring.check import Window
from trimtab.monitoring.volume_memory import MIN_WINDOWS, VolumeMemory, chance_limits, steps_of
from trimtab.monitoring.window import WindowData
from trimtab.profiles.duplicates import DISTINCT_ERROR
from trimtab.profiles.profile import Profile, merge_all
from trimtab.profiles.reference import Reference

__all__ = ["duplicate_share", "duplicates", "usual_duplicate_share", "usual_volume", "violations", "volume"]

_ERROR = 3 * DISTINCT_ERROR


def volume(data: WindowData, *, at_least: int, factor: float | None, min_rows: int, memory: VolumeMemory) -> Finding:
    """Return whether as many rows came as should: ``at_least``, and within ``factor`` of what is usual.

    Usual is the reference's rhythm; where it has none, what ``memory`` knows of earlier windows. These are few: what
    lies beyond ``factor``, but may come by chance, is inconclusive then. Where neither ``at_least`` nor ``factor`` is
    stated nobody knows how many should come: fewer than ``min_rows`` are inconclusive. So are too few rows of a window
    that is not over.
    """
    rows = data.current.rows
    detail: JsonObject = {"problem": "volume", "rows": rows}
    if rows < at_least:
        text = f"{counted(rows, 'row')} in the window, {at_least} expected"
        return _too_few(data, text, float(at_least), 1.0 - rows / at_least, detail)
    usual = None if factor is None else usual_volume(data.reference, data.window)
    if factor is not None and usual is not None:
        low, high = usual[0] / factor, usual[1] * factor
        told = f"{counted(rows, 'row')} in the window, {usual[0]:.0f} to {usual[1]:.0f} in ones of the reference"
        found = _beyond(data, told, usual, (low, high), detail)
        if found is not None:
            return found
    elif factor is not None:
        return _remembered(data, memory, factor, detail)
    if not rows:
        return Finding(Verdict.INCONCLUSIVE, "no rows in the window; nothing to judge", value=0.0, detail=detail)
    if factor is None and not at_least and rows < min_rows:
        text = f"{counted(rows, 'row')} in the window, {min_rows} needed; neither min_volume nor volume_factor is given"
        return Finding(Verdict.INCONCLUSIVE, text, value=float(rows), detail=detail)
    return Finding(Verdict.OK, f"{counted(rows, 'row')} in the window", None, float(rows), float(at_least), 0.0, detail)


def _remembered(data: WindowData, memory: VolumeMemory, factor: float, detail: JsonObject) -> Finding:
    """Return whether as many rows came as in the windows that ``memory`` knows."""
    rows = data.current.rows
    came = counted(rows, "row") if rows else "no rows"
    unripe = memory.unripe(data.window, data.share)
    usual = None if unripe is not None or data.share is None else memory.usual(data.window, data.share)
    if usual is None:
        why = unripe or "too few earlier windows at this part of the week are remembered"
        text = f"{came} in the window; the reference has no times of its rows, or too few windows, and {why}"
        return Finding(Verdict.INCONCLUSIVE, text, value=float(rows), detail=detail)
    text = f"{came} in the window, {usual[0]} to {usual[1]} in earlier ones"
    low, high = usual[0] / factor, usual[1] * factor
    surely_low, surely_high = chance_limits(*usual)
    # Where at times nobody comes at all, many at once are no fault.
    limits = min(low, surely_low), max(high, surely_high) if usual[0] else math.inf
    found = _beyond(data, text, usual, limits, detail)
    if found is not None:
        return found
    if not low <= rows <= high or not rows:
        text = f"{text}: too few to tell a change from chance"
        return Finding(Verdict.INCONCLUSIVE, text, value=float(rows), detail={**detail, "usual": list(usual)})
    return Finding(Verdict.OK, text, None, float(rows), low, 0.0, {**detail, "usual": list(usual)})


def _beyond(
    data: WindowData, text: str, usual: tuple[float, float], limits: tuple[float, float], detail: JsonObject
) -> Finding | None:
    rows = data.current.rows
    detail = {**detail, "usual": list(usual)}
    if rows < limits[0]:
        return _too_few(data, text, limits[0], 1 - rows / usual[0], detail)
    if rows > limits[1]:
        effect = rows / max(usual[1], 1.0) - 1
        return Finding(Verdict.BREACH, text, None, float(rows), limits[1], effect, detail)
    return None


def _too_few(data: WindowData, text: str, limit: float, effect: float, detail: JsonObject) -> Finding:
    if not data.is_over:
        text = f"{text}; more may come until the window is over"
        return Finding(Verdict.INCONCLUSIVE, text, value=float(data.current.rows), detail=detail)
    return Finding(Verdict.BREACH, text, None, float(data.current.rows), limit, effect, detail)


def usual_volume(reference: Reference, window: Window) -> tuple[float, float] | None:
    """Return the fewest and the most rows of windows of the reference that are as long, at the same part of the week.

    Windows of a week and more at any part of it; when less than four fit, shorter ones at the same part of the day.
    None when there are less than four of these either, or the reference knows no times.
    """
    times = None if reference.coded is None else reference.coded.time_us
    length_us = window.end_us - window.start_us
    if reference.coded is None or times is None or not len(times) or length_us <= 0:
        return None
    first, last = int(times[0]), int(times[-1])
    for step_us in steps_of(length_us):
        begins = np.arange(first + (window.start_us - first) % step_us, last - length_us + 1, step_us)
        if len(begins) * step_us >= MIN_WINDOWS * max(length_us, step_us):
            rows = np.searchsorted(times, begins + length_us) - np.searchsorted(times, begins)
            return float(rows.min()) * reference.coded.thinning, float(rows.max()) * reference.coded.thinning
    return None


def duplicates(data: WindowData, *, most: float, min_rows: int) -> Finding:
    """Return whether rows are repeated, feature by feature, more often than in the reference by a share of ``most``."""
    rows, share = data.current.rows, duplicate_share(data.current)
    detail = {"problem": "duplicates", "metric": "duplicates", "rows": rows}
    if rows < min_rows:
        text = f"duplicates: {counted(rows, 'row')} in the window, {min_rows} needed"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    if share is None:
        text = "duplicates: the window has profiles made before distinct rows were counted; wait until it has none"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    usual = usual_duplicate_share(data.reference, rows)
    if usual is None:
        text = "duplicates: the version was made before distinct rows were counted: retrain once"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    excess = max(0.0, share - usual - _ERROR)
    told = f"{share:.0%} of {counted(rows, 'row')} repeat others in all features, {usual:.0%} in the reference"
    breach = excess > most
    cause = _duplicated(data, share, usual) if breach else None
    return Finding(
        verdict=Verdict.BREACH if breach else Verdict.OK,
        explanation=f"duplicates: {told}" if cause is None else cause.explanation,
        value=excess,
        threshold=most,
        effect=excess,
        detail={
            **detail,
            "shares": {"duplicates": share, "reference": usual},
            "causes": [] if cause is None else [cause.to_json()],
        },
    )


def duplicate_share(profile: Profile) -> float | None:
    """Return the share of rows that are not the first of their kind, within 1.6 %; None where nobody counted."""
    if profile.distinct is None or not profile.rows:
        return None
    return max(0.0, 1.0 - profile.distinct.estimate / profile.rows)


def usual_duplicate_share(reference: Reference, rows: int) -> float | None:
    """Return the greatest share of repeated rows that so many rows in a row had in the reference; None: not counted.

    The more rows, the more repeat others: so adjacent blocks are put together until they have as many. For more than
    there are the share grows with them, as it does while most rows are distinct.
    """
    profiles = [block.profile for block in reference.blocks if block.profile.rows]
    total = sum(profile.rows for profile in profiles)
    if not profiles or any(profile.distinct is None for profile in profiles):
        return None
    if rows > total:
        share = duplicate_share(merge_all(profiles)) or 0.0
        return min(1.0, max(0.0, share - _ERROR) * rows / total + min(share, _ERROR))
    group = next(size for size in range(1, len(profiles) + 1) if sum(p.rows for p in profiles[:size]) >= rows)
    parts = [profiles[place : place + group] for place in range(0, len(profiles) - group + 1, group)]
    return max(duplicate_share(merge_all(part)) or 0.0 for part in parts)


def _duplicated(data: WindowData, share: float, usual: float) -> Cause:
    """Return since when rows are repeated, as far as they are within one period."""
    spans = sorted({(period.start_us, period.end_us) for period in data.finest})
    merged = [
        merge_all(period.profile for period in data.finest if (period.start_us, period.end_us) == span)
        for span in spans
    ]
    levels = np.array([np.nan if (found := duplicate_share(part)) is None else found for part in merged])
    sizes = np.array([float(part.rows) for part in merged])
    affected = changed_periods(sizes, levels, normal=0.0, spread=0.5)
    places = [] if affected is None else np.flatnonzero(affected).tolist()
    since_us = spans[places[0]][0] if places and places[0] else None
    until_us = spans[places[-1]][1] if places and places[-1] < len(spans) - 1 else None
    inside = [merged[place] for place in places] or merged
    here = duplicate_share(merge_all(inside)) or share
    times = 1 / max(1 - here, 1e-3)
    text = (
        f"{here:.0%} of rows repeat others in all features ({usual:.0%} in the reference): each came {times:.1f} times"
    )
    return Cause(
        kind=CauseKind.DUPLICATED_FEED,
        column="",
        factor=times,
        known_unit=None,
        since_us=since_us,
        until_us=until_us,
        since_row_share=sum(part.rows for part in inside) / max(data.current.rows, 1),
        explanation=text,
        evidence={"rows": sum(part.rows for part in inside), "share": here, "reference_share": usual},
    )


def violations(data: WindowData, *, most: float, min_rows: int) -> Finding | None:
    """Return whether more than ``most`` of the rows broke the contract; None where nobody told how many did."""
    if not data.delivered:
        return None
    rows, reasons = sum(part.rows for part in data.delivered), Counter[str]()
    for part in data.delivered:
        reasons.update(part.reasons)
    detail = {"problem": "schema", "metric": "schema", "rows": rows, "reasons": dict(reasons.most_common(20))}
    if rows < min_rows:
        text = f"schema: {counted(rows, 'row')} delivered, {min_rows} needed"
        return Finding(Verdict.INCONCLUSIVE, text, detail=detail)
    share = sum(part.broken for part in data.delivered) / rows
    told = "".join(f"; {reason} ({number})" for reason, number in reasons.most_common(3))
    return Finding(
        verdict=Verdict.BREACH if share > most else Verdict.OK,
        explanation=f"schema: {share:.0%} of {counted(rows, 'row')} delivered broke the contract{told}",
        value=share,
        threshold=most,
        effect=share,
        detail=detail,
    )
