"""What one run of the bench found: by stream, learner and seed, each rule over several phases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from bench.triggers.play import Played, Rule, play
from bench.triggers.streams import Stream, made
from bench.triggers.versions import Versions
from bench.triggers.written import written

from trimtab.retraining.settings import RetrainConfig

__all__ = [
    "CALENDARS",
    "INIT",
    "INIT_BARE",
    "PHASES",
    "Calm",
    "Results",
    "Run",
    "calm",
    "default_rules",
    "measure",
]

PHASES = (0, 3, 5, 7, 10, 14, 18, 22)
INIT, INIT_BARE = "as init writes", "as init writes, without its pool"
CALENDARS = (1, 4, 8, 13, 26, 52, 0)
_DENSE = (1, 4)
_RULES = (
    *(Rule(f"every {every}" if every else "never", every) for every in CALENDARS),
    *(Rule(f"every {every}, pool of 4", every, pool=4) for every in (8, 13, 26, 52)),
)


@dataclass(frozen=True, slots=True)
class Run:
    """One learner with one seed on one stream: what came of each rule, by name, in each phase."""

    stream: str
    learner: str
    seed: int
    chunks: int
    played: dict[str, list[Played]]
    seconds: float

    def mean(self, rule: str) -> tuple[float, float, float]:
        """Return loss, fits and switches of a rule, each the mean over the phases."""
        found = self.played[rule]
        columns = ([one.loss for one in found], [one.fits for one in found], [one.switches for one in found])
        loss, fits, switches = (float(np.mean(column)) for column in columns)
        return loss, fits, switches

    def front(self, fits: float, *, pool: bool = False) -> float:
        """Return the least loss of a calendar rule with so many fits or fewer; between two, straight in log(1 + fits).

        A rarer calendar may be the better one, where a year comes round: whoever may fit often may choose it too.
        """
        names = [name for name in self.played if name.startswith(("every", "never")) and (", pool" in name) == pool]
        points = sorted(self.mean(name)[1::-1] for name in names)
        losses = np.minimum.accumulate([loss for _, loss in points])
        return float(np.interp(np.log1p(fits), [np.log1p(one) for one, _ in points], losses))


@dataclass(frozen=True, slots=True)
class Calm:
    """Fits that the gain condition asked for on one stationary stream: ``fits`` of ``chunks``."""

    seed: int
    chunks: int
    fits: int
    switches: int


@dataclass(slots=True)
class Results:
    """Everything that a run found."""

    began: str
    runs: list[Run] = field(default_factory=list)
    calm: list[Calm] = field(default_factory=list)

    def of(self, stream: str) -> Iterator[Run]:
        """Yield the runs of one stream."""
        yield from (run for run in self.runs if run.stream == stream)

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")

    @staticmethod
    def read(path: Path) -> Results:
        """Return what `save` wrote."""
        return msgspec.json.decode(path.read_bytes(), type=Results)


def measure(stream: Stream, learner: str, seed: int, *, phases: Sequence[int] = PHASES, dense: bool = True) -> Run:
    """Play all rules, without ``dense`` none that fits more often than each eighth chunk.

    Phases that leave less than half of the stream are left out.
    """
    began = time.perf_counter()
    versions = Versions(stream, learner, seed)
    usable = [phase for phase in phases if stream.window + phase < stream.chunks // 2] or [0]
    rules = [rule for rule in _RULES if dense or rule.every not in _DENSE]
    played = {rule.name: [play(versions, rule, phase) for phase in usable] for rule in [*rules, *default_rules(stream)]}
    return Run(stream.name, learner, seed, stream.chunks, played, round(time.perf_counter() - began, 1))


def default_rules(stream: Stream) -> tuple[Rule, Rule]:
    """Return what init writes for the stream, first without the pool that is in it."""
    files = written(stream)
    keep = 1 if files.retrain.pool is None else files.retrain.pool.keep
    return Rule(INIT_BARE, written=files), Rule(INIT, written=files, pool=keep)


def calm(seed: int, *, chunks: int = 467) -> Calm:
    """Play the gain condition with its pool on a stationary stream, where no version is ever too old."""
    stream = made("stationary", 1000 + seed, chunks=chunks)
    files = written(stream)
    gain = RetrainConfig.model_validate({"when": {"gain": {}}, "pool": {"keep": 4}})
    rule = Rule(INIT, written=replace(files, retrain=gain), pool=4)
    found = play(Versions(stream, "lightgbm-small", seed), rule, 0)
    return Calm(seed, chunks, found.fits, found.switches)
