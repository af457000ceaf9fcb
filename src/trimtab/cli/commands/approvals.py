"""``trimtab approvals``: what waits for a person, and what people say about it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.next_step import tell_what_follows
from trimtab.cli.output import AsJson, IdArgument, ProjectOption, console, escaped, say, when
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError

__all__ = ["add_to", "request_lines", "whole_request"]

approvals = typer.Typer(help="Actions that wait for a person: list, show, decide, comment.", no_args_is_help=True)

_WORDS = {"approve": "[green]agreed[/]", "reject": "[red]rejected[/]", "comment": "said"}


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(approvals, name="approvals")


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
        console.print("\n".join(request_lines(escaped(one))))


def request_lines(one: JsonObject) -> list[str]:
    """Return a request as lines: what for, what it should bring, why, and the command that agrees to it."""
    lines = [f"[bold]{one['purpose']}[/]  ({one['kind']}, {one['state']}, asked by {one['requested_by']})"]
    lines += [
        f"  {each['file']}: {each['path']}: {'?' if each['old'] is None else each['old']} → {each['new']}"
        for each in one["changes"]
    ]
    if one["covers"]:
        lines.append(f"  one approval covers {', '.join(one['covers']).replace('_', ' ')} as well")
    impact = one["predicted_impact"]
    if impact is not None:
        now, expected = (_number(impact[part]) for part in ("now", "expected"))
        lines.append(f"  {impact['metric']}: {now} now, {expected} expected; {impact['basis']}")
    if one["impact_not_known"]:
        lines.append(f"  expected: not known: {one['impact_not_known']}")
    if one["asked_because"]:
        lines.append(f"  asked for because: {one['asked_because']}")
    lines.append(f"  policy: {one['reason']}")
    if one["outcome"]:
        lines.append(f"  outcome: {one['outcome']}")
    if one["state"] == "waiting_approval":
        lines.append(f"  trimtab approvals approve {one['action_id']}")
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


@approvals.command("show")
def show(action_id: IdArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Show a request: why, what it should bring, the case, the rules that were asked, who has agreed, what was said."""
    answer = connect(Path(project)).ask("approvals.show", action_id=action_id)
    say(answer, as_json, "\n".join(whole_request(escaped(answer))))


def whole_request(one: JsonObject) -> list[str]:
    """Return all that is known of a request as lines: its case and what else is open, the rules, who said what."""
    promises = [f"  promises: {one['promise']}"] if one["promise"] else []
    beside = [
        f"  also open: incident {case['incident_id']}: {case['title']}; trimtab incidents show {case['incident_id']}"
        for case in one["open_cases"]
    ]
    lines = [*request_lines(one), *promises, *_case(one["incident"]), *beside]
    lines += [
        f"  rule {'[green]✓[/]' if rule['matched'] else '✗'} {rule['rule']}: {rule['why']}" for rule in one["rules"]
    ]
    if one["state"] == "waiting_approval":
        who = ", ".join(one["could_agree"]) or "nobody; 'trimtab keys create NAME --role " + one["role"] + "'"
        until = "" if one["expires_us"] is None else f", until {when(one['expires_us'])}"
        lines.append(f"  {len(one['agreed'])} of {one['needed']} have agreed{until}; could still: {who}")
    for vote in one["votes"]:
        said = f": {vote['comment']}" if vote["comment"] else ""
        by = "" if vote["via"] == "api" else f" (by {vote['via']})"
        lines.append(f"  {when(vote['at_us'])}  {vote['person']} {_WORDS[vote['word']]}{by}{said}")
    return lines


def _case(case: JsonObject | None) -> list[str]:
    if case is None:
        return []
    lines = [f"  incident {case['incident_id']}, {case['state']}: {case['title']}"]
    diagnosis = case["diagnosis"]
    if diagnosis is not None:
        lines.append(f"  severity {diagnosis['severity']:.2f}: {diagnosis['explanation']}")
        lines += [f"    [green]+[/] {each}" for each in diagnosis["evidence_for"]]
        lines += [f"    [red]−[/] {each}" for each in diagnosis["evidence_against"]]
    return lines


@approvals.command("approve")
def approve(
    action_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Approve a request: it runs once enough people have."""
    client = connect(Path(project))
    answer = client.ask("approvals.decide", action_id=action_id, approve=True, reason=reason)
    told = escaped(answer)
    note = f" {told['note']}." if told["note"] else ""
    if answer["state"] == "cancelled":
        raise ConflictError(f"action {action_id}: {answer['note']}; it is cancelled, and nothing is left to agree to")
    word = "Agreed, and it waits for more" if answer["state"] == "waiting_approval" else "Approved"
    say(answer, as_json, f"{word}: {told['purpose']}.{note}")
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


@approvals.command("comment")
def comment(
    action_id: IdArgument,
    text: Annotated[str, typer.Argument(help="What there is to say; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say something about a request; it decides nothing."""
    answer = connect(Path(project)).ask("approvals.comment", action_id=action_id, text=text)
    say(answer, as_json, f"Noted: {escaped(answer['purpose'])}.")


@approvals.command("cancel")
def cancel(
    action_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Take a request back: one that waits, or one that runs, which is stopped."""
    answer = connect(Path(project)).ask("approvals.cancel", action_id=action_id, reason=reason)
    say(answer, as_json, f"Cancelled: {escaped(answer['purpose'])}.")
