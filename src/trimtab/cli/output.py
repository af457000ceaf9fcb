"""How commands speak: JSON for machines, tables and sentences for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from trimtab.core.canonical import JsonObject

__all__ = [
    "AsJson",
    "IdArgument",
    "ModelArgument",
    "ProjectOption",
    "console",
    "errors_console",
    "escaped",
    "say",
    "show_rows",
    "when",
]


class _Console(Console):
    """Leaves it to the caller to answer a reader that has gone."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise again what was caught."""
        raise BrokenPipeError


console = _Console(highlight=False)
errors_console = _Console(stderr=True, highlight=False)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
ModelArgument = Annotated[str, typer.Argument(help="The model's name.")]
IdArgument = Annotated[str, typer.Argument(help="Its id, as the lists show it.")]
ProjectOption = Annotated[
    str, typer.Option("--project", envvar="TRIMTAB_PROJECT", help="The project's folder; default: this one.")
]


def say(answer: JsonObject, as_json: bool, text: str) -> None:
    """Print ``answer`` as JSON, or ``text`` (Rich markup) for a person."""
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False, default=str) + "\n")
        sys.stdout.flush()
    else:
        console.print(text)


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
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        # An id is there to be copied: it is never broken.
        whole = column.endswith("_id")
        table.add_column(column.removesuffix("_us").replace("_", " "), overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(Text(_cell(column, row.get(column))) for column in columns))
    console.print(table)


def when(micros: int | None) -> str:
    """Return a moment as people read it, in UTC; a dash for None.

    >>> when(86_400_000_000)
    '1970-01-02 00:00'
    """
    if micros is None:
        return "–"
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M")


def _cell(column: str, value: Any) -> str:
    if value is None:
        return "–"
    if column.endswith("_us") and isinstance(value, int):
        return when(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell('', item)}" for name, item in value.items())
    return str(value)
