"""What one run of the bench found: by stream, learner and seed, each rule over several phases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
from bench.triggers.play import Played, Rule, play
from bench.triggers.streams import MADE, Stream, made
from bench.triggers.versions import Versions

__all__ = ["CALENDARS", "GAIN", "GAIN_POOL", "PHASES", "RULES", "Calm", "Results", "Run", "calm", "measure"]

PHASES = (0, 3, 5, 7, 10, 14, 18, 22)
GAIN, GAIN_POOL = "gain", "gain, pool of 4"
CALENDARS = (1, 4, 8, 13, 26, 52, 0)
_DENSE = (1, 4)
_NEVER_OLD = 1 << 30
RULES = (
    *(Rule(f"every {every}" if every else "never", every) for every in CALENDARS),
    *(Rule(f"every {every}, pool of 4", every, pool=4) for every in (8, 13, 26, 52)),
    Rule(GAIN),
    Rule(GAIN_POOL, pool=4),
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
    """Fits that the gain rule asked for on one stationary stream, beside none for age: ``fits`` of ``chunks``."""

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


def measure(stream: Stream, learner: str, seed: int, *, phases: Sequence[int] = PHASES) -> Run:
    """Play all rules; phases that leave less than half of the stream are left out."""
    began = time.perf_counter()
    versions = Versions(stream, learner, seed)
    usable = [phase for phase in phases if stream.window + phase < stream.chunks // 2] or [0]
    # On a made stream the dense calendars cost the most fits and tell the least: what changes there is known.
    rules = [rule for rule in RULES if stream.name not in MADE or rule.every not in _DENSE]
    played = {rule.name: [play(versions, rule, phase) for phase in usable] for rule in rules}
    return Run(stream.name, learner, seed, stream.chunks, played, round(time.perf_counter() - began, 1))


def calm(seed: int, *, chunks: int = 467) -> Calm:
    """Play the gain rule with its pool on a stationary stream, where no version is ever too old."""
    versions = Versions(made("stationary", 1000 + seed, chunks=chunks), "lightgbm-small", seed)
    found = play(versions, Rule(GAIN_POOL, pool=4, oldest=_NEVER_OLD), 0)
    return Calm(seed, chunks, found.fits, found.switches)
