"""Quality by segment: where the whole is well and a part is not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.core.wording import counted
from trimtab.measures.class_codes import class_codes
from trimtab.monitoring.answered import LabelledRows
from trimtab.monitoring.base import Finding
from trimtab.monitoring.quality.limit import Limit, Measured, answers_of, measured
from trimtab.monitoring.quality.selection import Selection
from trimtab.monitoring.window import WindowData

__all__ = ["judge_segments", "parts_of"]

_MOST = 20
_MOST_NAMED = 10
_PARTS = 4
_ALPHA = 0.05


def parts_of(values: NDArray[Any]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the names of the segments that a column's values make, and the segment of each row, ``(n,)``.

    Each value is one; of more than 20 numbers the quarters, of more than 20 texts the 20 most frequent, the rest being
    ``others``. Null and NaN are ``missing``.

    >>> names, codes = parts_of(np.array([1.0, 2.0, 1.0, np.nan]))
    >>> names, codes.tolist()
    (['1', '2', 'missing'], [0, 1, 0, 2])
    """
    if values.dtype.kind in "fiub":
        names, codes = _of_numbers(values.astype(np.float64))
    else:
        labels, codes = class_codes(np.where(values == None, "missing", values).astype(np.str_))  # noqa: E711 - by element
        names = [str(label) for label in labels]
    if len(names) <= _MOST:
        return names, codes
    often = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")[:_MOST]
    place = np.full(len(names), _MOST, dtype=np.int64)
    place[often] = np.arange(_MOST)
    return [*(names[kept] for kept in often), "others"], place[codes]


def _of_numbers(values: NDArray[np.float64]) -> tuple[list[str], NDArray[np.int64]]:
    known = np.isfinite(values)
    distinct = np.unique(values[known])
    codes = np.zeros(len(values), dtype=np.int64)
    if len(distinct) <= _MOST:
        names = [f"{value:g}" for value in distinct]
        codes[known] = np.searchsorted(distinct, values[known])
    else:
        edges = np.unique(np.quantile(values[known], np.linspace(0, 1, _PARTS + 1)[1:-1]))
        codes[known] = np.searchsorted(edges, values[known], side="right")
        ends = [f"{edge:.4g}" for edge in edges]
        names = [f"below {ends[0]}", *(f"{low} to {high}" for low, high in itertools.pairwise(ends))]
        names.append(f"{ends[-1]} and more")
    if not known.all():
        codes[~known] = len(names)
        names.append("missing")
    return names, codes


def judge_segments(
    data: WindowData,
    rows: LabelledRows,
    column: str,
    limit: Limit,
    *,
    min_labels: int,
    selection: Selection | None = None,
) -> Finding:
    """Return one finding for all segments of ``column``: the worst one's metric against the limit of the whole.

    A segment with fewer than ``min_labels`` rows is listed and not judged. With m judged ones a segment is in breach
    when it is beyond the limit in a share of at least 1 − 0.05 / m of the resamples: looking at many parts must not
    find what chance did. Where labels are selective, rows are weighed as in the whole; where they are too selective,
    nothing is concluded of its parts either.
    """
    values = rows.columns.get(column)
    if values is None:
        return Finding(Verdict.INCONCLUSIVE, f"segments of {column}: the records hold no such feature", column=column)
    names, codes = parts_of(values)
    counts = np.bincount(codes, minlength=len(names))
    judged = {
        name: measured(
            limit,
            answers_of(data, rows.take(codes == place)),
            None if selection is None else selection.weights[codes == place],
        )
        for place, name in enumerate(names)
        if counts[place] >= min_labels
    }
    listed: list[JsonObject] = [
        {"segment": name, "labelled": int(count), "value": _known(judged[name].value) if name in judged else None}
        for name, count in zip(names, counts, strict=True)
    ]
    detail: JsonObject = {"measured": limit.metric, "segments": listed}
    finite = {name: found for name, found in judged.items() if math.isfinite(found.value)}
    if not finite:
        text = f"segments of {column}: none has {min_labels} labelled rows on which {limit.metric} is defined"
        return Finding(Verdict.INCONCLUSIVE, text, column=column, detail=detail)
    worst = max(finite, key=lambda name: (_seriousness(limit, finite[name]), limit.sign * finite[name].value))
    sure = 1 - _ALPHA / len(finite)
    verdicts = {name: found.verdict(limit, sure=sure) for name, found in finite.items()}
    beyond = [name for name, verdict in verdicts.items() if verdict is Verdict.BREACH]
    verdict = Verdict.BREACH if beyond else max(verdicts.values(), key=lambda one: one is Verdict.INCONCLUSIVE)
    value = finite[worst].value
    which = f"; beyond the limit: {', '.join(sorted(beyond))}" if beyond else ""
    text = (
        f"{limit.metric} of {column} = {worst} is {value:.4g}, the worst of {counted(len(finite), 'segment')}; limit "
        f"{limit.value:.4g}{which}{_left_out([name for name in names if name not in finite])}"
    )
    if selection is not None and selection.is_too_selective:
        verdict, text = Verdict.INCONCLUSIVE, f"{text}; labels are too selective to conclude from"
    return Finding(
        verdict, text, column, value, limit.value, limit.effect(value), {**detail, "segment": worst, "beyond": beyond}
    )


def _left_out(names: Sequence[str]) -> str:
    """Return which segments were not judged, as the end of a sentence."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; too few labelled rows of {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


def _seriousness(limit: Limit, found: Measured) -> float:
    return found.beyond or 0.0 if limit.exceeded(found.value) else -1.0


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
