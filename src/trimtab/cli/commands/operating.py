"""Commands that operate what is there: ``endpoints``, ``config``, ``labelling``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.client import connect
from trimtab.cli.output import AsJson, IdArgument, ModelArgument, ProjectOption, escaped, say, show_rows
from trimtab.cli.second_person import require_no_other
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError

__all__ = ["add_to"]

endpoints = typer.Typer(help="Endpoints: pause, resume, scale one, clear its cache.", no_args_is_help=True)
config = typer.Typer(help="A model's files: change a limit, through the gate.", no_args_is_help=True)
labelling = typer.Typer(help="Labelling campaigns: open one, list them, show one.", no_args_is_help=True)

EndpointArgument = Annotated[str, typer.Argument(help="The endpoint's name.")]
ReasonOption = Annotated[str, typer.Option(help="Why; it goes into the audit log.")]


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(endpoints, name="endpoints")
    app.add_typer(config, name="config")
    app.add_typer(labelling, name="labelling")


@endpoints.command("pause")
def pause(
    endpoint: EndpointArgument,
    reason: ReasonOption,
    retry_after: Annotated[int, typer.Option(help="Seconds that callers are told to wait.")] = 60,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Have an endpoint refuse all requests (503) until it is resumed."""
    client = connect(Path(project))
    answer = client.ask("endpoints.pause", endpoint=endpoint, reason=reason, retry_after_s=retry_after)
    require_no_other(answer, f"pause of {endpoint}")
    say(answer, as_json, _told(answer, f"{endpoint} is paused; go on by 'trimtab endpoints resume {endpoint}'"))


@endpoints.command("resume")
def resume(
    endpoint: EndpointArgument, reason: ReasonOption, project: ProjectOption = ".", as_json: AsJson = False
) -> None:
    """Have a paused endpoint answer again."""
    answer = connect(Path(project)).ask("endpoints.resume", endpoint=endpoint, reason=reason)
    require_no_other(answer, f"resumption of {endpoint}")
    say(answer, as_json, _told(answer, f"{endpoint} answers again"))


@endpoints.command("scale")
def scale(
    endpoint: EndpointArgument,
    reason: ReasonOption,
    workers: Annotated[int | None, typer.Option(help="Workers at least; left out: as autoscaling says.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Have an endpoint answered by so many workers at least."""
    answer = connect(Path(project)).ask("endpoints.scale", endpoint=endpoint, reason=reason, workers=workers)
    wanted = "as many workers as autoscaling says" if workers is None else f"{workers} workers at least"
    require_no_other(answer, f"scaling of {endpoint}")
    say(answer, as_json, _told(answer, f"{endpoint} has {wanted}"))


@endpoints.command("clear-cache")
def clear_cache(
    endpoint: EndpointArgument, reason: ReasonOption, project: ProjectOption = ".", as_json: AsJson = False
) -> None:
    """Have every worker of an endpoint read its features anew."""
    answer = connect(Path(project)).ask("endpoints.clear_cache", endpoint=endpoint, reason=reason)
    require_no_other(answer, f"emptying of the cache of {endpoint}")
    say(answer, as_json, _told(answer, f"{endpoint} reads its features anew"))


@config.command("change")
def change(
    model: ModelArgument,
    file: Annotated[str, typer.Option(help="monitoring_config.yaml or deployment_config.yaml.")],
    values: Annotated[
        list[str], typer.Option("--set", help="PATH=VALUE, e.g. monitors.0.limits.mape=0.3; may repeat.")
    ],
    reason: ReasonOption,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Change limits in a model's file; comments and all else stay as they are."""
    asked = dict(_value(one) for one in values)
    answer = connect(Path(project)).ask("config.change", model=model, file=file, values=asked, reason=reason)
    require_no_other(answer, f"change of {file} of {model}")
    say(answer, as_json, _told(answer, f"{file} of {model} is about to change"))


@labelling.command("open")
def open_campaign(
    model: ModelArgument,
    reason: ReasonOption,
    rows: Annotated[int, typer.Option(help="How many rows at most.")] = 200,
    where: Annotated[list[str] | None, typer.Option(help="FEATURE=VALUE: only such rows; may repeat.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Choose rows without a label that people should label."""
    only = {name: str(value) for name, value in (_pair(one) for one in where or [])}
    answer = connect(Path(project)).ask("labelling.open", model=model, reason=reason, rows=rows, where=only)
    require_no_other(answer, f"labelling of {model}")
    say(answer, as_json, _told(answer, f"rows are being chosen: trimtab labelling show {answer['campaign_id']}"))


@labelling.command("list")
def list_campaigns(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest labelling campaigns."""
    answer = connect(Path(project)).ask("labelling.campaigns", model=model)
    columns = ("campaign_id", "model", "state", "rows_wanted", "created_us", "why")
    show_rows(answer, as_json, answer["campaigns"], columns, "No campaign yet; open one by 'trimtab labelling open'.")


@labelling.command("show")
def show_campaign(campaign_id: IdArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Show why a campaign was opened, and the rows that are wanted."""
    answer = connect(Path(project)).ask("labelling.campaign", campaign_id=campaign_id)
    columns = ("prediction_id", "record_key", "event_us", "prediction", "probability", "why")
    show_rows(answer, as_json, answer["rows"], columns, "It wants no rows.")


def _told(answer: JsonObject, done: str) -> str:
    """Say what came of a wish that waits for nobody, and what else there is to know."""
    note = f" {answer['note']}." if answer["note"] else ""
    return f"{escaped(done)}.{escaped(note)}"


def _value(text: str) -> tuple[str, Any]:
    from trimtab.config.loading import value_of

    path, written = _pair(text)
    return path, value_of(written)


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigError(f"{text[:80]!r}: expected NAME=VALUE; correct it")
    return name, value
