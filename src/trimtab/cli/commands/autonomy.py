"""Commands about acting alone: ``autonomy pause``, ``resume``, ``status``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.autonomy_view import told_of
from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, console, escaped, say, show_rows, when

__all__ = ["add_to"]

autonomy = typer.Typer(help="Whether anything may run by itself: pause it, take it up again.", no_args_is_help=True)

OnlyModel = Annotated[str | None, typer.Option("--model", help="Only this model; left out: all.")]


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(autonomy, name="autonomy")


@autonomy.command("pause")
def pause(
    lasts: Annotated[str, typer.Option("--for", help="For how long, e.g. 4h; at most 31d.")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    model: OnlyModel = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Let nothing run by itself for a while: what would, waits for approval."""
    answer = connect(Path(project)).ask("autonomy.pause", lasts=lasts, reason=reason, model=model)
    where = answer["model"] or "all models"
    say(answer, as_json, escaped(f"Nothing runs by itself for {where} until {when(answer['until_us'])} UTC."))


@autonomy.command("resume")
def resume(
    model: OnlyModel = None,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """End a pause before its time; what waits for approval by then goes on waiting."""
    answer = connect(Path(project)).ask("autonomy.resume", model=model, reason=reason)
    left = [one["model"] or "all models" for one in answer["pauses"]]
    more = f" Still paused: {', '.join(left)}." if left else ""
    say(answer, as_json, escaped(f"What the policy lets run by itself does so again.{more}"))


@autonomy.command("status")
def status(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Say whether anything may run by itself now, and which pauses there were."""
    answer = connect(Path(project)).ask("autonomy.status")
    if not as_json:
        for line in told_of(answer) or ["autonomy: on; what the policy lets run by itself does"]:
            console.print(escaped(line))
    rows = [{**one, "model": one["model"] or "all"} for one in answer["newest"]]
    if rows or as_json:
        columns = ("model", "from_us", "until_us", "actor", "reason", "ended_us", "ended_by")
        show_rows(answer, as_json, rows, columns, "")
