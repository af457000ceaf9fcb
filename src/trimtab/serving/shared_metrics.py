"""Metrics of several worker processes, told by any of them as one.

Each worker leaves a snapshot of its metrics beside its status every second; whoever is asked adds the others' to its
own. What a dead worker counted is kept by its supervisor, so that a sum never falls.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from trimtab.serving.draws import DrawCounts, DrawLedgers, kept_of
from trimtab.serving.metrics import IN_FLIGHT, ServingMetrics
from trimtab.serving.shadow_counts import ShadowCounts, ShadowLedgers

__all__ = ["SharedMetrics", "in_flight_of", "keep_counts_of", "sum_of"]

_SNAPSHOT: Final = "metrics.msgpack"
_DEPARTED: Final = "departed.msgpack"
_INTERVAL_S: Final = 1.0
_REMEMBERED: Final = 200
_ADDED_UP: Final = frozenset({"counter", "histogram", "summary"})
_GAUGES_ADDED_UP: Final = ("_in_flight", "_resident_bytes")

_Labels = tuple[tuple[str, str], ...]


class Family(msgspec.Struct, frozen=True, array_like=True):
    """One metric with its samples: (name of the sample, labels, value)."""

    name: str
    documentation: str
    kind: str
    samples: tuple[tuple[str, dict[str, str], float], ...]


class Snapshot(msgspec.Struct, frozen=True):
    """What one worker counted, and how far it has filled its journals; ``folded``: the dead whose counts are in it.

    ``draws``: by endpoint, what it counted of requests that were drawn; ``copies``: of copies that shadows got. The
    latter of the dead are told of no more: who reads them keeps what was read.
    """

    worker: str
    families: tuple[Family, ...]
    positions: dict[str, int] = {}
    folded: tuple[str, ...] = ()
    draws: dict[str, tuple[DrawCounts, ...]] = {}
    copies: dict[str, tuple[ShadowCounts, ...]] = {}


class SharedMetrics:
    """The metrics of this worker and of those beside it, whose folders lie beside ``folder``."""

    def __init__(
        self,
        metrics: ServingMetrics,
        folder: Path,
        written: Callable[[], dict[Path, int]],
        ledgers: DrawLedgers,
        copies: ShadowLedgers | None = None,
    ) -> None:
        """``written`` says how far this worker has filled its journals."""
        self._metrics = metrics
        self._copies = ShadowLedgers() if copies is None else copies
        self._ledgers = ledgers
        self._folder = folder
        self._written = written
        self._worker = f"{folder.name}.{os.getpid()}"

    async def keep_telling(self) -> None:
        """Leave a snapshot every second, until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            self.tell()

    def tell(self) -> None:
        """Leave a snapshot."""
        snapshot = Snapshot(
            worker=self._worker,
            families=tuple(_families(self._metrics.registry)),
            positions={str(path): position for path, position in self._written().items()},
            draws=self._ledgers.by_endpoint(),
            copies=self._copies.by_endpoint(),
        )
        _write(self._folder / _SNAPSHOT, snapshot)

    def positions(self) -> dict[Path, int]:
        """Return how far the others have filled their journals."""
        return {Path(path): position for other in self._others() for path, position in other.positions.items()}

    def counts_of_variants(self, endpoint: str) -> tuple[DrawCounts, ...]:
        """Return what all workers counted of requests to ``endpoint`` that were drawn, those of the dead included."""
        # What is told outlives this worker: else its successor's counts would be hidden behind what it told of last.
        self.tell()
        others = (one for other in self._others() for one in other.draws.get(endpoint, ()))
        return (*self._ledgers.counts(endpoint), *others)

    def counts_of_copies(self, endpoint: str) -> tuple[ShadowCounts, ...]:
        """Return what all workers counted of copies for shadows of ``endpoint``."""
        others = (one for other in self._others() for one in other.copies.get(endpoint, ()))
        return (*self._copies.counts(endpoint), *others)

    def exposition(self) -> bytes:
        """Return all workers' metrics in Prometheus' text format 0.0.4."""
        own = tuple(_families(self._metrics.registry))
        summed = sum_of([own, *(other.families for other in self._others())])
        registry = CollectorRegistry()
        registry.register(_Told(summed))
        return generate_latest(registry)

    def _others(self) -> Iterator[Snapshot]:
        departed = _read(self._folder.parent / _DEPARTED)
        folded = () if departed is None else departed.folded
        if departed is not None:
            yield departed
        for path in sorted(self._folder.parent.glob(f"*/{_SNAPSHOT}")):
            other = None if path.parent == self._folder else _read(path)
            # One that has just died may be found in both places.
            if other is not None and other.worker not in folded:
                yield other


