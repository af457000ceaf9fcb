"""``trimtab keys``: who may ask the control plane, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, escaped, say, show_rows, when
from trimtab.core.enums import Role

__all__ = ["add_to"]

keys = typer.Typer(help="API keys: who may ask the control plane, and for what.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(keys, name="keys")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="How the audit log will call the holder.")],
    role: Annotated[Role, typer.Option(help="What the holder may do.")],
    owner: Annotated[str | None, typer.Option(help="The person who holds it; default: whom it is named after.")] = None,
    expires: Annotated[str | None, typer.Option(help="How long it works, e.g. 90d; default: always.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is shown once."""
    answer = connect(Path(project)).ask("keys.create", name=name, role=role.value, owner=owner, expires=expires)
    whose = f"of {name}" if answer["owner"] == name else f"{name} of {escaped(answer)['owner']}"
    until = "" if answer["expires_us"] is None else f", until {when(answer['expires_us'])}"
    say(answer, as_json, f"[bold]{answer['key']}[/]\nKey {whose} ({role}{until}). It is not shown again.")


@keys.command("owner")
def own(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    owner: Annotated[str, typer.Argument(help="The person who holds it.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say which person holds a key: whoever holds several is one when it comes to agreeing."""
    answer = connect(Path(project)).ask("keys.owner", name=name, owner=owner)
    say(answer, as_json, f"Key {name} is held by {escaped(answer)['owner']}.")


@keys.command("list")
def listing(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List API keys."""
    answer = connect(Path(project)).ask("keys.list")
    columns = ("name", "role", "owner", "created_us", "expires_us", "last_used_us", "revoked_us")
    show_rows(answer, as_json, answer["keys"], columns, "No keys yet.")


@keys.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="The holder's name.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Make a key useless from now on."""
    answer = connect(Path(project)).ask("keys.revoke", name=name)
    say(answer, as_json, f"Key {name} is revoked.")
