"""Commands that look: ``status``, ``monitor``, ``checks``."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from trimtab.cli.autonomy_view import told_of
from trimtab.cli.client import Client, connect
from trimtab.cli.interrupts import left_behind
from trimtab.cli.next_step import show_next, tell_what_follows
from trimtab.cli.output import AsJson, ProjectOption, console, drawn_rows, errors_console, escaped, say, when
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError

__all__ = ["add_to"]

_WATCH_S = 1.0
_NAMED_COLUMNS = 3
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
    if watch:
        _watch(project, as_json)
        return
    answer = connect(Path(project)).ask("status.show")
    if as_json:
        say(answer, True, "")
    else:
        console.print(_drawn(answer, project), crop=False)


def _watch(project: str, as_json: bool) -> None:
    """Show it again and again; into a pipe or file, each time that it has changed."""
    ask = _Asker(Path(project))
    if console.is_terminal and not as_json:
        # Start-up cost: only wanted here.
        from rich.live import Live

        with Live(console=console, auto_refresh=False) as live:
            while True:
                live.update(_shown(ask(), project), refresh=True)
                time.sleep(_WATCH_S)
    before = None
    while True:
        answer = ask()
        now = answer if isinstance(answer, str) else {**answer, "at_us": None}
        if now != before:
            before = now
            if as_json:
                told = {"error": answer} if isinstance(answer, str) else answer
                sys.stdout.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
                sys.stdout.flush()
            else:
                console.print(_shown(answer, project), crop=False)
                sys.stdout.flush()
        time.sleep(_WATCH_S)


class _Asker:
    """Asks for the status; where nobody answers it says so, and looks anew: the platform may come up elsewhere."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._client: Client | None = connect(project)

    def __call__(self) -> JsonObject | str:
        """Return the status, or the sentence that says why there is none now."""
        try:
            self._client = self._client or connect(self._project)
            return self._client.ask("status.show")
        except BackendError as error:
            self._client = None
            return str(error)


def _shown(answer: JsonObject | str, project: str) -> RenderableType:
    return Text(answer, style="red") if isinstance(answer, str) else _drawn(answer, project)


def _drawn(answer: JsonObject, project: str) -> RenderableType:
    columns = ("model", "serves", "rollout", "rows", "labelled", "last checks", "incidents", "waiting")
    lines: list[RenderableType] = [Text.assemble((answer["project"], "bold"), f"  {when(answer['at_us'])} UTC")]
    if answer["models"]:
        lines.append(drawn_rows([_row(model) for model in answer["models"]], columns, console.width))
    for model in answer["models"]:
        if (ended := model.get("last_retraining")) is not None:
            # That it ran well is not the news: what came of it says the outcome.
            how = ended["outcome"] if ended["state"] == "succeeded" else f"{ended['state']}: {ended['outcome']}"
            lines.append(Text(f"{model['name']}: last retraining {when(ended['finished_us'])}, {how}"))
    if answer["processes"]:
        running = ", ".join(f"{one['process']} {'up' if one['alive'] else 'down'}" for one in answer["processes"])
        lines.append(Text(f"processes: {running}"))
    lines += [Text(one, style="yellow") for one in told_of(answer["autonomy"])]
    return Group(*lines, *show_next(answer["next"], project))


def _row(model: JsonObject) -> dict[str, Text]:
    rollout = model["rollout"]
    serves = ", ".join(f"{name} {weight}" for name, weight in model["serves"].items())
    return {
        "model": Text(model["name"]),
        "serves": Text((serves or "–") + (" (not yet)" if model.get("not_served") else "")),
        "rollout": Text(
            "–" if rollout is None else f"{rollout['phase']} v{rollout['candidate']} {rollout['weight_pct']} %"
        ),
        "rows": Text(str(model["records"])),
        "labelled": Text(str(model["truths"])),
        "last checks": _verdicts(model["verdicts"]),
        "incidents": Text(str(model["open_incidents"] or "–")),
        "waiting": Text(str(model["waiting_approval"] or "–")),
    }


