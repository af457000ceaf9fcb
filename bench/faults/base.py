"""What all faults of a data set begin with: a project as init writes it, whose first version has served for a while."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from bench.faults.grounds import AT, DAY_US, Ground
from bench.faults.plan import Plan
from bench.faults.rows import LABEL_DELAY_US, stream_of, timeline
from bench.faults.serving import Counts, FaultyServing, PlantedJobs

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import read_manifest
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.lake.reading import read_table_file
from trimtab.loop.simulation.history import begin, keep_algorithm
from trimtab.loop.simulation.inline_jobs import InlineJobs
from trimtab.loop.simulation.stream import Stream
from trimtab.loop.simulation.tick import Tick, advance
from trimtab.loop.simulation.world import World, build_world, copy_project
from trimtab.loop.starter.proposal import propose
from trimtab.loop.starter.wishes import Wishes
from trimtab.loop.starter.writing import write_project
from trimtab.registry import store as registry

__all__ = ["FEED", "MODEL", "SOUND", "Base", "day", "make_base", "planted_world"]

MODEL = "planted"
FEED = "sender"
SOUND = 4
"""Sound windows before anything is planted."""
_NEVER_US = 10**15


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A project in ``folder`` that was left at ``at_us``, after ``SOUND`` windows.

    ``first_job``: what its training left; ``manifest``: its version's.
    """

    ground: Ground
    folder: Path
    at_us: int
    first_job: Path
    manifest: Manifest

    def copied(self, folder: Path) -> ProjectFolder:
        """Return a copy of the project in ``folder``."""
        shutil.copytree(self.folder, folder)
        return ProjectFolder.open(folder)


def make_base(ground: Ground, work: Path, jobs: InlineJobs, *, policy: Path | None = None) -> Base:
    """Make the project of a data set below ``work``, train its first version, and let it serve `SOUND` windows.

    ``policy``: another than init's.
    """
    written, folder = work / ground.name / "written", work / ground.name / "project"
    _write(ground, written)
    project = copy_project(ProjectFolder.open(written), MODEL, folder, policy=policy)
    stream = stream_of(ground, timeline(ground, 0, sound=SOUND, windows=SOUND))
    at_us = ground.begin_us + SOUND * ground.window_us
    planted = PlantedJobs(jobs, project.logs / "trainings.txt")
    with planted_world(project, ground.begin_us, Plan("nothing"), planted) as world:
        begin(world, stream)
        keep_algorithm(world)
        _play(world, stream, ground.begin_us, at_us, work / ground.name / "answers")
        with world.platform.database.reading() as connection:
            first = registry.get(connection, MODEL, 1)
    manifest = read_manifest(Path(first.bundle_path), expected_digest=first.digest)
    return Base(ground, folder, at_us, project.jobs / first.job_id, manifest)


@contextlib.contextmanager
def planted_world(project: ProjectFolder, at_us: int, plan: Plan, jobs: PlantedJobs) -> Iterator[World]:
    """Yield the world of a project, served as ``plan`` wants it."""
    project.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    serving = FaultyServing(project.journal, plan)
    counts = Counts(serving)
    world = build_world(project, MODEL, from_micros(at_us), serving=serving, jobs=jobs, serving_url=lambda: counts.url)
    try:
        world.load_what_serves()
        yield world
    finally:
        world.close()
        counts.close()


def _play(world: World, stream: Stream, since_us: int, until_us: int, answers: Path) -> None:
    """Play day by day; nobody agrees to anything."""
    for moment_us in range(since_us, until_us, DAY_US):
        day(world, stream, moment_us, answers)


def day(world: World, stream: Stream, since_us: int, answers: Path) -> None:
    """Play one day; nobody agrees to anything."""
    number = (since_us - stream.start_us) // DAY_US
    tick = Tick(number, since_us, since_us + DAY_US, answers / f"{number:06d}.parquet")
    advance(world, stream, tick, approve_after_us=_NEVER_US, name=MODEL)


def _write(ground: Ground, folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    history = folder.with_name("history.parquet")
    pq.write_table(ground.history(), history)
    wishes = Wishes(name=MODEL, target=ground.target, time=AT, positive_class=ground.positive)
    write_project(folder, propose(read_table_file(history), wishes, source=history.name))
    model = folder / "models" / MODEL
    _change(
        model / "model.yaml",
        {
            "label_delay": f"{LABEL_DELAY_US // 1_000_000}s",
            # Times are dealt out at random here: they tell nothing.
            "time_features": False,
            "feeds": {FEED: {"owner": "data desk of the sender"}},
        },
    )
    _change(model / "training_config.yaml", {"trials": 2, "explain_rows": 0})
    _change(model / "monitoring_config.yaml", _monitoring(ground))


def _monitoring(ground: Ground) -> JsonObject:
    """Return init's monitors, and what init leaves to a person who knows the groups and the traffic."""
    monitors: list[JsonObject] = [
        {"type": "data_drift", "severity": "medium"},
        {"type": "data_quality", "severity": "medium", "volume_factor": 2.0},
        {"type": "model_quality", "severity": "high", "max_degradation": 0.2, "min_labels": 40, "min_coverage": 0.5},
        {"type": "latency", "severity": "medium", "p95_ms": 250},
        {"type": "errors", "severity": "high", "max_failed_share": 0.02, "max_refused_share": 0.1},
    ]
    if ground.group is not None:
        group = {"column": ground.group}
        monitors.append({"type": "fairness", "severity": "high", "group": group, "max_increase": 0.1})
    return {
        "schedule": "0 0 * * *",
        "window": f"{ground.window_days}d",
        "profile_period": "1h",
        "monitors": monitors,
    }


def _change(path: Path, values: JsonObject) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(content | values, sort_keys=False), encoding="utf-8")
