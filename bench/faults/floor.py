"""The part of the suite that CI plays, and how much of it has to be right: what was right once stays right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.faults.base import make_base
from bench.faults.catalogue import CATALOGUE, SOUND_WORLD
from bench.faults.grounds import ground_of
from bench.faults.results import MARKS, Results
from bench.faults.score import judged
from bench.faults.world import play_fault

from trimtab.loop.simulation.inline_jobs import InlineJobs

__all__ = ["FAULTS", "GROUND", "SEED", "SOUND_WINDOWS", "SOUND_WORLDS", "fallen", "floor_of", "play_floor"]

GROUND, SEED = "churn", 11
FAULTS = (
    "few-rows",
    "unit-one-column",
    "swapped-columns",
    "new-category",
    "abrupt-shift",
    "turned-effect",
    "wrong-version",
    "slow-source",
    "level",
    "flipped-labels",
    "one-group",
    "stuck-program",
)
"""One of each class, and one more."""
SOUND_WORLDS, SOUND_WINDOWS = 5, 5

Floor = Mapping[str, Mapping[str, Any]]


def play_floor(work: Path, jobs: InlineJobs) -> Results:
    """Play what CI plays, below ``work``."""
    base, results = make_base(ground_of(GROUND, None), work, jobs), Results()
    for name in FAULTS:
        results.add(judged(CATALOGUE[name], GROUND, SEED, play_fault(base, CATALOGUE[name], SEED, work, jobs)))
    sound = SOUND_WORLD.for_windows(SOUND_WINDOWS)
    for seed in range(SOUND_WORLDS):
        results.add(judged(sound, GROUND, 200 + seed, play_fault(base, sound, 200 + seed, work, jobs)))
    return results


def floor_of(results: Results) -> dict[str, dict[str, Any]]:
    """Return what was right of each fault, as it is kept."""
    return {one["fault"]: {mark: one[mark] for mark in MARKS} for one in results.verdicts}


def fallen(floor: Floor, results: Results) -> Sequence[str]:
    """Return in words what was right in ``floor`` and is not any more, and what must never be."""
    found = floor_of(results)
    lost = [
        f"{fault}: {mark} was right, and is {found.get(fault, {}).get(mark)}"
        for fault, marks in floor.items()
        for mark, was in marks.items()
        if was and found.get(fault, {}).get(mark) is not True
    ]
    risky = [
        f"{one['fault']} {one['seed']}: {', '.join(one['risky'])}"
        for one in (*results.verdicts, *results.sound)
        if one["risky"]
    ]
    return [*lost, *risky]