def _verdicts(verdicts: dict[str, int]) -> Text:
    text = Text()
    for place, (verdict, count) in enumerate(verdicts.items()):
        text.append(f"{', ' if place else ''}{count} {verdict}", style=_COLOURS.get(verdict, ""))
    return text if verdicts else Text("–")


def monitor(
    model: Annotated[str, typer.Argument(help="The model whose endpoint is checked.")],
    at: Annotated[str | None, typer.Option(help="As of this event time (ISO 8601); default: now.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Run all monitors of a model."""
    client = connect(Path(project))
    state = f"finishes them; see 'trimtab checks {model}'" if client.remote else "has not stored them; run them anew"
    told = f"checks of {model!r}: {'the control plane' if client.remote else 'this command'} {state}"
    # The status line is gone before Ctrl-C is answered beneath it.
    with left_behind(told), errors_console.status(f"the monitors of {escaped(model)} look at its rows"):
        answer = client.ask("monitoring.run", model=model, at=at)
    _show(answer, as_json)
    if not as_json:
        tell_what_follows(client, model, project)


def checks(
    model: Annotated[str, typer.Argument(help="The model.")],
    verdict: Annotated[str | None, typer.Option(help="Only ok, breach or inconclusive.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="So many of all runs, newest first; default: the last look, whole.", min=1, max=500),
    ] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show what the monitors of a model said last."""
    answer = connect(Path(project)).ask("monitoring.checks", model=model, verdict=verdict, limit=limit)
    _show(answer, as_json)
    if not as_json and limit is not None and len(answer["checks"]) == limit:
        console.print(f"These are the newest {limit}; there may be more.")


def _show(answer: JsonObject, as_json: bool) -> None:
    if as_json:
        say(answer, True, "")
        return
    found = answer["checks"]
    moments = sorted({check["at_us"] for check in found if "at_us" in check})
    dated = len(moments) > 1
    for check in found:
        if check["verdict"] == "breach":
            _tell(check, check["explanation"], dated)
            for cause in check["causes"]:
                console.print(f"    {cause['kind'].replace('_', ' ')}: {cause['explanation']}", markup=False)
    for alike in _alike(found):
        _tell(alike[0], alike[0]["explanation"] if len(alike) == 1 else _said_once(alike), dated)
    counts = Counter(check["verdict"] for check in found)
    looked = f"; as of {' to '.join(map(when, dict.fromkeys(moments[:1] + moments[-1:])))} UTC" if moments else ""
    console.print((", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "No checks yet.") + looked)


def _tell(check: JsonObject, explanation: str, dated: bool) -> None:
    verdict, at = check["verdict"], f"{when(check['at_us'])}  " if dated else ""
    console.print(f"{at}[{_COLOURS[verdict]}]{verdict}[/]  {check['monitor']}, version {check['version']}: ", end="")
    console.print(explanation, markup=False)


def _alike(found: list[JsonObject]) -> list[list[JsonObject]]:
    """Return the checks that could not judge, together where one monitor says the same of several columns."""
    groups: dict[tuple[int, str, int, str], list[JsonObject]] = {}
    for check in found:
        if check["verdict"] == "inconclusive":
            of = check.get("at_us", 0), check["monitor"], check["version"], _reason(check)
            groups.setdefault(of, []).append(check)
    return list(groups.values())


def _reason(check: JsonObject) -> str:
    return str(check["explanation"]).removeprefix(f"{check['column']}: ")


def _said_once(alike: list[JsonObject]) -> str:
    names = ", ".join(str(check["column"]) for check in alike[:_NAMED_COLUMNS])
    more = ", …" if len(alike) > _NAMED_COLUMNS else ""
    return f"{len(alike)} columns ({names}{more}): {_reason(alike[0])}"
