"""A checkpoint: how far the chain had come at some moment, kept outside the database.

One JSON file a checkpoint, and a signature of its bytes beside it. Whoever can write the database can also rewrite the
whole chain; they are found out by a checkpoint that lies where they cannot write, or that they cannot sign.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Final, Literal

import msgspec

from trimtab.core.canonical import canonical_json
from trimtab.core.errors import ArtifactUntrustedError

__all__ = ["SIGNATURE_SUFFIX", "Checkpoint", "Rank", "decode", "encode", "file_name", "is_checkpoint", "superfluous"]

SIGNATURE_SUFFIX: Final = ".sig"
MAX_BYTES: Final = 10_000
_NAME = re.compile(r"checkpoint-\d{12}\.json")
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_HOURLY_AFTER = timedelta(days=2)
_DAILY_AFTER = timedelta(days=60)

Sequence64 = Annotated[int, msgspec.Meta(ge=0)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Rank = Literal["day", "hour", "minute"]


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The chain had ``sequence`` entries, the last with ``hash``, written at ``at_us`` (microseconds UTC).

    All its fields follow from the chain and the checkpoints before it: whoever repeats one writes the same bytes.
    ``first_of``: the first of a day, of an hour, or neither. ``previous``: SHA-256 of the file of the last first of a
    day before it, so that none of those can be taken away. ``key_id``: who signed it. Version 1 had neither.
    """

    schema_version: Literal[1, 2] = 2
    sequence: Sequence64
    hash: Sha256
    at_us: int
    first_of: Rank = "minute"
    previous: Sha256 | None = None
    key_id: str | None = None

    def rank_of_next(self, at_us: int) -> Rank:
        """Return what a checkpoint at ``at_us`` is the first of, when this is the one before it."""
        if self.schema_version == 1 or at_us // _DAY_US > self.at_us // _DAY_US:
            return "day"
        return "hour" if at_us // _HOUR_US > self.at_us // _HOUR_US else "minute"


def file_name(sequence: int) -> str:
    """Return the name of the file of the checkpoint at ``sequence``.

    >>> file_name(812)
    'checkpoint-000000000812.json'
    """
    return f"checkpoint-{sequence:012d}.json"


def is_checkpoint(name: str) -> bool:
    """Return whether a file of this name, with or without folder, is a checkpoint's.

    >>> is_checkpoint("audit/checkpoint-000000000812.json"), is_checkpoint("checkpoint-000000000812.json.sig")
    (True, False)
    """
    return _NAME.fullmatch(PurePosixPath(name).name) is not None


def encode(checkpoint: Checkpoint) -> bytes:
    """Return the bytes of the checkpoint's file, which are what is signed."""
    return canonical_json(msgspec.to_builtins(checkpoint)).encode() + b"\n"


def decode(content: bytes, name: str) -> Checkpoint:
    """Return the checkpoint whose file ``name`` has this ``content``.

    Raises:
        ArtifactUntrustedError: it is none, or that of another sequence than its name says.
    """
    try:
        if len(content) > MAX_BYTES:
            raise msgspec.ValidationError(f"more than {MAX_BYTES} bytes")
        found = msgspec.json.decode(content, type=Checkpoint)
        if file_name(found.sequence) != PurePosixPath(name).name:
            raise msgspec.ValidationError(f"it says sequence {found.sequence}")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ArtifactUntrustedError(f"checkpoint {name}: {error}; expected the file as it was written") from error
    return found


def superfluous(known: Mapping[str, Checkpoint], *, now_us: int) -> Iterable[str]:
    """Yield the names of checkpoints that nobody needs any more.

    One an hour is enough after two days, one a day after sixty; those are kept for ever, like all of version 1.
    """
    limit_us: dict[Rank, int] = {
        "minute": now_us - _HOURLY_AFTER // timedelta(microseconds=1),
        "hour": now_us - _DAILY_AFTER // timedelta(microseconds=1),
    }
    for name, checkpoint in known.items():
        if checkpoint.schema_version > 1 and checkpoint.at_us < limit_us.get(checkpoint.first_of, checkpoint.at_us):
            yield name
