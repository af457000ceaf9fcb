"""What profiles are stored of which stretch of time, and which of them to read so that each row is counted once."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, func, select

from trimtab.db.engine import Connection
from trimtab.db.tables import profile
from trimtab.profiles.periods import PeriodProfile
from trimtab.profiles.profile import Profile

__all__ = ["Lane", "Made", "Span", "chosen", "read_spans", "spans_of"]

_MICROS = 1_000_000
_LONGEST_PERIOD_US = 7 * 86_400 * _MICROS
_IN_ONE_QUERY = 500


class Made(StrEnum):
    """What a stored profile is, by how its segment id begins; that of a segment is a digest."""

    PART = ""
    """Rows that no other part has: a segment's in one period, or several segments' that were folded into one."""
    ROLL_UP = "rolled:"
    """Rows that parts have, too, which stay beside it."""
    UNFIT = "unfit:"
    """Nothing: parts with so many rows were found not to fit together."""

    def where(self) -> ColumnElement[bool]:
        """Return what holds of the rows that are this."""
        if self is Made.PART:
            return ~(profile.c.segment_id.startswith(Made.ROLL_UP) | profile.c.segment_id.startswith(Made.UNFIT))
        return profile.c.segment_id.startswith(self.value)


@dataclass(frozen=True, slots=True, order=True)
class Lane:
    """Whose rows are summed up together: those of one variant and version."""

    variant: str
    model_version: int


@dataclass(frozen=True, slots=True)
class Span:
    """What is stored of ``lane`` from ``start_us`` for ``period_s`` seconds: ``rows``, in so many ``parts``."""

    lane: Lane
    start_us: int
    period_s: int
    rows: int
    parts: int

    @property
    def end_us(self) -> int:
        """First microsecond after it."""
        return self.start_us + self.period_s * _MICROS


def spans_of(
    connection: Connection,
    endpoint: str,
    *,
    start_us: int,
    end_us: int,
    made: Made = Made.PART,
    id_below: str | None = None,
) -> list[Span]:
    """Return what is stored of periods that touch ``start_us`` ≤ t < ``end_us``, by start.

    With ``id_below`` only what has lower ids, i.e. was written earlier. Payloads are not read.
    """
    keys = (profile.c.variant, profile.c.model_version, profile.c.start_us, profile.c.period_s)
    query = (
        select(*keys, func.sum(profile.c.rows).label("all_rows"), func.count().label("parts"))
        .where(
            profile.c.endpoint == endpoint,
            # The lower bound on the index; the exact one needs the row's own period.
            profile.c.start_us > start_us - _LONGEST_PERIOD_US,
            profile.c.start_us < end_us,
            made.where(),
            *(() if id_below is None else (profile.c.id < id_below,)),
        )
        .group_by(*keys)
    )
    spans = [
        Span(Lane(row.variant, row.model_version), row.start_us, row.period_s, int(row.all_rows), row.parts)
        for row in connection.execute(query)
    ]
    return sorted((span for span in spans if span.end_us > start_us), key=lambda span: (span.start_us, span.lane))


def chosen(
    held: Sequence[Span], rolled: Sequence[Span], *, cuts: Sequence[int] = (), finest: bool = False
) -> tuple[list[Span], list[Span]]:
    """Return which of the parts' spans to read, and which roll-ups in place of the others.

    A roll-up is taken when it has as many rows as the spans within it (so never one that reaches out of the window with
    rows), begins on the side of each of ``cuts`` on which they all do, and, with ``finest``, lasts as long as each of
    them; the longest ones first.

    >>> lane = Lane("v1", 1)
    >>> hours = [Span(lane, hour * 3_600_000_000, 3_600, 10, 1) for hour in range(25)]
    >>> day = Span(lane, 0, 86_400, 240, 1)
    >>> [len(part) for part in chosen(hours, [day])], [len(part) for part in chosen(hours, [day], cuts=[7_200_000_000])]
    ([1, 1], [25, 0])
    """
    lanes: dict[Lane, list[Span]] = defaultdict(list)
    for span in sorted(held, key=lambda span: span.start_us):
        lanes[span.lane].append(span)
    starts = {lane: [span.start_us for span in spans] for lane, spans in lanes.items()}
    replaced: set[Span] = set()
    taken = []
    for whole in sorted(rolled, key=lambda span: (-span.period_s, span.start_us)):
        spans, begins = lanes[whole.lane], starts.get(whole.lane, [])
        near = spans[bisect_left(begins, whole.start_us) : bisect_left(begins, whole.end_us)]
        inside = [span for span in near if span.end_us <= whole.end_us]
        if not inside or sum(span.rows for span in inside) != whole.rows or not replaced.isdisjoint(inside):
            continue
        coarser = finest and any(span.period_s < whole.period_s for span in inside)
        if not coarser and not _is_cut(whole, inside, cuts):
            replaced.update(inside)
            taken.append(whole)
    return [span for span in held if span not in replaced], taken


def _is_cut(whole: Span, inside: Iterable[Span], cuts: Sequence[int]) -> bool:
    return any((span.start_us >= cut) != (whole.start_us >= cut) for cut in cuts for span in inside)


def read_spans(
    connection: Connection, endpoint: str, spans: Iterable[Span], *, made: Made = Made.PART
) -> Iterator[PeriodProfile]:
    """Yield what is stored of ``spans``, a profile for each part, or the roll-up's one; in any order."""
    wanted: dict[tuple[Lane, int], list[int]] = defaultdict(list)
    for span in spans:
        wanted[span.lane, span.period_s].append(span.start_us)
    for (lane, period_s), starts in wanted.items():
        for place in range(0, len(starts), _IN_ONE_QUERY):
            query = select(profile.c.start_us, profile.c.payload).where(
                profile.c.endpoint == endpoint,
                profile.c.start_us.in_(starts[place : place + _IN_ONE_QUERY]),
                profile.c.variant == lane.variant,
                profile.c.model_version == lane.model_version,
                profile.c.period_s == period_s,
                made.where(),
            )
            # Unordered: a database would carry every payload through its sorting.
            for row in connection.execute(query):
                found = Profile.from_bytes(row.payload)
                yield PeriodProfile(endpoint, lane.variant, lane.model_version, row.start_us, period_s, found)
