from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.text import Text

from trimtab.cli.output import console, drawn_rows, show_rows

ROWS = [
    {"job_id": "01a1fcc8-8543-7027-9743-e0d9c2a31810", "state": "succeeded", "reason": "all is well " * 5},
    {"job_id": "01a1fcc8-8543-7027-9743-e0d9c2a31811", "state": "failed", "reason": "–"},
]
COLUMNS = ("job_id", "state", "reason")


def lines(width: int) -> list[str]:
    """Return what a terminal of this width shows."""
    out = io.StringIO()
    cells = [{name: Text(value) for name, value in row.items()} for row in ROWS]
    Console(file=out, width=width).print(drawn_rows(cells, COLUMNS, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [20, 40, 60, 80, 100, 160, 10_000])
def test_nothing_is_cut_and_ids_stand_whole_however_wide_the_terminal_is(width: int) -> None:
    shown = lines(width)
    assert max(map(len, shown)) <= width
    whole = "\n".join(shown)
    if width >= 60:
        assert all(row["job_id"] in whole for row in ROWS)
    assert "".join(whole.split()).count("alliswell") in {5, 0} or width < 60
    assert "succeeded" in whole.replace("\n", "")


def test_a_wide_terminal_shows_a_row_a_line() -> None:
    assert len(lines(10_000)) == 3


def test_one_long_reason_does_not_push_all_rows_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a pipe, whatever width the first test that wrote had.
    monkeypatch.setattr(console, "_width", 10_000)
    rows = [{"state": "held", "path": "p" * 200, "reason": "r" * 600}, {"state": "done", "path": "q", "reason": "well"}]
    with console.capture() as shown:
        show_rows({}, False, rows, ["state", "reason"], "none")
    assert max(map(len, shown.get().splitlines())) == 127
    assert "r" * 119 + "…" in shown.get()
    with console.capture() as shown:
        show_rows({}, False, rows, ["state", "path"], "none")
    assert "p" * 200 in shown.get().replace("\n", "")


def test_a_narrow_terminal_shows_names_and_values_and_leaves_out_what_is_empty() -> None:
    shown = lines(60)
    assert shown[0] == f"job id  {ROWS[0]['job_id']}"
    assert [line.split()[0] for line in shown if line[:1].strip()].count("reason") == 1


def test_what_was_delivered_cannot_steer_the_terminal() -> None:
    crafted = "a\x1b[2J\x1b]0;title\x07\x9b31m\rb\u202ec"
    with console.capture() as shown:
        console.print(f"note {crafted}")
        console.print(Text(crafted))
        show_rows({}, False, [{"name": crafted, "other": "[bold]x[/]"}], ["name", "other"], "none")
    assert not set(shown.get()) & set("\x1b\x07\x9b\r\u202e")
    assert shown.get().count("[2J") == 3
    assert "[bold]x[/]" in shown.get()


def test_colours_of_our_own_are_still_shown() -> None:
    stream = io.StringIO()
    painted = type(console)(file=stream, force_terminal=True, color_system="standard")
    painted.print("[yellow]note[/] a\x1b[31mb", highlight=False)
    assert stream.getvalue().count("\x1b[") == 2


def test_a_byte_of_a_files_name_that_is_no_utf_8_is_shown_as_a_sign_of_that() -> None:
    with console.capture() as shown:
        console.print("\udcff.csv: is empty", markup=False)
    assert shown.get() == "\N{REPLACEMENT CHARACTER}.csv: is empty\n"
