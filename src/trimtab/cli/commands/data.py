"""About data and configuration: ``ingest``, ``deliveries``, ``snapshot``, ``feeds``, ``validate``, ``schema``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.delivering import await_judgement, broken_rules
from trimtab.cli.interrupts import left_behind
from trimtab.cli.next_step import tell_next
from trimtab.cli.output import AsJson, ModelArgument, ProjectOption, console, escaped, say, show_rows, when
from trimtab.cli.second_person import require_no_other
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import DataContractError

__all__ = ["add_to"]

feeds = typer.Typer(help="Who sends data, and who of them is quarantined.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(ingest)
    app.command()(deliveries)
    app.command()(snapshot)
    app.command()(validate)
    app.command()(schema)
    app.add_typer(feeds, name="feeds")


def ingest(
    model: Annotated[str, typer.Argument(help="The model that the rows are for.")],
    file: Annotated[Path, typer.Argument(help="A CSV, TSV or Parquet file.")],
    feed: Annotated[str | None, typer.Option(help="The feed that sent it, as model.yaml names it.")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until its rows are judged.")] = True,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Take in a file of rows; the contract decides which pass and which are quarantined."""
    client = connect(Path(project))
    _readable(file)
    accepted = client.ask("data.ingest", model=model, path=str(file.resolve()), feed=feed)
    if not wait:
        say(accepted, as_json, f"Accepted as delivery {accepted['delivery_id']}.")
        return
    with left_behind(_left_behind(accepted, remote=client.remote)):
        answer = await_judgement(client, accepted, file)
    say(answer, as_json, _told(file, answer))
    if not as_json:
        tell_next(client, model, project)


def _left_behind(accepted: JsonObject, *, remote: bool) -> str:
    who = "the control plane judges its rows" if remote else "its rows are judged once 'trimtab up' or 'ingest' runs"
    return f"delivery {accepted['delivery_id']} was accepted: {who}; see 'trimtab deliveries'"


def _readable(file: Path) -> None:
    """Raise DataContractError when there is nothing to read, before anybody is asked to take it in."""
    if file.exists() and not file.is_file():
        raise DataContractError(
            f"{file}: is a {'folder' if file.is_dir() else 'pipe or a device'}; expected a CSV, TSV or Parquet file"
        )
    try:
        file.open("rb").close()
    except OSError as error:
        raise DataContractError(f"{file}: cannot be read ({error.strerror}); check path and permissions") from error


def _told(file: Path, answer: JsonObject) -> str:
    lines = [f"[bold]{escaped(file.name)}[/]: {answer['rows']} rows, {answer['rows_passed']} passed"]
    if answer["rows_quarantined"]:
        lines[0] += f", [yellow]{answer['rows_quarantined']} quarantined[/]"
        lines += broken_rules(answer)
    if answer["repeated"]:
        lines.append("  These very bytes were delivered before; nothing was added.")
    return "\n".join(lines)


def deliveries(
    model: Annotated[str | None, typer.Option(help="Only those for this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest deliveries, and what became of their rows."""
    answer = connect(Path(project)).ask("data.deliveries", model=model)
    columns = ("received_us", "model", "source", "state", "rows", "rows_passed", "rows_quarantined")
    show_rows(answer, as_json, answer["deliveries"], columns, "Nothing was delivered yet; see 'trimtab ingest'.")


def snapshot(model: ModelArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Freeze the rows that may be learnt from as a dataset version (training does it by itself)."""
    answer = connect(Path(project)).ask("data.snapshot", model=model)
    say(answer, as_json, f"{answer['rows']} rows, DVC hash [bold]{answer['dataset_hash']}[/]")


@feeds.command("list")
def list_feeds(model: ModelArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List the feeds of a model."""
    answer = connect(Path(project)).ask("feeds.list", model=model)
    show_rows(answer, as_json, answer["feeds"], ("name", "owner", "state", "since_us"), "model.yaml declares no feeds.")


@feeds.command("quarantine")
def quarantine(
    model: ModelArgument,
    feed: Annotated[str, typer.Argument(help="The feed's name in model.yaml.")],
    reason: Annotated[str, typer.Option(help="Why nothing of it shall be learnt.")],
    since: Annotated[
        str | None,
        typer.Option(help="From when on its rows are set aside (ISO 8601; default: now), by when they happened."),
    ] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Set a feed aside: nothing that it sent is learnt from, until somebody trusts it again."""
    answer = connect(Path(project)).ask("feeds.quarantine", model=model, feed=feed, reason=reason, since=since)
    require_no_other(answer, f"quarantine of feed {feed}")
    told = (
        f"Feed {escaped(feed)} is set aside: its rows from {when(answer['since_us'])} UTC on are not learnt from. "
        f"Trust it again: trimtab feeds release {escaped(model)} {escaped(feed)} --reason 'why'"
    )
    say(answer, as_json, told)


@feeds.command("release")
def release(
    model: ModelArgument,
    feed: Annotated[str, typer.Argument(help="The feed's name in model.yaml.")],
    reason: Annotated[str, typer.Option(help="Why it may be trusted again.")],
    until: Annotated[
        str | None,
        typer.Option(
            help="When the quarantine ends (ISO 8601; default: now): rows that happened from then on are trusted."
        ),
    ] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """End a feed's quarantine; rows that happened between its beginning and its end stay set aside."""
    answer = connect(Path(project)).ask("feeds.release", model=model, feed=feed, reason=reason, until=until)
    require_no_other(answer, f"release of feed {feed}")
    told = f"Feed {escaped(feed)} is open."
    if answer["until_us"] is not None:
        since, end = when(answer["since_us"]), when(answer["until_us"])
        told += f" Rows from {end} UTC on are trusted; those of {since} to {end} stay in quarantine."
    say(answer, as_json, told)


def validate(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Read all configuration of the project, and say what is wrong with it, with file and line."""
    # Start-up cost: reading a project imports every room's settings.
    from trimtab.loop.validation import project_warnings, validate_project

    problems = validate_project(Path(project))
    warnings = project_warnings(Path(project))
    if as_json:
        say({"ok": not problems, "problems": problems, "warnings": warnings}, True, "")
    elif problems:
        for problem in problems:
            console.print(problem, markup=False, soft_wrap=True)
    else:
        console.print("[green]All configuration is valid.[/]")
    if not as_json:
        for warning in warnings:
            console.print(f"[yellow]note[/] {escaped(warning)}", soft_wrap=True)
    if problems:
        raise typer.Exit(2)


def schema(
    out: Annotated[Path, typer.Option(help="Folder to write the schemas into.")] = Path("schemas"),
    as_json: AsJson = False,
) -> None:
    """Write a JSON Schema for each configuration file; editors complete and check with them."""
    # Start-up cost: as in validate.
    from trimtab.loop.validation import json_schemas

    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in json_schemas().items():
        path = out / f"{name}.schema.json"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(str(path))
    say({"written": written}, as_json, escaped("\n".join(written)))
