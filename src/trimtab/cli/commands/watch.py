"""Commands that look: ``status``, ``monitor``, ``checks``."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, ProjectOption, console, escaped, say, when
from trimtab.core.canonical import JsonObject

__all__ = ["add_to"]

_COLOURS = {"breach": "red", "inconclusive": "yellow", "ok": "green"}


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(status)
    app.command()(monitor)
    app.command()(checks)


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Keep showing it, until Ctrl-C.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say how everything stands, and what to do next."""
    client = connect(Path(project))
    if not watch:
        answer = client.ask("status.show")
        if as_json:
            say(answer, True, "")
        else:
            console.print(_drawn(answer))
        return
    with Live(console=console, refresh_per_second=2) as live:
        while True:
            live.update(_drawn(client.ask("status.show")))
            time.sleep(1.0)


def _drawn(answer: JsonObject) -> RenderableType:
    models = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("model", "serves", "rollout", "rows", "labelled", "last checks", "incidents", "waiting"):
        models.add_column(title, overflow="fold", no_wrap=title == "model")
    for model in answer["models"]:
        rollout = model["rollout"]
        models.add_row(
            model["name"],
            ", ".join(f"{name} {weight}" for name, weight in model["serves"].items()) or "–",
            "–" if rollout is None else f"{rollout['phase']} v{rollout['candidate']} {rollout['weight_pct']} %",
            str(model["records"]),
            str(model["truths"]),
            _verdicts(model["verdicts"]),
            str(model["open_incidents"]) if model["open_incidents"] else "–",
            str(model["waiting_approval"]) if model["waiting_approval"] else "–",
        )
    lines: list[RenderableType] = [
        Text.from_markup(f"[bold]{answer['project']}[/]  {when(answer['at_us'])} UTC"),
        models,
    ]
    if answer["processes"]:
        running = ", ".join(f"{one['process']} ({'up' if one['alive'] else 'DOWN'})" for one in answer["processes"])
        lines.append(Text(f"processes: {running}"))
    if answer["dead_deliveries"]:
        lines.append(Text(f"{answer['dead_deliveries']} events could not be delivered; see the control plane's log"))
    lines += [Text.from_markup(f"[bold]→[/] {escaped(step)}") for step in answer["next"]]
    return Group(*lines)


def _verdicts(verdicts: dict[str, int]) -> Text:
    text = Text()
    for verdict, count in verdicts.items():
        text.append(f"{count} {verdict} ", style=_COLOURS.get(verdict, ""))
    return text if verdicts else Text("–")


def monitor(
    model: Annotated[str, typer.Argument(help="The model whose endpoint is checked.")],
    at: Annotated[str | None, typer.Option(help="As of this event time (ISO 8601); default: now.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Run all monitors of a model."""
    answer = connect(Path(project)).ask("monitoring.run", model=model, at=at)
    _show(answer, as_json)


def checks(
    model: Annotated[str, typer.Argument(help="The model.")],
    verdict: Annotated[str | None, typer.Option(help="Only ok, breach or inconclusive.")] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 50,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show what the newest checks of a model said."""
    _show(connect(Path(project)).ask("monitoring.checks", model=model, verdict=verdict, limit=limit), as_json)


def _show(answer: JsonObject, as_json: bool) -> None:
    if as_json:
        say(answer, True, "")
        return
    found = answer["checks"]
    for check in found:
        if check["verdict"] != "ok":
            colour = _COLOURS[check["verdict"]]
            console.print(f"[{colour}]{check['verdict']}[/]  {check['monitor']}, version {check['version']}: ", end="")
            console.print(check["explanation"], markup=False)
            for cause in check["causes"]:
                console.print(f"    {cause['kind'].replace('_', ' ')}: {cause['explanation']}", markup=False)
    counts = Counter(check["verdict"] for check in found)
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "No checks yet.")
