"""Checkpoints say the same whoever writes them, are read strictly, and get fewer with age."""

from __future__ import annotations

import pytest
from tests.unit.audit.forging import SOME_HASH, new_key

from trimtab.audit.checkpoint import Checkpoint, Rank, decode, file_name, superfluous
from trimtab.audit.signing import CheckpointFile, checkpoint_after, files_of, sealed
from trimtab.audit.walk import Place
from trimtab.core.errors import ArtifactUntrustedError

_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_OF_VERSION_1 = b'{"at_us":1,"hash":"%s","schema_version":1,"sequence":9}\n' % SOME_HASH.encode()


def test_a_checkpoint_round_trips_and_repeating_it_gives_the_same_bytes_and_signature() -> None:
    key = new_key()
    made = checkpoint_after(None, Place(812, SOME_HASH), at_us=5, key_id=key.public.id)
    file = sealed(made, key)
    assert decode(file.content, file.name) == made
    assert sealed(made, key) == file
    assert file.signature is not None
    assert key.public.has_signed(file.content, file.signature)


def test_one_of_version_1_is_read_still_and_the_next_begins_a_row_of_days() -> None:
    before = CheckpointFile(file_name(9), _OF_VERSION_1)
    assert decode(before.content, before.name).key_id is None
    after = checkpoint_after(before, Place(10, SOME_HASH), at_us=2, key_id="k")
    assert (after.first_of, after.previous) == ("day", None)


def test_each_names_the_last_first_of_a_day_before_it() -> None:
    key = new_key()
    made: list[CheckpointFile] = []
    for number, at_us in enumerate((0, 60, _HOUR_US, _DAY_US, _DAY_US + 60, 3 * _DAY_US), start=1):
        before = made[-1] if made else None
        found = checkpoint_after(before, Place(number, SOME_HASH), at_us=at_us, key_id=key.public.id)
        made.append(sealed(found, key))
    told = [decode(file.content, file.name) for file in made]
    assert [found.first_of for found in told] == ["day", "minute", "hour", "day", "minute", "day"]
    named = [None if found.previous is None else [file.digest for file in made].index(found.previous) for found in told]
    assert named == [None, 0, 0, 0, 3, 3]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"sequence": 1, "hash": "%s", "at_us": 1, "x": 2}' % SOME_HASH.encode(),
        b'{"sequence": 1, "hash": "short", "at_us": 1}',
        b'{"sequence": -1, "hash": "%s", "at_us": 1}' % SOME_HASH.encode(),
        b'{"sequence": 2, "hash": "%s", "at_us": 1}' % SOME_HASH.encode(),
        b'{"schema_version": 3, "sequence": 1, "hash": "%s", "at_us": 1}' % SOME_HASH.encode(),
        b"[" * 20_000,
    ],
)
def test_a_file_that_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactUntrustedError, match="checkpoint"):
        decode(content, file_name(1))


def test_other_files_are_no_checkpoints() -> None:
    names = ("notes.txt", "checkpoint-1.json", f".{file_name(1)}", f"{file_name(1)}.sig", "keys")
    assert files_of((name, b"") for name in names) == []
    assert [file.signature for file in files_of([(file_name(2), b"x"), (f"{file_name(2)}.sig", b"s")])] == [b"s"]


def test_after_two_days_one_an_hour_is_kept_and_after_sixty_one_a_day_for_ever() -> None:
    now_us = 1_000 * _DAY_US
    ranks: tuple[Rank, ...] = ("day", "hour", "minute")

    def left(age_us: int) -> list[str]:
        known: dict[str, Checkpoint] = {
            rank: Checkpoint(sequence=1, hash=SOME_HASH, at_us=now_us - age_us, first_of=rank, key_id="k")
            for rank in ranks
        }
        gone = set(superfluous(known, now_us=now_us))
        return [rank for rank in ranks if rank not in gone]

    assert left(2 * _DAY_US) == ["day", "hour", "minute"]
    assert left(2 * _DAY_US + 1) == ["day", "hour"]
    assert left(60 * _DAY_US) == ["day", "hour"]
    assert left(60 * _DAY_US + 1) == ["day"]
    assert left(999 * _DAY_US) == ["day"]
    assert list(superfluous({"old": decode(_OF_VERSION_1, file_name(9))}, now_us=now_us)) == []
