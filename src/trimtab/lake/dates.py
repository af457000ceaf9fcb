"""In which form a column writes its dates: found by trying, told apart by the data, never guessed in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from trimtab.lake.moments import read_moments

__all__ = ["DateForm", "find_form", "forms_in"]

_DAYS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y",
    "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
)  # fmt: skip
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_LIKELY = re.compile(r"^\W*\w{1,9}[-/. ,]+\w{1,9}[-/. ,]+\w{2,4}\b")
_FEW_WRONG = 0.02
_SAMPLE = 300
_LOST = 50
# 2001-09-09 to 2065, as seconds; a column must also be named as a time.
_EPOCH_S = (1_000_000_000.0, 3_000_000_000.0)
_YYYYMMDD = (19_000_101.0, 21_001_231.0)


@dataclass(frozen=True, slots=True)
class DateForm:
    """How dates are written (None: ISO 8601), and what a person should know of that."""

    written_as: str | None
    note: str = ""


def find_form(known: pa.Array, counts: NDArray[np.int64], *, named_as_time: bool) -> DateForm | None:
    """Return the form that all but a few of the distinct texts ``known`` ``(d,)`` have, None where none has.

    A null among them is no text: it is passed over, with its count.

    >>> find_form(pa.array(["31.12.2020", "1.2.2021"]), np.array([1, 1]), named_as_time=False)
    DateForm(written_as='%d.%m.%Y', note='')
    """
    if known.null_count:
        given = known.is_valid()
        known, counts = known.filter(given), counts[given.to_numpy(zero_copy_only=False)]
    if not len(known):
        return None
    sample = known.take(pa.array(np.unique(np.linspace(0, len(known) - 1, _SAMPLE).astype(np.int64))))
    digits = pc.all(pc.match_substring_regex(sample, r"^\d+(\.\d*)?$")).as_py()
    if digits:
        return _counted(sample) if named_as_time else None
    fitting = [form for form in _candidates(sample) if _fits(known, counts, form)]
    if not fitting:
        return None
    if len(fitting) == 1 or fitting[0] is None:
        return DateForm(fitting[0])
    return _told_apart(known, fitting)


def forms_in(array: pa.Array) -> dict[str, int]:
    """Return the forms of dates that occur in ``array`` and the first row (from 1) of each, "no date" among them.

    A null is none of them. After a few texts that are no dates it looks no further: they take a search each.
    """
    rest = pa.array(np.flatnonzero(array.is_valid().to_numpy(zero_copy_only=False)))
    found: dict[str, int] = {}
    lost = 0
    while len(rest) and lost < _LOST:
        first = rest[0].as_py()
        form = next(iter(_candidates(array.slice(first, 1))), "no date")
        found.setdefault(form or "ISO 8601", first + 1)
        if form == "no date":
            rest = rest.slice(1)
            lost += 1
        else:
            left = array.take(rest)
            read, iso = read_moments(left, form), read_moments(left)
            # ISO 8601 is read beside every other form, and is one of its own.
            rest = rest.filter(pc.or_(read.is_null(), iso.is_valid()) if form else read.is_null())
        if len(found) > 8:
            break
    return found


def _candidates(sample: pa.Array) -> Iterator[str | None]:
    """Yield the forms that nearly all of the sample has."""
    if _share(read_moments(sample)) >= 1 - _FEW_WRONG:
        yield None
        return
    likely = pc.mean(pc.match_substring_regex(sample, _LIKELY.pattern).cast(pa.int8())).as_py()
    if not likely or likely < 1 - 2 * _FEW_WRONG:
        return
    for day in _DAYS:
        for clock in _CLOCKS:
            if _share(read_moments(sample, day + clock)) >= 1 - _FEW_WRONG:
                yield day + clock


def _fits(known: pa.Array, counts: NDArray[np.int64], form: str | None) -> bool:
    read = read_moments(known, form).is_valid().to_numpy(zero_copy_only=False)
    return bool(counts[read].sum() >= (1 - _FEW_WRONG) * counts.sum())


def _told_apart(known: pa.Array, fitting: list[str | None]) -> DateForm:
    """Choose between day first and month first: the one that reads more, else the one in whose order the rows stand."""
    read = {form: read_moments(known, form) for form in fitting}
    most = max(_share(moments) for moments in read.values())
    best = [form for form, moments in read.items() if _share(moments) == most]
    if len(best) == 1:
        return DateForm(best[0])
    rising = [form for form in best if _rising(read[form])]
    chosen = rising[0] if len(rising) == 1 else best[0]
    others = ", ".join(repr(form) for form in best if form != chosen)
    return DateForm(
        chosen,
        f"days and months cannot be told apart; read as {chosen!r}, not {others}; change format if that is wrong",
    )


def _rising(micros: pa.Array) -> bool:
    moments = micros.drop_null().to_numpy()
    return bool(np.mean(np.diff(moments) >= 0) > 0.95) if len(moments) > 1 else False


def _counted(sample: pa.Array) -> DateForm | None:
    values = sample.cast(pa.float64()).to_numpy()
    low, high = float(values.min()), float(values.max())
    if _YYYYMMDD[0] <= low and high <= _YYYYMMDD[1] and _share(read_moments(sample, "%Y%m%d")) == 1:
        return DateForm("%Y%m%d")
    if _EPOCH_S[0] <= low and high <= _EPOCH_S[1]:
        return DateForm("epoch_s", "read as seconds since 1970")
    if _EPOCH_S[0] * 1000 <= low and high <= _EPOCH_S[1] * 1000:
        return DateForm("epoch_ms", "read as milliseconds since 1970")
    return None


def _share(micros: pa.Array) -> float:
    return 1.0 - float(micros.null_count) / max(len(micros), 1)
