"""One tick: rows are answered by what serves, outcomes are told, the clock moves on, and the loop settles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.core.clock import from_micros
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.files import write_atomically
from trimtab.loop.actor import Actor
from trimtab.loop.operations.approvals import DecideAction, decide
from trimtab.loop.simulation.history import deliver_what_came_late
from trimtab.loop.simulation.serving import Kept
from trimtab.loop.simulation.stream import Stream, without_the_unknown
from trimtab.loop.simulation.world import World
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.records.segments import predictions_table, truth_table, write_segment
from trimtab.remediation.action_store import list_actions
from trimtab.remediation.actions import ActionRequest, ActionState
from trimtab.serving.exchange import RowContext

__all__ = ["APPROVER", "Tick", "advance", "next_moment", "prediction_id"]

APPROVER = "simulation"
"""Who agrees to what waits for a person."""

_ACTOR = Actor(name=APPROVER, role=Role.ADMIN)
_REASON = "a simulation agrees to what waits"
_MOST_ROWS = 10_000
_REFUSED = b"refused"
_ANSWER_FIELDS = pa.schema(
    [
        ("row", pa.int64()),
        ("version", pa.int64()),
        ("prediction", pa.string()),
        ("probability", pa.float64()),
    ]
)


@dataclass(frozen=True, slots=True)
class Tick:
    """The ``number``-th tick, from one moment up to another. ``answers`` is where its answers are kept."""

    number: int
    since_us: int
    until_us: int
    answers: Path


def next_moment(world: World, since_us: int, grid_us: int, approve_after_us: int) -> int:
    """Return until when the next tick lasts: to ``grid_us``, or to when somebody agrees to what waits before that."""
    due = [
        request.created_us + approve_after_us
        for request in _waiting(world)
        if since_us < request.created_us + approve_after_us < grid_us
    ]
    return min([grid_us, *due])


def advance(world: World, stream: Stream, tick: Tick, *, approve_after_us: int, name: str) -> int:
    """Play one tick, and return how many rows the server refused. Played again after a crash it has the effect of once.

    ``name`` tells this simulation's segments from another's.

    Raises:
        BackendError: something of the machine's failed; the tick may be played again.
    """
    if not tick.answers.exists():
        _answer(world, stream, tick, name)
    world.move_to(from_micros(tick.until_us))
    deliver_what_came_late(world, stream, tick.since_us, tick.until_us)
    _agree(world, tick.until_us - approve_after_us)
    world.settle()
    while _agree(world, tick.until_us - approve_after_us):
        world.settle()
    return int(pq.read_schema(tick.answers).metadata[_REFUSED])


def prediction_id(place: int, event_us: int) -> str:
    """Return the id of the answer to the row at ``place``: a UUIDv7 of its own moment.

    >>> prediction_id(17, 86_400_000_000)
    '00000526-5c00-7000-8000-000000000011'
    """
    ms = max(event_us // 1_000, 0)
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7000-8000-{place:012x}"


def _answer(world: World, stream: Stream, tick: Tick, name: str) -> None:
    """Answer the rows, and leave records and outcomes in the intake; the file of answers says that it is done."""
    world.serving.draw_from(tick.number)
    places = stream.happened(tick.since_us, tick.until_us)
    frames: list[tuple[SchemaFrame, PredictionFrame]] = []
    answered: list[int] = []
    refused = 0
    for at_us, same in groupby(places, key=lambda place: int(stream.event_us[place])):
        moment = list(same)
        for start in range(0, len(moment), world.serving.max_rows(world.endpoint)):
            part = moment[start : start + world.serving.max_rows(world.endpoint)]
            taken, kept = _ask(world, stream, part, at_us)
            frames += kept
            answered += taken
            refused += len(part) - len(taken)
    intake = world.platform.project.intake
    intake.mkdir(parents=True, exist_ok=True)
    _leave_records(intake, frames, tick, name)
    _leave_truths(world, stream, tick, name)
    _keep_answers(tick.answers, answered, frames, refused)


def _ask(
    world: World, stream: Stream, places: Sequence[int], at_us: int
) -> tuple[list[int], list[tuple[SchemaFrame, PredictionFrame]]]:
    """Ask for rows of one moment, all in one request; where it is refused, one by one."""
    kept = Kept(_ids(places, at_us))
    keys = None if stream.keys is None else [stream.keys[place] for place in places]
    context = RowContext(record_keys=keys, event_us=[at_us] * len(places))
    try:
        _, schema = world.serving.answer(
            world.endpoint, [stream.row(place) for place in places], context, kept, at_us=at_us
        )
    except ConfigError:
        if len(places) == 1:
            return [], []
        alone = [_ask(world, stream, [place], at_us) for place in places]
        return [place for taken, _ in alone for place in taken], [frame for _, frames in alone for frame in frames]
    return list(places), [(schema, frame) for frame in kept.frames]


def _ids(places: Sequence[int], at_us: int) -> Iterator[str]:
    return (prediction_id(place, at_us) for place in places)


def _leave_records(intake: Path, frames: list[tuple[SchemaFrame, PredictionFrame]], tick: Tick, name: str) -> None:
    by_schema: dict[int, list[PredictionFrame]] = {}
    schemas = {schema.schema_id: schema for schema, _ in frames}
    for schema, frame in frames:
        by_schema.setdefault(schema.schema_id, []).append(frame)
    for schema_id, mine in by_schema.items():
        schema = schemas[schema_id]
        for start in range(0, len(mine), _MOST_ROWS):
            segment = _segment(name, tick.number, f"{schema.variant}@{schema.model_version}:{start}")
            write_segment(intake, predictions_table(schema, mine[start : start + _MOST_ROWS], segment))


def _leave_truths(world: World, stream: Stream, tick: Tick, name: str) -> None:
    known = stream.became_known(tick.since_us, tick.until_us).tolist()
    told = [
        TruthFrame(
            endpoint=world.endpoint,
            prediction_id=prediction_id(place, int(stream.event_us[place])),
            record_key=None,
            event_us=int(stream.event_us[place]),
            truth=truth,
            labelled_us=int(stream.known_us[place]),
            received_us=int(stream.known_us[place]),
        )
        for place, truth in without_the_unknown(stream, known)
    ]
    for start in range(0, len(told), _MOST_ROWS):
        segment = _segment(name, tick.number, f"truth:{start}")
        write_segment(world.platform.project.intake, truth_table(told[start : start + _MOST_ROWS], segment))


def _keep_answers(
    path: Path, answered: Sequence[int], frames: list[tuple[SchemaFrame, PredictionFrame]], refused: int
) -> None:
    table = pa.table(
        [
            answered,
            [schema.model_version for schema, _ in frames],
            [str(frame.prediction) for _, frame in frames],
            [frame.probability for _, frame in frames],
        ],
        schema=_ANSWER_FIELDS.with_metadata({_REFUSED: str(refused).encode()}),
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, sink.getvalue().to_pybytes())


def _segment(name: str, tick: int, part: str) -> str:
    return hashlib.sha256(f"{name}\n{tick}\n{part}".encode()).hexdigest()[:32]


def _waiting(world: World) -> list[ActionRequest]:
    with world.platform.database.reading() as connection:
        return list_actions(connection, model=world.model, state=ActionState.WAITING_APPROVAL)


def _agree(world: World, created_until_us: int) -> bool:
    """Agree to what has waited long enough, the oldest first; return whether there was any."""
    due = [request for request in _waiting(world) if request.created_us <= created_until_us]
    for request in sorted(due, key=lambda one: (one.created_us, one.id)):
        decide(world.platform, _ACTOR, DecideAction(action_id=request.id, approve=True, reason=_REASON))
    return bool(due)
