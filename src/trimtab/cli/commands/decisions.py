"""Commands about trouble and what is done about it: ``incidents``, ``approvals``, ``retrain``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.client import connect
from trimtab.cli.interrupts import left_behind
from trimtab.cli.next_step import tell_what_follows
from trimtab.cli.output import AsJson, IdArgument, ModelArgument, ProjectOption, console, escaped, say, show_rows, when
from trimtab.core.canonical import JsonObject

__all__ = ["add_to"]

incidents = typer.Typer(help="Incidents: list them, look at one, put one away.", no_args_is_help=True)
approvals = typer.Typer(help="Actions that wait for a person: list, approve, reject.", no_args_is_help=True)
retrain = typer.Typer(help="Retraining: ask for one, see why a trigger fired or didn't.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(incidents, name="incidents")
    app.add_typer(approvals, name="approvals")
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
    columns = ("incident_id", "model", "state", "title", "opened_us", "closed_us")
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
        lines += [f"severity {diagnosis['severity']:.2f}: {diagnosis['explanation']}"]
        lines += [f"  [green]+[/] {one}" for one in diagnosis["evidence_for"]]
        lines += [f"  [red]−[/] {one}" for one in diagnosis["evidence_against"]]
    lines += [f"action {one['kind']} ({one['tier']}): {one['state']} {one['outcome']}" for one in answer["actions"]]
    lines += [f"{when(one['at_us'])}  {one['actor']}: {one['what']}. {one['why']}" for one in answer["timeline"]]
    return lines


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


@approvals.command("list")
def list_approvals(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are decided.")] = False,
    model: Annotated[str | None, typer.Option(help="Only those for this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List what waits for a person: what is proposed, and what it should bring."""
    state = None if everything else "waiting_approval"
    answer = connect(Path(project)).ask("approvals.list", model=model, state=state)
    if as_json:
        say(answer, True, "")
        return
    if not answer["actions"]:
        console.print("Nothing waits for a person.")
    for one in answer["actions"]:
        console.print("\n".join(_request(escaped(one))))


def _request(one: dict[str, Any]) -> list[str]:
    lines = [f"[bold]{one['purpose']}[/]  ({one['kind']}, {one['state']}, asked by {one['requested_by']})"]
    impact = one["predicted_impact"]
    if impact is not None:
        lines.append(
            f"  {impact['metric']}: {impact['now']:.4g} now, {impact['expected']:.4g} expected; {impact['basis']}"
        )
    if one["asked_because"]:
        lines.append(f"  asked for because: {one['asked_because']}")
    lines.append(f"  policy: {one['reason']}")
    if one["outcome"]:
        lines.append(f"  outcome: {one['outcome']}")
    if one["state"] == "waiting_approval":
        lines.append(f"  trimtab approvals approve {one['action_id']}")
    return lines


@approvals.command("approve")
def approve(
    action_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Approve a request: it runs."""
    client = connect(Path(project))
    answer = client.ask("approvals.decide", action_id=action_id, approve=True, reason=reason)
    told = escaped(answer)
    note = f" {told['note']}" if told["note"] else ""
    say(answer, as_json, f"Approved: {told['purpose']}.{note}")
    if not as_json:
        tell_what_follows(client, answer["model"], project)


@approvals.command("reject")
def reject(
    action_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Reject a request: it does not run."""
    answer = connect(Path(project)).ask("approvals.decide", action_id=action_id, approve=False, reason=reason)
    say(answer, as_json, f"Rejected: {escaped(answer['purpose'])}.")


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
    say(answer, as_json, "\n".join(_request(told)))


@retrain.command("explain")
def explain(model: ModelArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Say whether the model's retraining conditions held lately, and why."""
    answer = connect(Path(project)).ask("retraining.conditions", model=model)
    columns = ("at", "fired", "reason", "action_id", "refused")
    show_rows(answer, as_json, answer["evaluations"], columns, "No conditions were evaluated yet.")
