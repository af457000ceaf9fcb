"""True outcomes: take them in, and say how they stand to what was answered."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select

from trimtab.audit import log as audit
from trimtab.config.loading import Strict
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError
from trimtab.db.engine import Connection
from trimtab.db.tables import delivery
from trimtab.lake.truth_counts import count_truths
from trimtab.loop.actor import Actor
from trimtab.loop.operation import operation
from trimtab.loop.platform import Platform
from trimtab.records.intakes.folder import FolderIntake
from trimtab.records.schema import TruthFrame
from trimtab.records.segments import segment_bytes, truth_table
from trimtab.records.truths import TruthRecord, truth_frames, truths_id

MAX_RECORDS = 5_000
"""What a request may bring; a body of the control plane has at most a megabyte."""
_MAX_ENDPOINTS = 100
"""Of how many endpoints: the entry of the audit log names them all."""

_Text = Annotated[str, Field(max_length=1_000)]


class Outcome(Strict):
    """One true outcome, of the row named by ``prediction_id``, or by endpoint, key and event time."""

    truth: bool | int | float | _Text = Field(description="What turned out to be true: a class, or a number.")
    prediction_id: _Text | None = Field(default=None, description="The row's id, as it was answered.")
    endpoint: _Text | None = Field(default=None, description="The endpoint that answered.")
    record_key: int | _Text | None = Field(default=None, description="The caller's own key of the row.")
    event_time: int | _Text | None = Field(
        default=None, description="When the row happened: RFC 3339 with an offset, or microseconds since 1970."
    )
    labelled_at: int | _Text | None = Field(
        default=None, description="When the outcome was known; of several the last one holds. Default: now."
    )


class SendTruths(Strict):
    """Outcomes, all of which are taken, or none."""

    records: Annotated[tuple[Outcome, ...], Field(min_length=1, max_length=MAX_RECORDS, description="The outcomes.")]


class ShowTruths(Strict):
    """Which endpoint."""

    endpoint: Annotated[str, Field(max_length=128, description="The endpoint's name.")]


@operation("truths.send", "POST", "/v1/ground-truth", Role.OPERATOR, SendTruths)
def send_truths(platform: Platform, actor: Actor, request: SendTruths) -> JsonObject:
    """Take in true outcomes of rows that were answered, or will be: an outcome waits for its row."""
    return {"accepted": take_in(platform, actor, request.records)}


def take_in(platform: Platform, actor: Actor, records: Sequence[Outcome], *, reason: str = "") -> int:
    """Take in outcomes that ``actor`` tells, with one entry of the audit log; return how many.

    Quality is judged by them, and versions learn from them, so the log says whose word that is. A stream of outcomes
    that an inference server takes in is data, and has none.

    Raises:
        ConfigError: one of them does not fit; none was taken.
    """
    frames = truth_frames([TruthRecord(**_given(one)) for one in records], platform.now_us())
    by_endpoint: dict[str, list[TruthFrame]] = defaultdict(list)
    for frame in frames:
        by_endpoint[frame.endpoint].append(frame)
    if len(by_endpoint) > _MAX_ENDPOINTS:
        raise ConfigError(
            f"records: name {len(by_endpoint)} endpoints, expected {_MAX_ENDPOINTS} at most; send several"
        )
    try:
        segments = {
            endpoint: (segment := truths_id(told), segment_bytes(truth_table(told, segment)))
            for endpoint, told in by_endpoint.items()
        }
    except UnicodeEncodeError:
        raise ConfigError("records: a text is no Unicode; expected text in UTF-8; correct it") from None
    intake = FolderIntake(platform.project.intake, limit_bytes=platform.project.config.serving.log_limit)
    with platform.database.transaction() as connection:
        for segment, content in segments.values():
            intake.put(segment, content)
        _tell(
            connection, platform, actor, {name: one for name, (one, _content) in segments.items()}, len(frames), reason
        )
    platform.wake.set()
    return len(frames)


def _tell(
    connection: Connection,
    platform: Platform,
    actor: Actor,
    segments: Mapping[str, str],
    count: int,
    reason: str,
) -> None:
    """Audit who told outcomes, and of which endpoints; the segments' ids lead to the values, in intake and lake."""
    names = [name for name in segments if name]
    audit.append(
        connection,
        at_us=platform.now_us(),
        actor=actor.name,
        action="truths.sent",
        subject=f"endpoint:{names[0]}" if len(names) == len(segments) == 1 else "truths",
        reason=reason,
        detail={"rows": count, "segments": {name or "-": segment for name, segment in segments.items()}},
    )


@operation("truths.show", "GET", "/api/endpoints/{endpoint}/truths", Role.VIEWER, ShowTruths)
def show_truths(platform: Platform, _actor: Actor, request: ShowTruths) -> JsonObject:
    """Count an endpoint's true outcomes: without an answered row (yet), corrected, in conflict with another one."""
    endpoints = platform.database.read(_endpoints)
    named = count_truths(platform.lake, request.endpoint) if request.endpoint in endpoints else None
    unnamed = count_truths(platform.lake, "", beside=endpoints)
    return {
        "endpoint": request.endpoint,
        "truths": None if named is None else asdict(named),
        "naming_no_endpoint": asdict(unnamed),
    }


def _given(one: Outcome) -> dict[str, Any]:
    return {name: value for name, value in one.model_dump().items() if value is not None}


def _endpoints(connection: Connection) -> list[str]:
    rows = connection.execute(select(delivery.c.endpoint).where(delivery.c.endpoint.is_not(None)).distinct())
    return [name for name in rows.scalars() if name]
