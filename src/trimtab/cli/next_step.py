"""What to do next, as the control plane says it, beneath what a command has just told."""

from __future__ import annotations

import os
import shlex

from rich.text import Text

from trimtab.cli.client import Client
from trimtab.cli.output import console
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import TrimtabError

__all__ = ["command_here", "show_next", "tell_next", "tell_what_follows"]

_REACTION_S = 8.0


def show_next(advice: list[JsonObject], project: str) -> list[Text]:
    """Return the advice as lines for a person, each command on a line of its own to be copied whole."""
    lines = []
    for one in advice:
        lines.append(Text.assemble(("→ ", "bold"), one["why"]))
        if one["command"] is not None:
            lines.append(
                Text(f"    {command_here(one['command'], project)}", style="cyan", no_wrap=True, overflow="ignore")
            )
    return lines


def tell_next(client: Client, model: str, project: str) -> None:
    """Print the newest advice about ``model``; what was asked for is done, so a failure here is no failure of it."""
    try:
        advice = [one for one in client.ask("status.show")["next"] if one["model"] == model]
    except TrimtabError:
        return
    for line in show_next(advice[-1:], project):
        console.print(line, crop=False)


def tell_what_follows(client: Client, model: str, project: str) -> None:
    """Print all advice about ``model`` as soon as the loop has answered what was just done.

    A loop with more to do than this does not keep anybody waiting: after some seconds the advice is as it stands.
    """
    answer: JsonObject = {}

    def answered() -> bool:
        answer.update(client.ask("status.show"))
        return not answer["reacting"]

    try:
        # Without a control plane the loop would do its work here: whoever only wants to look is not made to.
        if not answered() and client.remote:
            client.wait(answered, timeout_s=_REACTION_S)
    except TrimtabError:
        return
    for line in show_next([one for one in answer["next"] if one["model"] == model], project):
        console.print(line, crop=False)


def command_here(command: str, project: str) -> str:
    """Return ``command`` as it has to be typed here: with the project's folder, where that was named.

    >>> command_here("trimtab train churn", "."), command_here("trimtab train churn", "my project")
    ('trimtab train churn', "trimtab train churn --project 'my project'")
    """
    if project == "." or os.environ.get("TRIMTAB_PROJECT") == project or not command.startswith("trimtab "):
        return command
    return f"{command} --project {shlex.quote(project)}"
