"""How commands speak: JSON for machines, tables and sentences for people."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn, TextIO

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from trimtab.core.canonical import JsonObject

__all__ = [
    "AsJson",
    "IdArgument",
    "ModelArgument",
    "ProjectOption",
    "console",
    "drawn_rows",
    "errors_console",
    "escaped",
    "json_text",
    "say",
    "show_rows",
    "when",
]


_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class _Console(Console):
    """Shows no control character that a text holds, nor a byte of a file's name that is no UTF-8.

    It leaves it to the caller to answer a reader that has gone.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Return what is shown for ``renderable``."""
        for segment in super().render(renderable, options):
            # What a table's sender wrote would otherwise colour, title or clear the terminal of whoever looks at it.
            harmless = segment.control is not None or _UNSHOWN.search(segment.text) is None
            yield (
                segment if harmless else Segment(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", segment.text), segment.style)
            )

    def on_broken_pipe(self) -> NoReturn:
        """Raise again what was caught."""
        raise BrokenPipeError


_UNLIMITED = 10_000
_NARROWEST = 24
_GAP = 2
_LONGEST_CELL = 120
_COPIED = ("id", "path", "file", "subject")


def _width_of(stream: TextIO) -> int | None:
    """Return None, so that the terminal is asked; in a pipe or file a line is as long as what it says."""
    return None if stream.isatty() or "COLUMNS" in os.environ else _UNLIMITED


console = _Console(highlight=False, width=_width_of(sys.stdout))
errors_console = _Console(stderr=True, highlight=False, width=_width_of(sys.stderr))

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
IdArgument = Annotated[str, typer.Argument(help="Its id, as the lists show it.")]
ProjectOption = Annotated[
    str, typer.Option("--project", envvar="TRIMTAB_PROJECT", help="The project's folder; default: this one.")
]


def say(answer: JsonObject, as_json: bool, text: str) -> None:
    """Print ``answer`` as JSON, or ``text`` (Rich markup) for a person."""
    if as_json:
        sys.stdout.write(json_text(answer, indent=2) + "\n")
        sys.stdout.flush()
    else:
        console.print(text)


def json_text(answer: JsonObject, *, indent: int | None = None) -> str:
    r"""Return ``answer`` as JSON that a UTF-8 stream takes.

    >>> print(json_text({"file": "\udcff.csv", "city": "Köln"}))
    {"file": "\udcff.csv", "city": "Köln"}
    """
    text = json.dumps(answer, indent=indent, ensure_ascii=False, default=str)
    # Half a surrogate pair (a byte of a file's name) has no UTF-8; written with a backslash it is JSON still.
    return text.encode("utf-8", "backslashreplace").decode()


def escaped(answer: Any) -> Any:
    r"""Return ``answer`` with every text made fit to stand within markup: what people wrote may hold brackets.

    >>> escaped({"why": "column [mg/dL]", "rows": 3})
    {'why': 'column \\[mg/dL]', 'rows': 3}
    """
    if isinstance(answer, str):
        return escape(answer)
    if isinstance(answer, dict):
        return {name: escaped(value) for name, value in answer.items()}
    return [escaped(value) for value in answer] if isinstance(answer, list) else answer


def show_rows(
    answer: JsonObject, as_json: bool, rows: Sequence[JsonObject], columns: Sequence[str], empty: str
) -> None:
    """Print ``answer`` as JSON, or ``rows`` as a table of ``columns``; ``empty`` is said when there are none."""
    if as_json:
        say(answer, True, "")
        return
    if not rows:
        console.print(empty)
        return
    cells = [{column: Text(_cell(column, row.get(column))) for column in columns} for row in rows]
    console.print(drawn_rows(cells, columns, console.width))


def drawn_rows(rows: Sequence[Mapping[str, Text]], columns: Sequence[str], width: int) -> RenderableType:
    """Return ``rows`` as a table of ``columns``; where that is too wide, each row as a list of names and values.

    One column, the widest, may be folded; the others stand whole, ids above all, which are there to be copied. A text
    of more than 120 characters is cut, which an ellipsis shows: one long reason must not push all rows apart.
    """
    whole, rows = rows, [{column: _cut(column, row[column]) for column in columns} for row in rows]
    titles = {column: column.removesuffix("_us").replace("_", " ") for column in columns}
    needed = {
        column: max([cell_len(titles[column]), *(cell_len(row[column].plain) for row in rows)]) for column in columns
    }
    widest = max(columns, key=lambda column: needed[column])
    room = width - sum(needed.values()) + needed[widest] - _GAP * (len(columns) - 1)
    if room < min(needed[widest], _NARROWEST) or (room < needed[widest] and widest.endswith("_id")):
        return _one_below_the_other(whole, titles)
    named = any(title.strip() for title in titles.values())
    table = Table(box=None, show_header=named, header_style="bold", pad_edge=False, padding=(0, _GAP, 0, 0))
    for column in columns:
        table.add_column(titles[column], overflow="fold", no_wrap=column != widest)
    for row in rows:
        table.add_row(*(row[column] for column in columns))
    return table


def _cut(column: str, text: Text) -> Text:
    if column.endswith(_COPIED) or cell_len(text.plain) <= _LONGEST_CELL:
        return text
    shorter = text.copy()
    shorter.truncate(_LONGEST_CELL, overflow="ellipsis")
    return shorter


def _one_below_the_other(rows: Sequence[Mapping[str, Text]], titles: Mapping[str, str]) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for place, row in enumerate(rows):
        if place:
            table.add_row()
        for column, title in titles.items():
            if row[column].plain not in {"", "–"}:
                table.add_row(title, row[column])
    return table


def when(micros: int | None) -> str:
    """Return a moment as people read it, in UTC; a dash for None.

    >>> when(86_400_000_000)
    '1970-01-02 00:00'
    """
    if micros is None:
        return "–"
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _cell(column: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    if column.endswith("_us") and isinstance(value, int):
        return when(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell('', item)}" for name, item in value.items())
    return str(value)
