"""``POST /v1/ground-truth``: true outcomes that are known later, one or many."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.records.journal import JournalWriter
from trimtab.records.schema import TruthFrame
from trimtab.serving.handler import Exchange
from trimtab.serving.protocols.bodies import checked_key, decode, event_micros

__all__ = ["MAX_BODY_BYTES", "MAX_RECORDS", "accept_ground_truth", "truth_text"]

MAX_RECORDS: Final = 50_000
MAX_BODY_BYTES: Final = 24_000_000
_MAX_TRUTH: Final = 1_000
_ENDPOINT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TruthRecord(msgspec.Struct, forbid_unknown_fields=True):
    """One true outcome, of the row named by ``prediction_id``, or by endpoint, the caller's key and event time."""

    truth: str | float | int | bool
    prediction_id: str | None = None
    endpoint: str | None = None
    record_key: str | int | None = None
    event_time: str | int | None = None
    labelled_at: str | int | None = None


class TruthRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Several outcomes."""

    records: list[TruthRecord]


_DECODER: Final = msgspec.json.Decoder(TruthRequest)


def accept_ground_truth(journal: JournalWriter, body: bytes, exchange: Exchange) -> int:
    """Record the outcomes in ``body``, all of them, or none when one does not fit; return how many.

    Raises:
        ConfigError: a record does not fit; it is named by its place.
        BackendError: the journal has no room. What was sent may be sent again: a repeated outcome changes nothing.
    """
    records = decode(_DECODER, body).records
    if not 1 <= len(records) <= MAX_RECORDS:
        raise ConfigError(f"records: {len(records)}, expected 1 to {MAX_RECORDS} a request; split them")
    frames = [_frame(record, place, exchange.received_us) for place, record in enumerate(records)]
    for frame in frames:
        journal.append(frame)
    return len(frames)


def truth_text(value: str | float | bool) -> str:
    """Return an outcome as text; equal numbers give equal text.

    >>> truth_text(3.0), truth_text(0.1), truth_text(True), truth_text("yes")
    ('3', '0.1', 'true', 'yes')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _frame(record: TruthRecord, place: int, received_us: int) -> TruthFrame:
    at = f"records[{place}]"
    if (record.prediction_id is None) == (record.record_key is None):
        raise ConfigError(
            f"{at}: expected either prediction_id, or endpoint, record_key and event_time; send one of them"
        )
    if record.record_key is not None and (record.endpoint is None or record.event_time is None):
        raise ConfigError(f"{at}: record_key needs endpoint and event_time, which tell it from others; add them")
    if record.prediction_id is not None and not _UUID.fullmatch(record.prediction_id):
        raise ConfigError(
            f"{at}: prediction_id {record.prediction_id[:40]!r} is none of ours; send it as it was answered"
        )
    if record.endpoint is not None and not _ENDPOINT.fullmatch(record.endpoint):
        raise ConfigError(f"{at}: endpoint {record.endpoint[:40]!r} is no endpoint's name; correct it")
    if isinstance(record.truth, int) and record.truth.bit_length() > 64:
        raise ConfigError(f"{at}: truth of {record.truth.bit_length()} bits, expected at most 64; correct it")
    truth = truth_text(record.truth)
    if not 1 <= len(truth) <= _MAX_TRUTH:
        raise ConfigError(f"{at}: truth of {len(truth)} characters, expected 1 to {_MAX_TRUTH}; correct it")
    return TruthFrame(
        endpoint=record.endpoint or "",
        prediction_id=record.prediction_id,
        record_key=None if record.record_key is None else checked_key(record.record_key, f"{at}.record_key"),
        event_us=None if record.event_time is None else event_micros(record.event_time, f"{at}.event_time"),
        truth=truth,
        labelled_us=received_us
        if record.labelled_at is None
        else event_micros(record.labelled_at, f"{at}.labelled_at"),
        received_us=received_us,
    )
