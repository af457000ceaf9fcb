"""Commands about trouble and what is done about it: ``incidents``, ``retrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.commands.approvals import request_lines
from trimtab.cli.interrupts import left_behind
from trimtab.cli.output import AsJson, IdArgument, ModelArgument, ProjectOption, escaped, say, show_rows, when
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Severity
from trimtab.remediation.kinds import Family

__all__ = ["add_to"]

incidents = typer.Typer(help="Incidents: list them, look at one, open or close one by hand.", no_args_is_help=True)
retrain = typer.Typer(help="Retraining: ask for one, see why a trigger fired or didn't.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(incidents, name="incidents")
    app.add_typer(retrain, name="retrain")


@incidents.command("list")
def list_incidents(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those that are open.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest incidents."""
    answer = connect(Path(project)).ask("incidents.list", model=model, open_only=open_only)
    columns = ("incident_id", "model", "family", "state", "title", "opened_us", "closed_us")
    show_rows(answer, as_json, answer["incidents"], columns, "No incidents.")


@incidents.command("show")
def show_incident(incident_id: IdArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Show an incident: diagnosis, evidence, actions, timeline."""
    answer = connect(Path(project)).ask("incidents.show", incident_id=incident_id)
    say(answer, as_json, "\n".join(_case(escaped(answer))))


def _case(answer: JsonObject) -> list[str]:
    lines = [f"[bold]{answer['title']}[/]  {answer['state']}, opened {when(answer['opened_us'])}"]
    diagnosis = answer["diagnosis"]
    if diagnosis is not None:
        lines += [f"severity {diagnosis['severity']:.2f} ({answer['level']}): {diagnosis['explanation']}"]
        lines += [f"  {one['name']} {one['value']:.2f} × {one['weight']:g}: {one['why']}" for one in diagnosis["parts"]]
        lines += [f"  [green]+[/] {one}" for one in diagnosis["evidence_for"]]
        lines += [f"  [red]−[/] {one}" for one in diagnosis["evidence_against"]]
        lines += [f"  [yellow]?[/] not explained by it: {one}" for one in diagnosis["unexplained"]]
    for one in answer["actions"]:
        lines.append(f"action {one['kind']} ({one['tier']}): {one['state']} {one['outcome']}".rstrip())
        # Last on a line of its own, to be copied whole.
        word = "approve" if one["state"] == "waiting_approval" else "show"
        lines.append(f"  trimtab approvals {word} {one['action_id']}")
    lines += [f"{when(one['at_us'])}  {one['actor']}: {one['what']}. {one['why']}" for one in answer["timeline"]]
    lines.append(f"trimtab policy explain {answer['incident_id']}")
    if answer["closed_us"] is None:
        lines.append(f"trimtab incidents close {answer['incident_id']} --reason …")
    return lines


@incidents.command("open")
def open_incident(
    model: ModelArgument,
    title: Annotated[str, typer.Option(help="What is wrong, in one sentence.")],
    family: Annotated[Family, typer.Option(help="What it is about.")] = Family.MODEL,
    severity: Annotated[Severity, typer.Option(help="How loud it is told.")] = Severity.MEDIUM,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Tell of trouble that no monitor sees: it opens a case, or joins the one that is open."""
    answer = connect(Path(project)).ask(
        "incidents.open", model=model, title=title, family=family.value, severity=severity.value
    )
    what = "joined" if answer["joined"] else "opened"
    told = f"Incident {answer['incident_id']} {what}; close it with: trimtab incidents close {answer['incident_id']}"
    say(answer, as_json, f"{told} --reason …")


@incidents.command("close")
def close_incident(
    incident_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Put an incident away by hand."""
    answer = connect(Path(project)).ask("incidents.close", incident_id=incident_id, reason=reason)
    say(answer, as_json, f"Incident {incident_id} is {answer['state']}.")


@retrain.command("request")
def request_retraining(
    model: ModelArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Ask for a retraining; the policy says who must agree."""
    client = connect(Path(project))
    with left_behind(f"retraining of {model!r}: may have been asked for; see 'trimtab approvals list'"):
        answer = client.ask("retraining.trigger", model=model, reason=reason)
    told = escaped(answer)
    say(answer, as_json, "\n".join(request_lines(told)))


@retrain.command("explain")
def explain(model: ModelArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Say whether the model's retraining conditions held lately, and why."""
    answer = connect(Path(project)).ask("retraining.conditions", model=model)
    columns = ("at", "fired", "reason", "action_id", "refused")
    show_rows(answer, as_json, answer["evaluations"], columns, "No conditions were evaluated yet.")
