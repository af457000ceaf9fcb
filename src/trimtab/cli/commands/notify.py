"""``trimtab notify``: whether messages reach people."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.client import Client, connect
from trimtab.cli.output import AsJson, ProjectOption, escaped, say, show_rows
from trimtab.core.enums import Severity
from trimtab.core.errors import BackendError
from trimtab.core.wording import counted

__all__ = ["add_to"]

notify = typer.Typer(help="Messages to people: list them, and try whether a route works.", no_args_is_help=True)

_LOOK_EVERY_S = 0.3


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(notify, name="notify")


@notify.command("list")
def listing(
    route: Annotated[str | None, typer.Option(help="Only messages of this route.")] = None,
    state: Annotated[str | None, typer.Option(help="pending, sent, gathered (in a digest), dead, forgotten.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many, the newest.")] = 50,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List messages, newest first, and why some could not be delivered."""
    answer = connect(Path(project)).ask("notifications.list", route=route, state=state, limit=limit)
    columns = ("at_us", "route", "severity", "kind", "state", "attempts", "title", "error")
    show_rows(answer, as_json, answer["notifications"], columns, "No messages.")


@notify.command("test")
def try_route(
    route: Annotated[str, typer.Argument(help="A name under notifications in trimtab.yaml.")],
    severity: Annotated[Severity, typer.Option(help="How loud the message is.")] = Severity.LOW,
    wait: Annotated[float, typer.Option(min=0, max=300, help="Seconds to wait until it has left.")] = 20.0,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Send a test message, and wait until the channel has taken it."""
    client = connect(Path(project))
    asked = client.ask("notifications.test", route=route, severity=severity.value)
    found = _outcome(client, asked, wait)
    answer = {**asked, "state": found["state"], "attempts": found["attempts"], "error": found["error"]}
    if found["error"] is not None:
        tried = counted(found["attempts"], "time")
        raise BackendError(f"{found['error']}; it was tried {tried}, see 'trimtab notify list'")
    say(answer, as_json, _told(escaped(answer), wait))


@notify.command("retry")
def retry(
    route: Annotated[str | None, typer.Option(help="Only messages of this route.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Put them away instead.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Send messages again that were given up after twelve attempts."""
    answer = connect(Path(project)).ask("notifications.retry", route=route, forget=forget)
    done = "put away" if forget else "tried again"
    say(answer, as_json, f"{counted(int(answer['count']), 'message')} will be {done}.")


def _outcome(client: Client, asked: dict[str, Any], wait: float) -> dict[str, Any]:
    """Return the message as it stands once it has left or failed, or when there is no more time."""
    until = time.monotonic() + wait
    while True:
        listed = client.ask("notifications.list", route=asked["route"])["notifications"]
        found: dict[str, Any] = next(one for one in listed if one["notification_id"] == asked["notification_id"])
        settled = found["state"] != "pending" or found["error"] is not None
        if settled or asked["gathered"] or time.monotonic() >= until:
            return found
        time.sleep(_LOOK_EVERY_S)


def _told(answer: dict[str, Any], wait: float) -> str:
    if answer["state"] == "sent":
        return f"Route {answer['route']}: the message has left. Look whether it arrived."
    if answer["gathered"]:
        return f"Route {answer['route']} gathers its messages: this one leaves with the next digest."
    return f"Route {answer['route']}: not sent within {wait:g} s; is 'trimtab up' running? See 'trimtab notify list'."
