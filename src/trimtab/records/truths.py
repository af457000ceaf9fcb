"""True outcomes as they are told: checked, and made into frames; the same on every door that they come in by."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name
from trimtab.records.identity import checked_key, event_micros
from trimtab.records.schema import TruthFrame

__all__ = ["TruthRecord", "truth_frames", "truth_text", "truths_id"]

_MAX_TRUTH: Final = 1_000
_AHEAD_US: Final = 86_400_000_000
"""So far clocks may differ, and time zones that were left out."""

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class TruthRecord(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One true outcome, of the row named by ``prediction_id``, or by endpoint, the caller's key and event time."""

    truth: str | float | int | bool
    prediction_id: str | None = None
    endpoint: str | None = None
    record_key: str | int | None = None
    event_time: str | int | None = None
    labelled_at: str | int | None = None


def truth_frames(
    records: Sequence[TruthRecord], received_us: int, *, at: Sequence[str] | None = None
) -> list[TruthFrame]:
    """Return ``records`` as frames, received at ``received_us``; ``at`` says how each is named in a refusal.

    Raises:
        ConfigError: a record does not fit; it is named by its place.
    """
    places = at or [f"records[{place}]" for place in range(len(records))]
    return [_frame(record, where, received_us) for record, where in zip(records, places, strict=True)]


def truths_id(frames: Iterable[TruthFrame]) -> str:
    """Return the id of the segment of these outcomes: the same for what says the same, whenever it was received.

    >>> frame = TruthFrame("heart", None, "7", 5, "yes", 9, 10)
    >>> truths_id([frame]) == truths_id([TruthFrame("heart", None, "7", 5, "yes", 9, 11)])
    True
    """
    digest = hashlib.sha256(b"truths")
    for frame in frames:
        said = (frame.endpoint, frame.prediction_id, frame.record_key, frame.event_us, frame.truth, frame.labelled_us)
        digest.update(msgspec.msgpack.encode(said))
    return digest.hexdigest()[:32]


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


def _frame(record: TruthRecord, at: str, received_us: int) -> TruthFrame:
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
    if record.endpoint is not None and not is_endpoint_name(record.endpoint):
        raise ConfigError(
            f"{at}: endpoint {record.endpoint[:40]!r} is no endpoint's name; expected {ENDPOINT_NAME_RULE}"
        )
    if isinstance(record.truth, int) and record.truth.bit_length() > 64:
        raise ConfigError(f"{at}: truth of {record.truth.bit_length()} bits, expected at most 64; correct it")
    if isinstance(record.truth, float) and not math.isfinite(record.truth):
        raise ConfigError(f"{at}: truth is {record.truth}, expected a finite number or a text; leave it out")
    truth = truth_text(record.truth)
    if not 1 <= len(truth) <= _MAX_TRUTH:
        raise ConfigError(f"{at}: truth of {len(truth)} characters, expected 1 to {_MAX_TRUTH}; correct it")
    labelled_us = received_us
    if record.labelled_at is not None:
        labelled_us = event_micros(record.labelled_at, f"{at}.labelled_at")
    if labelled_us > received_us + _AHEAD_US:
        # Of several the one known last holds: one of the year 9999 would beat every correction.
        raise ConfigError(
            f"{at}.labelled_at: {record.labelled_at!r} lies more than a day ahead of now, and nothing is known before "
            "its time; correct it, or send the outcome then"
        )
    return TruthFrame(
        endpoint=record.endpoint or "",
        prediction_id=record.prediction_id,
        record_key=None if record.record_key is None else checked_key(record.record_key, f"{at}.record_key"),
        event_us=None if record.event_time is None else event_micros(record.event_time, f"{at}.event_time"),
        truth=truth,
        labelled_us=labelled_us,
        received_us=received_us,
    )
