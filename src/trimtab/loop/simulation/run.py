"""Plays a simulation from its first tick to its last, from wherever an earlier run of it was stopped."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from trimtab import __version__
from trimtab.config.durations import format_duration
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.files import write_atomically
from trimtab.loop.model_files import load_model_files
from trimtab.loop.simulation.diary import Diary, Span
from trimtab.loop.simulation.history import begin, keep_algorithm
from trimtab.loop.simulation.marks import found_of, read_marks
from trimtab.loop.simulation.outcome import fits_so_far, outcome_of
from trimtab.loop.simulation.stream import Stream, read_stream, stream_digest, usual_step_us
from trimtab.loop.simulation.tick import Tick, advance, next_moment
from trimtab.loop.simulation.world import World, build_world, copy_project, rewrite

__all__ = ["Asked", "Progress", "simulate"]

_MICROSECOND = timedelta(microseconds=1)
_RESULT = "simulation.json"
_TICKS = "ticks.jsonl"
_LOCK = "lock"
_FILES = frozenset({"stream", "policy", "retrain", "planted"})
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be played, and how.

    ``label_delay`` None: the model's. ``step``: how long a tick lasts at most; None: a day, or a week where the rows to
    be played span more than 60 days. ``planted``: a file of what is known to be wrong in the table.
    """

    model: str
    stream: Path
    time: str
    label_delay: timedelta | None = None
    policy: Path | None = None
    retrain: Path | None = None
    step: timedelta | None = None
    start: datetime | None = None
    end: datetime | None = None
    approve_after: timedelta = timedelta(hours=1)
    full_training: bool = False
    planted: Path | None = None

    def to_json(self) -> JsonObject:
        """Return what was asked of the loop, without where files lie."""
        told = {name: value for name, value in asdict(self).items() if name not in _FILES}
        spans = {name: format_duration(value) for name, value in told.items() if isinstance(value, timedelta)}
        moments = {name: value.isoformat() for name, value in told.items() if isinstance(value, datetime)}
        return {**told, **spans, **moments}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a simulation is: it has come to ``at``; ``done`` of ``total`` days; ``fits`` so far; what it does now."""

    at: datetime
    done: float
    total: float
    fits: int
    doing: str


def simulate(
    project: ProjectFolder,
    asked: Asked,
    *,
    resume: bool = False,
    anew: bool = False,
    progress: Callable[[Progress], None] = lambda _progress: None,
) -> tuple[Path, JsonObject]:
    """Play ``asked``, and return the simulation's folder and what happened. One that has ended is only read again.

    Its folder is named by the table, the configuration and what was asked; whatever it writes lies in there.

    Raises:
        ConfigError: what was asked, or a file, does not fit.
        DataContractError: the table cannot be played.
        ConflictError: the simulation is being played, or was stopped midway and ``resume`` does not say to go on.
        TrimtabError: the first version could not be made.
    """
    _check(asked)
    files = load_model_files(project, asked.model)
    marks = () if asked.planted is None else read_marks(asked.planted)
    delay = files.model.label_delay if asked.label_delay is None else asked.label_delay
    stream = read_stream(
        asked.stream,
        model=files.model,
        contract=files.contract,
        time=asked.time,
        label_delay=delay,
        start=asked.start,
        end=asked.end,
    )
    told = json.dumps(asked.to_json(), sort_keys=True)
    name = stream_digest(stream, __version__, files.digest, told, *_contents(project, asked))
    folder = project.state / "simulations" / name
    with _alone(folder):
        if anew:
            _clear(folder)
        ended = (folder / _RESULT).exists()
        if not ended and (folder / _TICKS).exists() and not resume:
            raise ConflictError(
                f"simulation {name} of {asked.model!r}: was stopped before its end; add --resume to go on, or --anew "
                "to begin again"
            )
        if not (folder / _TICKS).exists():
            _clear(folder)
        if not ended:
            _play(project, asked, stream, folder, delay, progress)
        result: JsonObject = json.loads((folder / _RESULT).read_bytes())
        found = found_of(result["checks"], marks, lasts=files.monitoring.longest_window + delay)
        if found != result["planted"]:
            result["planted"] = found
            write_atomically(folder / _RESULT, json.dumps(result, indent=1).encode())
        return folder, result


def _play(
    project: ProjectFolder,
    asked: Asked,
    stream: Stream,
    folder: Path,
    delay: timedelta,
    progress: Callable[[Progress], None],
) -> None:
    began, ticks = time.monotonic(), folder / _TICKS
    goes_on = ticks.exists()
    diary = Diary.read(ticks) if goes_on else Diary(ticks, [])
    resumed_at = len(diary.ended) if goes_on else None
    copied = ProjectFolder.open(folder / "project") if goes_on else _copied(project, asked, folder, delay)
    world = build_world(copied, asked.model, from_micros(diary.at_us(stream.start_us)))
    try:
        teller = _Teller(world, stream, progress)
        if not goes_on:
            teller.tell(stream.start_us, "the first version learns")
            world.jobs.warm_up()
            begin(world, stream)
            if not asked.full_training:
                keep_algorithm(world)
            ticks.touch()
        # Loaded before the first row asks for it. No more: what a killed tick left is for that tick's own moment.
        world.load_what_serves()
        _all_ticks(world, stream, asked, folder, diary, teller)
        result = outcome_of(world, stream, diary.ended, folder / "answers", asked.to_json())
    finally:
        world.close()
    result["run"] = {"seconds": round(time.monotonic() - began, 1), "resumed_at_tick": resumed_at}
    write_atomically(folder / _RESULT, json.dumps(result, indent=1).encode())


def _all_ticks(world: World, stream: Stream, asked: Asked, folder: Path, diary: Diary, teller: _Teller) -> None:
    at_us, last_us = diary.at_us(stream.start_us), int(stream.event_us[-1])
    step_us = _step_us(asked, last_us - stream.start_us)
    approve_us = asked.approve_after // _MICROSECOND
    while at_us <= last_us:
        number, span = len(diary.ended), diary.begun
        if span is None:
            grid_us = stream.start_us + ((at_us - stream.start_us) // step_us + 1) * step_us
            span = Span(at_us, next_moment(world, at_us, grid_us, approve_us))
            diary.begin(span)
        tick = Tick(number, span.since_us, span.until_us, folder / "answers" / f"{number:06d}.parquet")
        diary.end(advance(world, stream, tick, approve_after_us=approve_us, name=folder.name))
        at_us = span.until_us
        teller.tell(at_us, "plays")


@dataclass(frozen=True, slots=True)
class _Teller:
    """Says how far it is."""

    world: World
    stream: Stream
    progress: Callable[[Progress], None]

    def tell(self, at_us: int, doing: str) -> None:
        start_us, last_us = self.stream.start_us, int(self.stream.event_us[-1])
        fits = self.world.platform.database.read(fits_so_far)
        done, total = ((us - start_us) / _DAY_US for us in (min(at_us, last_us), last_us))
        self.progress(Progress(from_micros(at_us), done, total, fits, doing))


def _step_us(asked: Asked, span_us: int) -> int:
    if asked.step is not None:
        return asked.step // _MICROSECOND
    return usual_step_us(span_us)


def _check(asked: Asked) -> None:
    if asked.step is not None and asked.step <= timedelta(0):
        raise ConfigError("--step: expected more than 0s, e.g. 1d; correct it")
    if asked.approve_after < timedelta(0):
        raise ConfigError("--approve-after: expected 0s or more, e.g. 1h; correct it")
    if asked.start is not None and asked.end is not None and asked.end <= asked.start:
        raise ConfigError(f"--to {asked.end:%Y-%m-%d %H:%M}: is not after --from; swap them")


def _contents(project: ProjectFolder, asked: Asked) -> list[str]:
    """Return what a simulation depends on besides the model's files."""
    named = [asked.policy or project.root / "policy.yaml", *([] if asked.retrain is None else [asked.retrain])]
    return [path.read_text(encoding="utf-8", errors="replace") if path.is_file() else str(path) for path in named]


def _copied(project: ProjectFolder, asked: Asked, folder: Path, delay: timedelta) -> ProjectFolder:
    copied = copy_project(project, asked.model, folder / "project", policy=asked.policy, retrain=asked.retrain)
    files, place = load_model_files(copied, asked.model), copied.model_folder(asked.model)
    rewrite(place / "model.yaml", files.model.model_copy(update={"label_delay": delay}))
    if not asked.full_training:
        # Explaining takes as long as all the rest, and nobody looks at it.
        rewrite(place / "training_config.yaml", files.training.model_copy(update={"explain_rows": 0}))
    return copied


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two processes that play one simulation would answer each row twice."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as stream:
        try:
            fcntl.flock(stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConflictError(
                f"{folder}: this simulation is being played by another process; let it end, or stop it"
            ) from None
        yield


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == _LOCK:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
