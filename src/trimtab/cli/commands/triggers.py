"""``trimtab triggers``: why a model is (not) to be trained again, and what asked for the trainings before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ModelArgument, ProjectOption, escaped, say, when
from trimtab.core.canonical import JsonObject

__all__ = ["add_to"]

triggers = typer.Typer(help="Retraining triggers: why one held or didn't, what came of them.", no_args_is_help=True)

_ANSWERS = {True: "[green]yes[/]", False: "no ", None: "[yellow]?  [/]"}
_MEANING = "yes: holds   no: does not   ?: cannot be said yet"
_GROUPS = {"all": "all of these", "any": "any of these", "not": "not"}


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(triggers, name="triggers")


@triggers.command("explain")
def explain(model: ModelArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Say whether the model's retraining conditions hold, since when, by which numbers, and what is missing."""
    answer = connect(Path(project)).ask("retraining.conditions", model=model)
    say(answer, as_json, "\n".join(_explained(escaped(answer))))


@triggers.command("list")
def list_triggers(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also evaluations that asked for nothing.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List what asked for retrainings, newest first, with cause, job and outcome."""
    answer = connect(Path(project)).ask("retraining.events", model=model, evaluations=everything)
    lines = [line for event in escaped(answer["events"]) for line in _listed(event)]
    say(answer, as_json, "\n".join(lines) if lines else "Nothing has asked for a retraining yet.")


def _listed(event: JsonObject) -> Iterator[str]:
    """Yield who asked and why, what became of it, and the ids: reasons are sentences, too long for a table."""
    asked = f"asked for by {event['cause'] or 'its conditions'}" if event["fired"] else "nothing asked for"
    yield f"[bold]{_moment(event['at'])}  {event['model']}[/]  {asked}: {event['reason']}"
    became = event["outcome"] or event["refused"]
    if became:
        yield f"  {became}"
    ids = [f"{name} {event[f'{name}_id']}" for name in ("action", "job") if event[f"{name}_id"]]
    if ids:
        yield f"  {', '.join(ids)}"


def _explained(answer: JsonObject) -> Iterator[str]:
    latest, model = answer["latest"], answer["model"]
    if latest is None:
        yield (
            f"{model}: its conditions were never evaluated. They are after each run of the monitors "
            f"({answer['schedule']}, in UTC); 'trimtab monitor {model}' runs them at once."
        )
        return
    word = "a retraining is asked for" if latest["fired"] else "no retraining is asked for"
    yield f"[bold]{model}: {word}[/], as of {_moment(latest['at'])} UTC"
    if answer["is_outdated"]:
        yield (
            "  since then the conditions were edited, or another version has come to serve: 'trimtab monitor "
            f"{model}' asks anew"
        )
    if latest["explanation"]["held"]:
        yield f"  {latest['reason']}"
    if answer["cools_down_until"] is not None:
        yield f"  none is asked for before {_moment(answer['cools_down_until'])}: the conditions asked for one before"
    yield ""
    yield from _tree(latest["explanation"], 0)
    yield ""
    yield f"  {_MEANING}"
    yield from _last(answer["last_retraining"])


def _tree(node: dict[str, Any], depth: int) -> Iterator[str]:
    """Yield a line for each condition; what groups others says nothing that its children say."""
    since = "" if node.get("since_us") is None else f"  [dim](since {when(node['since_us'])})[/]"
    yield f"  {'   ' * depth}{_ANSWERS[node['held']]} {_said(node)}{since}"
    for child in node["children"]:
        yield from _tree(child, depth + 1)


def _said(node: dict[str, Any]) -> str:
    name, value = node["name"], node["value"]
    if name == "for":
        return f"for {node['limit']}" + ("" if value is None else f": for {value} so far")
    if name == "since_last":
        return "since the last training" + ("" if value is None else f": windows from {_moment(value)} on")
    return _GROUPS[name] if node["children"] else f"{name}: {node['why']}"


def _last(event: JsonObject | None) -> Iterator[str]:
    if event is None:
        yield "  no retraining was asked for yet"
        return
    became = event["outcome"] or event["refused"] or ("under way" if event["action_id"] else "nothing")
    yield f"  last asked for {_moment(event['at'])} by {event['cause'] or 'its conditions'}: {became}"


def _moment(text: str) -> str:
    return text[:16].replace("T", " ")
