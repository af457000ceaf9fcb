"""``trimtab events``: what the loop could not deliver, and another try for it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, say, show_rows
from trimtab.core.errors import ConfigError

__all__ = ["add_to"]

events = typer.Typer(help="Events that were given up after many attempts: list them, try again.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(events, name="events")


@events.command("list")
def listing(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List events that a part of the loop could not take, and why."""
    answer = connect(Path(project)).ask("events.dead")
    columns = ("event_id", "at_us", "kind", "aggregate", "subscriber", "attempts", "error")
    show_rows(answer, as_json, answer["events"], columns, "Every event was delivered, or is still being tried.")


@events.command("retry")
def retry(
    reason: Annotated[str, typer.Option(help="What was mended; it goes into the audit log.")],
    event_id: Annotated[str | None, typer.Argument(help="The event's id, as the list shows it.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were given up.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Try an event that was given up again, or all of them."""
    if everything == (event_id is not None):
        raise ConfigError("event: expected its id, or --all instead; see 'trimtab events list'")
    answer = connect(Path(project)).ask("events.retry", event_id=event_id, reason=reason)
    count = answer["retried"]
    say(answer, as_json, f"{count} {'delivery is' if count == 1 else 'deliveries are'} tried again.")
