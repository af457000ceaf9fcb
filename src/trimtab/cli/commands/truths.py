"""About true outcomes: ``truths send``, ``truths show``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.interrupts import left_behind
from trimtab.cli.output import AsJson, ProjectOption, escaped, say
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Encoding

__all__ = ["add_to"]

_AT_ONCE = 2_000

truths = typer.Typer(help="True outcomes: send those of a file, see which have no row.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(truths, name="truths")


@truths.command("send")
def send(
    endpoint: Annotated[str, typer.Argument(help="The endpoint that answered the rows.")],
    file: Annotated[
        Path, typer.Argument(help="CSV, TSV or Parquet: one outcome a row; rows without one are left out.")
    ],
    truth: Annotated[str, typer.Option(help="Column with the true outcome.")],
    prediction_id: Annotated[str | None, typer.Option("--id", help="Column with the prediction's id.")] = None,
    key: Annotated[str | None, typer.Option(help="Column with the record key; needs --time.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the event time of the row.")] = None,
    labelled_at: Annotated[
        str | None,
        typer.Option(help="Column with the time when the outcome was known; default: when the file was last changed."),
    ] = None,
    encoding: Annotated[Encoding, typer.Option(help="How the text file is encoded.")] = Encoding.UTF_8,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Send the true outcomes in a file; sending it again changes nothing, one that was known later corrects."""
    # Start-up cost: Arrow.
    from trimtab.cli.truth_file import TruthColumns, outcomes_of, read_truths

    columns = TruthColumns(truth=truth, prediction_id=prediction_id, key=key, time=time, labelled_at=labelled_at)
    client = connect(Path(project))
    table = read_truths(file, columns, encoding=encoding)
    # Not now: an older file that is sent again must not replace what was known later.
    changed_us = file.stat().st_mtime_ns // 1_000
    sent = 0

    def broken_off() -> str:
        return f"{sent} of {table.num_rows} outcomes were taken; send the file again, what was taken is not added twice"

    with left_behind(broken_off):
        for records in outcomes_of(
            table, columns, endpoint, subject=str(file), labelled_us=changed_us, at_once=_AT_ONCE
        ):
            sent += client.ask("truths.send", records=records)["accepted"]
    say({"endpoint": endpoint, "accepted": sent}, as_json, f"{sent} outcomes were taken for {escaped(endpoint)}.")


@truths.command("show")
def show(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Count an endpoint's outcomes: those without an answered row, corrections, conflicts."""
    answer = connect(Path(project)).ask("truths.show", endpoint=endpoint)
    say(answer, as_json, _told(answer))


def _told(answer: JsonObject) -> str:
    counts = answer["truths"]
    if counts is None:
        lines = [f"No answer and no outcome of {escaped(answer['endpoint'])} is in the lake."]
    else:
        lines = [f"[bold]{escaped(answer['endpoint'])}[/]: {_sentence(counts)}"]
    if answer["naming_no_endpoint"]["outcomes"]:
        lines.append(f"naming no endpoint, of all endpoints: {_sentence(answer['naming_no_endpoint'])}")
    return "\n".join(lines)


def _sentence(counts: JsonObject) -> str:
    return (
        f"{counts['outcomes']} outcomes about {counts['subjects']} rows; {counts['unmatched']} of these rows are not "
        f"in the lake (yet), {counts['corrected']} were corrected, {counts['conflicting']} are in conflict, "
        f"{counts['repeated']} outcomes were repetitions"
    )
