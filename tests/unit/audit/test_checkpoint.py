"""Checkpoints are written once, and read strictly."""

from pathlib import Path

import pytest

from trimtab.audit.checkpoint import Checkpoint, newest_checkpoint, read_checkpoint, write_checkpoint
from trimtab.core.errors import ArtifactUntrustedError, ConflictError, NotFoundError


def test_checkpoint_round_trips_and_the_farthest_is_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    assert newest_checkpoint(folder) is None
    far = Checkpoint(sequence=1000, hash="b" * 64, at_us=2)
    path = write_checkpoint(folder, far)
    write_checkpoint(folder, Checkpoint(sequence=9, hash="a" * 64, at_us=1))
    (folder / "notes.txt").write_text("not a checkpoint")
    assert read_checkpoint(path) == far
    assert newest_checkpoint(folder) == far


def test_repeating_a_checkpoint_changes_nothing_and_another_hash_is_a_conflict(tmp_path: Path) -> None:
    first = Checkpoint(sequence=3, hash="a" * 64, at_us=1)
    path = write_checkpoint(tmp_path, first)
    assert write_checkpoint(tmp_path, Checkpoint(sequence=3, hash="a" * 64, at_us=9)) == path
    assert read_checkpoint(path) == first
    with pytest.raises(ConflictError, match="audit verify"):
        write_checkpoint(tmp_path, Checkpoint(sequence=3, hash="b" * 64, at_us=1))


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"sequence": 1, "hash": "a", "at_us": 1, "x": 2}', b"[" * 20_000]
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint-000000000001.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactUntrustedError, match="checkpoint"):
        read_checkpoint(path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file"):
        read_checkpoint(tmp_path / "none.json")
