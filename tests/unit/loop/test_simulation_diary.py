"""The diary of a simulation: whenever its process is killed, the next one knows what was begun."""

from __future__ import annotations

from pathlib import Path

from trimtab.loop.simulation.diary import Diary, Span


def test_a_tick_that_was_begun_is_played_for_as_long_as_it_was_written_down(tmp_path: Path) -> None:
    path = tmp_path / "ticks.jsonl"
    diary = Diary(path, [])
    assert diary.at_us(7) == 7
    diary.begin(Span(7, 10))
    diary.end(2)
    diary.begin(Span(10, 11))
    again = Diary.read(path)
    assert again.ended == diary.ended == [{"since_us": 7, "until_us": 10, "refused": 2}]
    assert (again.begun, again.at_us(7)) == (Span(10, 11), 10)
    again.end(0)
    assert (Diary.read(path).begun, Diary.read(path).at_us(7)) == (None, 11)


def test_a_line_that_was_cut_short_was_never_written(tmp_path: Path) -> None:
    path = tmp_path / "ticks.jsonl"
    diary = Diary(path, [])
    diary.begin(Span(0, 5))
    diary.end(0)
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        found = Diary.read(path)
        first = whole.index(b"\n") + 1
        assert (found.begun, found.ended) == (Span(0, 5) if cut >= first else None, [])
        # What goes on is written behind whole lines.
        if found.begun is None:
            found.begin(Span(0, 5))
        found.end(0)
        assert path.read_bytes() == whole


def test_one_that_was_never_begun_is_empty(tmp_path: Path) -> None:
    assert Diary.read(tmp_path / "ticks.jsonl").ended == []
