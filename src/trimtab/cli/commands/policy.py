"""Commands about the policy: ``policy show``, ``policy explain``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trimtab.cli.autonomy_view import told_of
from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, IdArgument, ProjectOption, console, say, when
from trimtab.core.canonical import JsonObject

__all__ = ["add_to"]

policy = typer.Typer(help="The policy: its rules, and why it decided as it did.", no_args_is_help=True)

_MATCHED, _DID_NOT = "✓", "✗"
_TIERS = {
    "automatic": ("by itself", "green"),
    "approval": ("after approval", "yellow"),
    "person_only": ("by a person only", "red"),
    "refuse": ("not at all", "red"),
}


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(policy, name="policy")


@policy.command("show")
def show(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Show the rules in their order, and the limits over them."""
    answer = connect(Path(project)).ask("policy.show")
    if as_json:
        say(answer, True, "")
        return
    lines: list[RenderableType] = [
        Text.assemble((answer["path"], "bold"), f"  {answer['policy_hash'][:12]}, {len(answer['rules'])} rules")
    ]
    hindered = told_of(answer["autonomy"])
    lines += [Text(one, style="yellow") for one in hindered] or [Text("autonomy: on; nothing holds it back now")]
    for place, one in enumerate(answer["rules"], start=1):
        lines += [Text(""), *_rule(place, one)]
    lines += [Text(""), Text("limits: " + _listed(answer["limits"])), *_floors(answer)]
    console.print(Group(*lines), crop=False)


@policy.command("explain")
def explain(
    incident_id: IdArgument,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many decisions, the newest first.")] = 5,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say which rules were asked about an incident, why each did or did not match, and what would be said now."""
    answer = connect(Path(project)).ask("policy.explain", incident_id=incident_id, limit=limit)
    if as_json:
        say(answer, True, "")
    else:
        console.print(Group(*_explained(answer)), crop=False)


def _explained(answer: JsonObject) -> Iterator[RenderableType]:
    yield Text.assemble((answer["title"], "bold"), f"  {answer['model']}, {answer['state']}")
    if not answer["decisions"]:
        yield Text("The policy was not asked about this incident yet.")
    for made in answer["decisions"]:
        yield Text("")
        yield Text.assemble((f"{when(made['at_us'])} UTC", "bold"), f"  {_asked_about(made)}")
        if made["times"] > 1:
            yield _below(Text(f"the same {made['times']} times, last at {when(made['last_us'])} UTC"))
        if not made["policy_is_in_force"]:
            yield _below(Text(f"under another policy.yaml ({made['policy_hash'][:12]}) than today's", style="yellow"))
        yield from _decision(made)
        for request in made["requests"]:
            yield _below(_requested(request))
    yield Text("")
    now = answer["now"]
    if "error" in now:
        yield Text.assemble(("If it were asked now", "bold"), f": {now['error']}")
        return
    yield Text.assemble(("If it were asked now", "bold"), f"  {_asked_about(now)}")
    yield from _decision(now)


def _asked_about(made: JsonObject) -> str:
    proposal = made["proposal"]
    origin = f"{made['origin']} asks" if "origin" in made else "asked"
    what = "what to do" if proposal["action"] is None else f"for {_plain(proposal['action'])}"
    about = "" if proposal["diagnosis"] is None else f" about {_plain(proposal['diagnosis'])}"
    return f"{origin} {what}{about}, severity {proposal['severity']:.2g}"


def _decision(made: JsonObject) -> Iterator[RenderableType]:
    if made["asked"]:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for one in made["asked"]:
            style, sign = ("green", _MATCHED) if one["matched"] else ("dim", _DID_NOT)
            table.add_row(Text(sign, style=style), Text.assemble((one["rule"], "" if one["matched"] else "dim")))
            table.add_row("", Text(one["why"], style="dim"))
        yield _below(table)
    if made["rule"] is None:
        yield _below(Text("no rule matches: a person decides", style="red"))
    for one in made["actions"]:
        words, style = _TIERS[one["tier"]]
        yield _below(Text.assemble("→ ", (_plain(one["action"]), "bold"), " ", (words, style)))
        for raised in made["raised"]:
            if raised["action"] == one["action"]:
                told = f"since {raised['why']} ({raised['limit']})"
                yield _below(Text(told, style="yellow"), 4)
    if made["covers"]:
        yield _below(Text(f"one approval covers {', '.join(_plain(one) for one in made['covers'])} as well"))


def _requested(request: JsonObject) -> Text:
    text = Text.assemble(
        "= ", f"{_plain(request['action'])} {request['action_id']}: ", (_plain(request["state"]), "bold")
    )
    if request["outcome"]:
        text.append(f", {request['outcome']}")
    impact = request["predicted_impact"]
    if impact is not None:
        expected = f"{impact['metric']} {_number(impact['now'])} now, {_number(impact['expected'])} expected"
        text.append(f"\n  {expected}; {impact['basis']}", style="dim")
    elif request["promise"] is not None:
        text.append(f"\n  promises: {request['promise']}", style="dim")
    return text


def _floors(answer: JsonObject) -> Iterator[Text]:
    """Say what each action needs at least, whatever a rule says."""
    floors, lowered = answer["floors"], answer["allow_automatic"]
    for tier, (words, _style) in _TIERS.items():
        held = [_plain(action) for action, floor in floors.items() if floor == tier != "automatic"]
        if held:
            yield Text(f"whatever a rule says, at least {words}: {', '.join(held)}")
    if lowered:
        yield Text(f"allow automatic: {', '.join(_plain(action) for action in lowered)}", style="yellow")


def _asked(rule: JsonObject) -> str:
    """Say what a rule is asked about; one that answers with actions is not asked about others that are proposed."""
    told = _listed(rule["when"])
    actions = rule["then"].get("actions", [])
    if told or not actions:
        return f"when {told or 'anything'}"
    return f"when a case asks what to do, or {' or '.join(_plain(one) for one in actions)} is asked for"


def _rule(place: int, rule: JsonObject) -> Iterator[RenderableType]:
    then = dict(rule["then"])
    words, style = _TIERS[then.pop("tier")]
    actions = " and ".join(_plain(one) for one in then.pop("actions", []))
    yield Text.assemble(f"{place}. ", (rule["name"], "bold"))
    yield _below(Text(_asked(rule)), 3)
    more = f", {_listed(then)}" if then else ""
    yield _below(Text.assemble(f"then {actions} " if actions else "then ", (words, style), more), 3)


def _listed(named: dict[str, Any]) -> str:
    return ", ".join(f"{_plain(name)} {_told(value)}" for name, value in named.items() if value not in (None, [], {}))


def _told(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(_told(one) for one in value)
    if isinstance(value, dict):
        return f"({_listed(value)})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _below(shown: RenderableType, indent: int = 2) -> RenderableType:
    return Padding(shown, (0, 0, 0, indent), expand=False)
