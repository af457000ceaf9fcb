"""``POST /v1/ground-truth``: true outcomes that are known later, one or many."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import TruthFrame
from trimtab.records.truths import TruthRecord, truth_frames
from trimtab.serving.exchange import Exchange
from trimtab.serving.protocols.bodies import decode

__all__ = ["MAX_BODY_BYTES", "MAX_RECORDS", "accept_ground_truth", "accept_large_ground_truth"]

MAX_RECORDS: Final = 50_000
MAX_BODY_BYTES: Final = 24_000_000

_AT_ONCE: Final = 5_000


class TruthRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Several outcomes as ``records``; or one, by the fields of a `TruthRecord`."""

    records: list[TruthRecord] | None = None
    truth: str | float | int | bool | None = None
    prediction_id: str | None = None
    endpoint: str | None = None
    record_key: str | int | None = None
    event_time: str | int | None = None
    labelled_at: str | int | None = None


_DECODER: Final = msgspec.json.Decoder(TruthRequest)
_ALONE: Final = ("prediction_id", "endpoint", "record_key", "event_time", "labelled_at")


def accept_ground_truth(journal: JournalWriter, body: bytes, exchange: Exchange) -> int:
    """Record the outcomes in ``body``, all of them, or none when one does not fit; return how many.

    Raises:
        ConfigError: a record does not fit; it is named by its place.
        JournalFullError: there is no room. What was sent may be sent again: a repeated outcome changes nothing.
    """
    frames = _frames(decode(_DECODER, body), exchange.received_us)
    exchange.unrecorded = len(frames)
    for frame in frames:
        journal.append(frame)
    exchange.unrecorded = 0
    return len(frames)


async def accept_large_ground_truth(journal: JournalWriter, body: bytes, exchange: Exchange) -> int:
    """Record the outcomes in ``body`` as `accept_ground_truth` does, without keeping others waiting.

    Raises:
        ConfigError, JournalFullError: see `accept_ground_truth`.
    """
    frames = await asyncio.to_thread(lambda: _frames(decode(_DECODER, body), exchange.received_us))
    exchange.unrecorded = len(frames)
    framed = await asyncio.to_thread(journal.framed, frames)
    for begin in range(0, len(framed), _AT_ONCE):
        journal.append_framed(framed[begin : begin + _AT_ONCE])
        await asyncio.sleep(0)
    exchange.unrecorded = 0
    return len(frames)


def _frames(request: TruthRequest, received_us: int) -> list[TruthFrame]:
    said = {name: value for name in _ALONE if (value := getattr(request, name)) is not None}
    if request.records is None:
        if request.truth is None:
            raise ConfigError("truth: missing; send one outcome with its truth, or several as records")
        return truth_frames([TruthRecord(truth=request.truth, **said)], received_us, at=["outcome"])
    if said or request.truth is not None:
        raise ConfigError(
            f"{next(iter([*said, 'truth']))}: stands beside records; send one outcome, or several as records"
        )
    if not 1 <= len(request.records) <= MAX_RECORDS:
        remedy = "split them" if request.records else "send one"
        raise ConfigError(f"records: {len(request.records)}, expected 1 to {MAX_RECORDS} a request; {remedy}")
    return truth_frames(request.records, received_us)