def keep_counts_of(folder: Path) -> None:
    """Add what the dead worker of ``folder`` counted to the counts of the dead, and remove its snapshot."""
    dead = _read(folder / _SNAPSHOT)
    if dead is None:
        return
    path = folder.parent / _DEPARTED
    before = _read(path) or Snapshot(worker="departed", families=())
    families = sum_of([before.families, tuple(one for one in dead.families if one.kind in _ADDED_UP)])
    draws = {
        endpoint: kept_of(before.draws.get(endpoint, ()), dead.draws.get(endpoint, ()))
        for endpoint in {**before.draws, **dead.draws}
    }
    _write(path, Snapshot("departed", families, folded=(*before.folded, dead.worker)[-_REMEMBERED:], draws=draws))
    (folder / _SNAPSHOT).unlink(missing_ok=True)


def in_flight_of(folder: Path) -> float:
    """Return how many requests the worker of ``folder`` was reading or answering when it told last; 0 if it never did.

    It tells once a second.
    """
    told = _read(folder / _SNAPSHOT)
    found = () if told is None else [family for family in told.families if family.name == IN_FLIGHT]
    return sum(value for family in found for _, _, value in family.samples)


def sum_of(workers: Iterable[Iterable[Family]]) -> tuple[Family, ...]:
    """Return the metrics of all workers as one: counts are added up, of a state the largest is told."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, _Labels], float]] = {}
    for families in workers:
        for family in families:
            heads.setdefault(family.name, family)
            known = values.setdefault(family.name, {})
            merge: Callable[[float, float], float] = _add if _is_added_up(family) else max
            for name, labels, value in family.samples:
                # Not sorted: buckets stand in the order in which they were told.
                key = (name, tuple(labels.items()))
                known[key] = merge(known[key], value) if key in known else value
    return tuple(
        Family(
            head.name,
            head.documentation,
            head.kind,
            tuple((sample, dict(labels), value) for (sample, labels), value in values[head.name].items()),
        )
        for head in heads.values()
    )


class _Told(Collector):
    def __init__(self, families: tuple[Family, ...]) -> None:
        self._told = families

    def collect(self) -> Iterator[Metric]:
        for family in self._told:
            metric = Metric(family.name, family.documentation, family.kind)
            for name, labels, value in family.samples:
                metric.add_sample(name, labels, value)
            yield metric


def _families(registry: CollectorRegistry) -> Iterator[Family]:
    for metric in registry.collect():
        samples = tuple((one.name, dict(one.labels), float(one.value)) for one in metric.samples)
        yield Family(metric.name, metric.documentation, metric.type, samples)


def _is_added_up(family: Family) -> bool:
    return family.kind in _ADDED_UP or family.name.endswith(_GAUGES_ADDED_UP)


def _add(first: float, second: float) -> float:
    return first + second


def _read(path: Path) -> Snapshot | None:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
    except (OSError, msgspec.MsgspecError):
        return None


def _write(path: Path, snapshot: Snapshot) -> None:
    # Not forced to disk: no snapshot outlives the supervisor, and a sync a second would cost more than it tells.
    temporary = path.with_suffix(f".{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(msgspec.msgpack.encode(snapshot))
        temporary.replace(path)
    except OSError:
        # A full disk must not end the loop that tells: the next second tries again.
        temporary.unlink(missing_ok=True)
