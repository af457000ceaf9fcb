"""``trimtab init``: a ready project from a table that nobody has described yet."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from trimtab.cli.client import connect
from trimtab.cli.delivering import broken_rules, deliver
from trimtab.cli.interrupts import heard
from trimtab.cli.output import AsJson, console, errors_console, escaped, say
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Encoding, Task

if TYPE_CHECKING:
    from trimtab.loop.starter.wishes import Plan

__all__ = ["add_to"]

_SHOWN_COLUMNS = 40


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(init)


def init(
    project: Annotated[Path, typer.Argument(help="The folder to make; or a project, to add a model to.")],
    file: Annotated[Path, typer.Option("--from", help="The table: CSV, TSV or Parquet, with its outcome.")],
    target: Annotated[str, typer.Option(help="The column to predict.")],
    time: Annotated[str | None, typer.Option(help="The column that says when a row happened.")] = None,
    key: Annotated[str | None, typer.Option(help="The column that identifies a row.")] = None,
    name: Annotated[str | None, typer.Option(help="The model's name; default: the file's.")] = None,
    task: Annotated[Task | None, typer.Option(help="What kind of prediction; default: found out.")] = None,
    positive_class: Annotated[str | None, typer.Option(help="Binary: the class that counts as 'yes'.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="A column not to learn from; may be repeated.")] = None,
    encoding: Annotated[Encoding, typer.Option(help="How the text file is encoded.")] = Encoding.UTF_8,
    ingest: Annotated[bool, typer.Option("--ingest/--no-ingest", help="Deliver the file at once.")] = True,
    as_json: AsJson = False,
) -> None:
    """Make a project from a table: infers types, ranges, task, and writes every configuration file, with comments."""
    # Start-up cost: Arrow, Polars and every room's settings.
    from trimtab.lake.reading import read_table_file
    from trimtab.loop.starter.proposal import propose
    from trimtab.loop.starter.wishes import Wishes
    from trimtab.loop.starter.writing import name_from, refuse_occupied, write_project

    model = name_from(name or file.stem)
    refuse_occupied(project, model)
    wishes = Wishes(
        name=model,
        target=target,
        time=time,
        key=key,
        task=task,
        positive_class=positive_class,
        ignore=tuple(ignore or ()),
        encoding=encoding,
    )
    delivered: JsonObject | None = None
    with _whole_or_not_at_all(project, model):
        with heard(), errors_console.status("reading"):
            plan = propose(read_table_file(file, encoding=encoding), wishes, source=file.name)
            write_project(project, plan)
        if ingest:
            client = connect(project)
            try:
                delivered = deliver(client, model, file, feed=None)
            finally:
                client.close()
    if as_json:
        say(_answer(project, plan, delivered), True, "")
        return
    _show(project, plan, delivered, file)


@contextmanager
def _whole_or_not_at_all(project: Path, model: str) -> Iterator[None]:
    """Take a new project back when Ctrl-C comes within the block; a model of an older one stays, once it is there."""
    # Start-up cost: as in init.
    from trimtab.loop.starter.writing import folders_to_make, take_back

    adds, made = (project / "trimtab.yaml").is_file(), folders_to_make(project)
    try:
        with heard():
            yield
    except KeyboardInterrupt:
        if not adds:
            take_back(project, made)
        if adds and (project / "models" / model).is_dir():
            told = f"model {model!r}: is in project {project} now; 'trimtab deliveries' says whether its rows came in"
        else:
            told = f"{project}: nothing was written; the same command begins anew"
        errors_console.print(told, markup=False, soft_wrap=True)
        raise


def _answer(project: Path, plan: Plan, delivered: JsonObject | None) -> JsonObject:
    return {
        "project": str(project),
        "model": plan.name,
        "task": plan.task.value,
        "target": plan.wishes.target,
        "positive_class": plan.positive_class,
        "rows": plan.rows,
        "features": list(plan.features),
        "columns": {
            name: {"type": found.column.type.value, "role": plan.role_of(name), "missing": found.missing}
            for name, found in plan.findings.items()
        },
        "notes": list(plan.notes),
        "delivery": delivered,
    }


def _show(project: Path, plan: Plan, delivered: JsonObject | None, file: Path) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("column", "type", "seen", "missing", "role"):
        table.add_column(title, overflow="fold")
    names = list(plan.findings)
    for name in names[:_SHOWN_COLUMNS]:
        table.add_row(*(Text(cell) for cell in _row(plan, name)))
    console.print(table)
    if len(names) > _SHOWN_COLUMNS:
        console.print(f"… and {len(names) - _SHOWN_COLUMNS} more columns; see contract.yaml")
    for note in plan.notes[:10]:
        console.print(f"[yellow]note[/] {escaped(note)}", soft_wrap=True)
    positive = f", positive class {escaped(plan.positive_class)}" if plan.positive_class is not None else ""
    console.print(
        f"[bold]{plan.name}[/]: {plan.task}{positive}; {len(plan.features)} features, {plan.rows} rows, in "
        f"[bold]{escaped(str(project))}[/]",
        soft_wrap=True,
    )
    if delivered is not None:
        held = delivered["rows_quarantined"]
        console.print(f"Delivered: {delivered['rows_passed']} rows passed" + (f", {held} quarantined" if held else ""))
        for line in broken_rules(delivered):
            console.print(line, soft_wrap=True)
    undelivered = file if delivered is None else None
    console.print("Next:\n" + escaped(_next(project, plan, undelivered)), soft_wrap=True)


def _row(plan: Plan, name: str) -> tuple[str, ...]:
    found = plan.findings[name]
    if found.low is not None and found.high is not None:
        seen = f"{found.low:.6g}..{found.high:.6g}"
    else:
        seen = ", ".join(value[:20] for value, _ in found.counts[:3]) + (", …" if found.distinct > 3 else "")
    missing = f"{found.missing_share:.1%}" if found.missing else ""
    return name, found.column.type.value, seen, missing, plan.role_of(name)


def _next(project: Path, plan: Plan, undelivered: Path | None) -> str:
    # Absolute, since the first line leads elsewhere.
    deliver_it = (
        "" if undelivered is None else f"  trimtab ingest {plan.name} {shlex.quote(str(undelivered.absolute()))}\n"
    )
    go_there = "" if project.resolve() == Path.cwd() else f"  cd {shlex.quote(str(project))}\n"
    return (
        f"{go_there}"
        "  trimtab up                              # in a second terminal; Ctrl-C stops it\n"
        f"{deliver_it}"
        f"  trimtab train {plan.name}\n"
        f"  trimtab versions approve {plan.name}@1 --reason 'good enough to try'\n"
        f"  trimtab deploy {plan.name}@1\n"
        "  trimtab status"
    )
