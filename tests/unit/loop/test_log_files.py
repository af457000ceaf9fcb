from __future__ import annotations

from pathlib import Path

from trimtab.loop.log_files import shorten


def test_a_log_that_is_too_long_moves_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    with path.open("ab") as log:
        log.write(b"old\n" * 10)
        log.flush()
        assert shorten(path, limit_bytes=39)
        log.write(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "server.log.1").read_bytes() == b"old\n" * 10


def test_two_files_are_the_most_that_a_process_leaves(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    for line in (b"1", b"2", b"3"):
        path.write_bytes(line * 50)
        assert shorten(path, limit_bytes=10)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["server.log", "server.log.1"]
    assert (tmp_path / "server.log.1").read_bytes() == b"3" * 50


def test_a_short_log_or_none_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    assert not shorten(path, limit_bytes=10)
    path.write_bytes(b"short")
    assert not shorten(path, limit_bytes=10)
    assert [one.name for one in tmp_path.iterdir()] == ["server.log"]
