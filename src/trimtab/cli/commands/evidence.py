"""Commands about evidence: ``audit``, ``reports``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, escaped, say, show_rows

__all__ = ["add_to"]

audit = typer.Typer(help="The audit log: show it, verify its chain.", no_args_is_help=True)
reports = typer.Typer(help="Incident, deployment and drift reports.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(audit, name="audit")
    app.add_typer(reports, name="reports")


@audit.command("show")
def show(
    subject: Annotated[str | None, typer.Option(help="Only this subject; 'model:' stands for all models.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only what this actor did.")] = None,
    limit: Annotated[int, typer.Option(help="How many of the newest.", min=1, max=1000)] = 50,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show who did what, when, and why."""
    answer = connect(Path(project)).ask("audit.show", subject=subject, actor=actor, limit=limit)
    rows = [{**entry, "reason": entry["spec"].get("reason", "")} for entry in answer["entries"]]
    show_rows(answer, as_json, rows, ("sequence", "at_us", "actor", "action", "subject", "reason"), "Nothing yet.")


@audit.command("verify")
def verify(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Check the chain of the audit log; exit code 1 when it was tampered with."""
    answer = connect(Path(project)).ask("audit.verify")
    if answer["ok"]:
        head = answer["head"]
        text = f"[green]{answer['entries']} entries are whole[/]; head {head['sequence']}, {head['hash'][:16]}…"
    else:
        problem = answer["problem"]
        text = f"[red]The log is broken at entry {problem['sequence']}[/]: {escaped(problem['what'])}"
    say(answer, as_json, text)
    if not answer["ok"]:
        raise typer.Exit(1)


@reports.command("list")
def list_reports(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List the newest reports, and where they lie."""
    answer = connect(Path(project)).ask("reports.list")
    show_rows(answer, as_json, answer["reports"], ("at_us", "kind", "path"), "No report yet.")


@reports.command("evidently")
def evidently(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    window: Annotated[str, typer.Option(help="How long the window is, e.g. 24h or 7d.")] = "7d",
    until: Annotated[str | None, typer.Option(help="Where it ends: ISO 8601 with an offset; default: now.")] = None,
    variant: Annotated[str | None, typer.Option(help="Which variant; default: the first live one.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Have Evidently compare a window with what the version learnt; needs the extra 'evidently'."""
    asked = {"model": model, "window": window, "until": until, "variant": variant}
    given = {name: value for name, value in asked.items() if value is not None}
    answer = connect(Path(project)).ask("reports.evidently", **given)
    broke = f" ({answer['quarantined']} of them in quarantine)" if answer["quarantined"] else ""
    text = (
        f"{answer['drifted']} of {answer['columns']} columns drifted by Evidently's defaults, on {answer['rows']} rows"
        f"{broke} against {answer['reference_rows']} learnt\n{escaped(answer['path'])}"
    )
    say(answer, as_json, text)
