"""``trimtab keys``: who may ask the control plane, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, say, show_rows
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
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Make an API key. It is shown once."""
    answer = connect(Path(project)).ask("keys.create", name=name, role=role.value)
    say(answer, as_json, f"[bold]{answer['key']}[/]\nKey of {name} ({role}). It is not shown again.")


@keys.command("list")
def listing(project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """List API keys."""
    answer = connect(Path(project)).ask("keys.list")
    show_rows(answer, as_json, answer["keys"], ("name", "role", "created_us", "revoked_us"), "No keys yet.")


@keys.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="The holder's name.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Make a key useless from now on."""
    answer = connect(Path(project)).ask("keys.revoke", name=name)
    say(answer, as_json, f"Key {name} is revoked.")
