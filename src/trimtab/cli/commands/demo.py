"""``trimtab demo``: the whole loop on real data, by the same commands that a user has."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.output import console
from trimtab.core.errors import ConfigError
from trimtab.files import write_atomically

__all__ = ["add_to"]


class Scenario(StrEnum):
    """What the demo plays."""

    LOOP = "loop"
    BAD_CANARY = "bad-canary"


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo's project is made.")] = Path(".demo"),
    example: Annotated[
        Path | None,
        typer.Option("--from", help="Another project to play the story on."),
    ] = None,
    scenario: Annotated[
        Scenario, typer.Option(help="loop: once around; bad-canary: a bad version goes out, and is taken back.")
    ] = Scenario.LOOP,
    act: Annotated[int | None, typer.Option(help="Play only this act of the loop.", min=1, max=2)] = None,
    leave: Annotated[bool, typer.Option("--exit", help="Stop everything at the end.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what happened into this file.")] = None,
) -> None:
    """Run the loop once around on real data, from delivery to verified remediation; then keep it up to look at."""
    if scenario is Scenario.BAD_CANARY and act is not None:
        raise ConfigError(f"--act {act}: the scenario {scenario} has no acts; leave one of them out")
    # Start-up cost: the story needs the supervisor.
    from trimtab.cli.commands.processes import addresses
    from trimtab.cli.scenarios.bad_canary import CHANGED, tell_bad_canary
    from trimtab.cli.stage import Stage
    from trimtab.cli.story import tell_story

    stage = Stage(folder, example, CHANGED if scenario is Scenario.BAD_CANARY else None)
    try:
        outcome = tell_story(stage, act) if scenario is Scenario.LOOP else tell_bad_canary(stage)
        if json_file is not None:
            write_atomically(json_file, json.dumps(outcome.to_json(), indent=2).encode())
        console.print(outcome.summary())
        if not leave:
            console.print(addresses(stage.project), soft_wrap=True)
            console.print(f"project           {stage.project.root}", soft_wrap=True)
            console.print("Everything stays up. Ctrl-C stops it.")
            stage.stay()
    finally:
        stage.close()
    if not outcome.holds:
        raise typer.Exit(1)
