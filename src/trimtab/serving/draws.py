"""What each of several live variants did with the requests that were drawn for it: counts to compare them by.

Within a generation the chance of being drawn is constant, so that counts say all that a comparison needs, whatever the
order of events. They only grow: a reader may miss a reading, or take one twice, and takes differences.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from trimtab.measures.duration_buckets import FAILED, bucket_of, buckets_of
from trimtab.serving.shadow_counts import ShadowCounts
from trimtab.serving.spec import EndpointSpec

__all__ = ["CLIENT_GONE", "DrawCounts", "DrawLedger", "DrawLedgers", "DrawsReading", "kept_of"]

CLIENT_GONE: Final = 499
"""Status of a request whose caller hung up before it was answered, by nginx's custom."""

_RETIRED_S: Final = 300.0
_MOST_KEYS: Final = 200_000
_KEPT_GENERATIONS: Final = 8
_MOST_WAITING: Final = 2 * 1_024
_DRAWN, _FAILED, _REFUSED, _TIMED = 1, 2, 4, 8

_Buckets = tuple[tuple[int, int], ...]


class DrawCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What one server process counted for one variant in one generation, of requests that were drawn and have settled.

    A request whose caller named the variant is in none of it. The counts only grow within a ``series``: the life of
    one process; ``worker`` is the place that the process has among those of its server. ``probability``: of being
    drawn, 0..1. ``sticky``: some requests bore a key, and each key contributed to each count once at most; if so, only
    to that of one worker.

    ``failed``: 5xx. ``refused``: 4xx after the variant was chosen. ``latency`` and ``run`` (the model alone) are
    (bucket, count) by bucket, see `trimtab.measures.duration_buckets`; what failed, or was not waited for, stands in
    the last one, and what was refused in none.

    ``requests``, ``errors`` and ``durations`` are the same as ``drawn``, ``failed`` and ``latency``, of all requests,
    on every worker, also of a key that contributed before; so are ``answered`` (below 400) and ``refusals`` (4xx). What
    is in none of the three was not waited for.

    ``holds``: other series of the same worker, which has died since, whose counts are in these; they are told of no
    more by themselves.
    """

    series: str
    worker: int
    generation: int
    variant: str
    probability: float
    sticky: bool
    drawn: int
    failed: int
    refused: int
    latency: _Buckets
    run: _Buckets
    requests: int
    errors: int
    durations: _Buckets
    answered: int = 0
    refusals: int = 0
    holds: tuple[str, ...] = ()


class DrawsReading(msgspec.Struct, frozen=True, kw_only=True):
    """What all processes of a server counted for an endpoint, whose present ``generation`` is told, too.

    Generations that were replaced are told of for five minutes longer: requests settle late. ``counts`` is empty where
    there are fewer than two live variants. ``copies``: of what shadows got. ``deaths``: pairs of a generation and how
    many processes died, without having been told to end, while they served or loaded it.
    """

    endpoint: str
    at_us: int
    generation: int
    counts: tuple[DrawCounts, ...]
    copies: tuple[ShadowCounts, ...] = ()
    deaths: tuple[tuple[int, int], ...] = ()


@dataclass(slots=True)
class _Draws:
    probability: float
    drawn: int = 0
    failed: int = 0
    refused: int = 0
    latency: dict[int, int] = field(default_factory=dict)
    run: dict[int, int] = field(default_factory=dict)
    requests: int = 0
    errors: int = 0
    answered: int = 0
    refusals: int = 0
    durations: dict[int, int] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)
    """Of requests that were answered and bore no key, not counted yet: duration and run of each, one after the other.

    To find the two buckets of one request takes 2 µs, those of a thousand at once a seventh of that for each.
    """

    def count_waiting(self) -> None:
        answered = len(self.waiting) // 2
        if not answered:
            return
        buckets = buckets_of(np.array(self.waiting, dtype=np.int64)).reshape(answered, 2)
        self.waiting.clear()
        self.requests += answered
        self.answered += answered
        self.drawn += answered
        _count(buckets[:, 0].tolist(), self.latency, self.durations)
        _count(buckets[:, 1].tolist(), self.run)


def _count(buckets: list[int], *places: dict[int, int]) -> None:
    for bucket, count in Counter(buckets).items():
        for place in places:
            place[bucket] = place.get(bucket, 0) + count


class DrawLedger:
    """Counts one generation of one endpoint. Lives in the event loop's thread.

    A caller with a sticky key always gets the same variant, so that its second failure tells nothing new of the
    variant: a key counts once. It counts on worker ``hash % workers`` only, so that no two count it. Beyond
    ``most_keys`` no further key is counted, whatever it was drawn for.
    """

    def __init__(
        self, spec: EndpointSpec, series: str, *, worker: int = 0, workers: int = 1, most_keys: int = _MOST_KEYS
    ) -> None:
        self._generation = spec.generation
        self._series = series
        self._worker = worker
        self._workers = workers
        self._most_keys = most_keys
        self._sticky = spec.sticky_key is not None
        self._marks: dict[int, int] = {}
        self._draws = {variant.name: _Draws(float(variant.weight_pct / 100)) for variant in spec.live}

    def settle(self, variant: str, sticky_hash: str | None, status: int, duration_ns: int, run_ns: int) -> None:
        """Count a request that was drawn for ``variant``, now that it is known what became of it.

        ``sticky_hash``: 64 bits in hexadecimal, of the key that drew it, if one did.
        """
        draws = self._draws[variant]
        if sticky_hash is None and status < 400:
            waiting = draws.waiting
            waiting += (duration_ns, run_ns)
            if len(waiting) >= _MOST_WAITING:
                draws.count_waiting()
            return
        failed, refused = status >= 500, 400 <= status < 500 and status != CLIENT_GONE
        lost = failed or status == CLIENT_GONE
        happened = _DRAWN | (_FAILED if failed else 0) | (_REFUSED if refused else _TIMED)
        counts = happened if sticky_hash is None else self._first_of_key(int(sticky_hash, 16), happened)
        draws.requests += 1
        if counts & _DRAWN:
            draws.drawn += 1
        if failed:
            draws.errors += 1
            if counts & _FAILED:
                draws.failed += 1
        draws.answered += status < 400
        if refused:
            draws.refusals += 1
            if counts & _REFUSED:
                draws.refused += 1
            return
        bucket = FAILED if lost else bucket_of(duration_ns)
        draws.durations[bucket] = draws.durations.get(bucket, 0) + 1
        if counts & _TIMED:
            draws.latency[bucket] = draws.latency.get(bucket, 0) + 1
            run = FAILED if lost else bucket_of(run_ns)
            draws.run[run] = draws.run.get(run, 0) + 1

    def counts(self) -> tuple[DrawCounts, ...]:
        """Return the counts of all variants, also of those that were not drawn yet."""
        for draws in self._draws.values():
            draws.count_waiting()
        return tuple(
            DrawCounts(
                series=self._series,
                worker=self._worker,
                generation=self._generation,
                variant=name,
                probability=draws.probability,
                sticky=self._sticky,
                drawn=draws.drawn,
                failed=draws.failed,
                refused=draws.refused,
                latency=tuple(sorted(draws.latency.items())),
                run=tuple(sorted(draws.run.items())),
                requests=draws.requests,
                errors=draws.errors,
                durations=tuple(sorted(draws.durations.items())),
                answered=draws.answered,
                refusals=draws.refusals,
            )
            for name, draws in self._draws.items()
        )

    def _first_of_key(self, key: int, happened: int) -> int:
        """Return what of ``happened`` happens to the key for the first time, and remember it."""
        self._sticky = True
        if key % self._workers != self._worker:
            return 0
        known = self._marks.get(key)
        if known is None:
            if len(self._marks) >= self._most_keys:
                return 0
            known = 0
        self._marks[key] = known | happened
        return happened & ~known


class DrawLedgers:
    """The ledgers of one server process. They outlive the models: what is unloaded for a while counts on."""

    def __init__(
        self, series: str = "", *, worker: int = 0, workers: int = 1, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        """``series`` names the process, unlike any before it."""
        self._series = series
        self._worker = worker
        self._workers = workers
        self._now_s = now_s
        self._made = 0
        self._ledgers: dict[tuple[str, int], DrawLedger] = {}
        self._retired_s: dict[tuple[str, int], float] = {}

    def of(self, spec: EndpointSpec) -> DrawLedger | None:
        """Return the ledger of a generation that is served from now on; None where there is nothing to compare."""
        key = spec.endpoint, spec.generation
        self.retire(spec.endpoint)
        self._retired_s.pop(key, None)
        # One of weight 0 counts: while a new version bakes, the old one stands by without any callers.
        if len(spec.live) < 2:
            return None
        ledger = self._ledgers.get(key)
        if ledger is None:
            self._made += 1
            series = f"{self._series}.{self._made}"
            ledger = DrawLedger(spec, series, worker=self._worker, workers=self._workers)
            self._ledgers[key] = ledger
        return ledger

    def retire(self, endpoint: str) -> None:
        """Note that no generation of the endpoint is served any more. Requests that are midway still count."""
        for key in self._ledgers:
            if key[0] == endpoint:
                self._retired_s.setdefault(key, self._now_s())

    def counts(self, endpoint: str) -> tuple[DrawCounts, ...]:
        """Return what was counted for an endpoint."""
        self._forget()
        return tuple(one for key, ledger in self._ledgers.items() if key[0] == endpoint for one in ledger.counts())

    def by_endpoint(self) -> dict[str, tuple[DrawCounts, ...]]:
        """Return what was counted for each endpoint that there are ledgers of."""
        self._forget()
        return {endpoint: self.counts(endpoint) for endpoint in dict.fromkeys(name for name, _ in self._ledgers)}

    def _forget(self) -> None:
        now_s = self._now_s()
        for key in [key for key, since_s in self._retired_s.items() if now_s - since_s > _RETIRED_S]:
            del self._retired_s[key], self._ledgers[key]


def kept_of(before: Iterable[DrawCounts], dead: Iterable[DrawCounts]) -> tuple[DrawCounts, ...]:
    """Return what is kept of the dead: of the newest generations, and one series a worker however often it died.

    ``before`` was kept until now. Series in which a key counts stay apart: each counts a key once, together they do
    not.
    """
    found: dict[tuple[object, ...], DrawCounts] = {}
    for one in (*before, *dead):
        place = (one.worker, one.generation, one.variant, one.probability, one.series if one.sticky else "")
        known = found.get(place)
        found[place] = one if known is None else _together(known, one)
    kept = sorted({one.generation for one in found.values()})[-_KEPT_GENERATIONS:]
    return tuple(one for one in found.values() if one.generation in kept)


def _together(first: DrawCounts, second: DrawCounts) -> DrawCounts:
    return msgspec.structs.replace(
        first,
        drawn=first.drawn + second.drawn,
        failed=first.failed + second.failed,
        refused=first.refused + second.refused,
        latency=_added(first.latency, second.latency),
        run=_added(first.run, second.run),
        requests=first.requests + second.requests,
        errors=first.errors + second.errors,
        durations=_added(first.durations, second.durations),
        answered=first.answered + second.answered,
        refusals=first.refusals + second.refusals,
        holds=(*first.holds, second.series, *second.holds),
    )


def _added(first: _Buckets, second: _Buckets) -> _Buckets:
    counts = dict(first)
    for bucket, count in second:
        counts[bucket] = counts.get(bucket, 0) + count
    return tuple(sorted(counts.items()))
