"""``trimtab sessions``: who is signed in at the console."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, say, show_rows
from trimtab.core.errors import ConfigError

__all__ = ["add_to"]

sessions = typer.Typer(help="Who is signed in at the console: list them, sign them out.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(sessions, name="sessions")


@sessions.command("list")
def listing(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List who is signed in, and from where."""
    answer = connect(Path(project)).ask("sessions.list")
    columns = ("session_id", "name", "role", "address", "created_us", "seen_us", "expires_us")
    show_rows(answer, as_json, answer["sessions"], columns, "Nobody is signed in.")


@sessions.command("end")
def end(
    session_id: Annotated[str | None, typer.Argument(help="The session's id, as the list shows it.")] = None,
    key: Annotated[str | None, typer.Option(help="All sessions of this key.")] = None,
    everybody: Annotated[bool, typer.Option("--all", help="All sessions there are.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Sign somebody out; their key goes on working, until it is revoked."""
    if (session_id is not None) + (key is not None) + everybody != 1:
        raise ConfigError("sessions end: expected one of an id, --key or --all; see 'trimtab sessions list'")
    answer = connect(Path(project)).ask("sessions.end", session_id=session_id, name=key, reason=reason)
    count = answer["ended"]
    say(answer, as_json, f"{count} {'session has' if count == 1 else 'sessions have'} ended.")
