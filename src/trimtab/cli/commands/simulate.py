"""``trimtab simulate``: what a policy would have done on a recorded table, and at what cost."""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.client import open_project
from trimtab.cli.interrupts import left_behind
from trimtab.cli.output import AsJson, ModelArgument, ProjectOption, errors_console, escaped, say
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError
from trimtab.core.wording import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from trimtab.loop.simulation.run import Progress

__all__ = ["add_to"]

_STOPPED = "what was played is kept: --resume goes on from here"


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(simulate)


def simulate(
    model: ModelArgument,
    stream: Annotated[Path, typer.Option("--stream", help="The recorded table: Parquet or CSV, with the outcomes.")],
    time: Annotated[str, typer.Option("--time", help="The column that says when a row happened.")],
    label_delay: Annotated[
        str | None, typer.Option(help="How long after a row its outcome is known, e.g. 7d; default: model.yaml's.")
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="Another policy.yaml to play by.")] = None,
    retrain: Annotated[Path | None, typer.Option(help="Another retrain_config.yaml to play by.")] = None,
    step: Annotated[
        str | None,
        typer.Option(help="How far the clock moves before the loop looks again; default: 1d, or 7d beyond 60 days."),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="When it begins; rows before are history. Default: after a fifth.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="When it ends; default: with the table.")] = None,
    approve_after: Annotated[
        str, typer.Option(help="How long after it was asked for an action is approved that waits for a person.")
    ] = "1h",
    full_training: Annotated[
        bool, typer.Option("--full-training", help="Let each training try all candidates and tune them.")
    ] = False,
    planted: Annotated[
        Path | None,
        typer.Option(help="A YAML file of what is known to be wrong in the table, to see whether it was found."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for copies of simulation.json and simulation.svg.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it was stopped.")] = False,
    anew: Annotated[bool, typer.Option("--anew", help="Begin again, also if it has ended.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Play a recorded table through the whole loop under a simulated clock; nothing of the project changes."""
    if resume and anew:
        raise ConfigError("--resume and --anew: expected one of them; leave the other out")
    folder = open_project(Path(project))
    # Start-up cost: the whole platform.
    from trimtab.config.logs import configure_logs
    from trimtab.loop.simulation.run import Asked
    from trimtab.loop.simulation.run import simulate as play
    from trimtab.reports.simulation_plot import write_plot

    configure_logs("console", level=logging.ERROR)
    asked = Asked(
        model=model,
        stream=stream,
        time=time,
        label_delay=None if label_delay is None else _duration(label_delay, "--label-delay"),
        policy=policy,
        retrain=retrain,
        step=None if step is None else _duration(step, "--step"),
        start=_moment(start, "--from"),
        end=_moment(end, "--to"),
        approve_after=_duration(approve_after, "--approve-after"),
        full_training=full_training,
        planted=planted,
    )
    bar = _bar(as_json)
    task = bar.add_task(escaped(model), total=None, fits=0)
    in_lines = _InLines(model)

    def tell(progress: Progress) -> None:
        told = f"{escaped(model)} {progress.at:%Y-%m-%d}: {progress.doing}"
        bar.update(task, description=told, total=progress.total, completed=progress.done, fits=progress.fits)
        if bar.disable and not as_json:
            in_lines.tell(progress)

    with left_behind(_STOPPED), bar:
        written, result = play(folder, asked, resume=resume, anew=anew, progress=tell)
    write_plot(written / "simulation.svg", result)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("simulation.json", "simulation.svg"):
            shutil.copyfile(written / name, out / name)
    _tell(result, out or written, as_json)


def _duration(text: str, option: str) -> timedelta:
    # Start-up cost: pydantic; `trimtab --help` needs no durations.
    from trimtab.config.durations import parse_duration

    negative = text.strip().startswith("-")
    try:
        length = parse_duration(text.strip().removeprefix("-"))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    return -length if negative else length


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option}: found {text!r}; expected a time such as 2024-03-04T07:00") from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _bar(quiet: bool) -> Bar:
    # Start-up cost: only wanted here.
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[fits]} fits"),
        TimeRemainingColumn(),
        console=errors_console,
        transient=True,
        # In a pipe it would leave an empty line.
        disable=quiet or not errors_console.is_terminal,
    )


class _InLines:
    """Says in a line of its own that it begins, and each tenth of the way: in a pipe no bar can be drawn."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._told = -1

    def tell(self, progress: Progress) -> None:
        tenth = int(10 * progress.done / progress.total) if progress.total else 10
        if tenth <= self._told:
            return
        self._told = tenth
        fits = "" if progress.fits == 0 else f", {counted(progress.fits, 'fit')}"
        told = f"{self._model} {progress.at:%Y-%m-%d}: {progress.doing}, {10 * tenth} %{fits}"
        errors_console.print(told, markup=False, soft_wrap=True)


def _tell(result: JsonObject, folder: Path, as_json: bool) -> None:
    summary = result["summary"]
    metric = summary["metric"]
    value = summary["metrics"][metric]
    lines = [
        f"{escaped(result['model'])}, {result['from'][:10]} to {result['to'][:10]}: {summary['rows']} rows answered"
        + (f", [yellow]{summary['refused']} refused[/]" if summary["refused"] else ""),
        f"  {metric} {'–' if value is None else f'{value:.4g}'}; {summary['fits']} fits, "
        f"{summary['releases']} releases ({summary['switches_back']} of a version that served before)",
        f"  {summary['firings']} firings, {summary['runs_with_breach']} check runs with a breach, "
        f"{summary['incidents']} incidents",
        *(f"  {escaped(_told(one))}" for one in result["planted"]),
        *(f"  [yellow]note[/] {escaped(note)}" for note in result["notes"]),
        f"  {escaped(str(folder / 'simulation.json'))} has all that happened, simulation.svg draws it",
    ]
    answer = {
        "model": result["model"],
        "folder": str(folder),
        "from": result["from"],
        "to": result["to"],
        "summary": summary,
        "planted": result["planted"],
        "notes": result["notes"],
        "run": result["run"],
    }
    say(answer, as_json, "\n".join(lines))


def _told(planted: JsonObject) -> str:
    what = " in ".join(part for part in (planted["cause"], planted["column"]) if part) or "what is known to be wrong"
    if not planted["detected"]:
        return f"{planted['from'][:16]} {what}: not found"
    by = ", ".join(planted["detected_by"])
    named = "" if planted["named"] is None else ", by its name" if planted["named"] else ", not by its name"
    return f"{planted['from'][:16]} {what}: found after {planted['delay']} by {by}{named}"
