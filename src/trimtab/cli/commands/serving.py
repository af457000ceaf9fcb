"""Commands about serving: ``deploy``, ``rollouts``, ``predict``, ``replay``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trimtab.cli.client import Client, connect
from trimtab.cli.commands.models import parse_version
from trimtab.cli.interrupts import left_behind
from trimtab.cli.next_step import tell_next, tell_what_follows
from trimtab.cli.output import AsJson, ProjectOption, console, errors_console, escaped, say, show_rows
from trimtab.cli.rollout_end import await_promotion
from trimtab.cli.rollout_view import drawn_rollout, next_moves, watched
from trimtab.cli.second_person import require_no_other
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Encoding
from trimtab.core.errors import BackendError, ConfigError, NotFoundError

if TYPE_CHECKING:
    from trimtab.cli.replaying import Sent

__all__ = ["add_to"]

_ARRIVAL_TIMEOUT_S = 120.0
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

rollouts = typer.Typer(help="Rollouts: list them, watch, pause, resume, promote, abort one.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(deploy)
    app.command()(predict)
    app.command()(replay)
    app.add_typer(rollouts, name="rollouts")


def deploy(
    version: Annotated[str, typer.Argument(help="MODEL@NUMBER, or MODEL for its newest approved version.")],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the rollout has ended.")] = True,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Roll an approved version out: staging, smoke test, then into production step by step."""
    client = connect(Path(project))
    model, number = parse_version(version) if "@" in version else (version, None)
    started = client.ask("rollouts.start", model=model, number=number)
    require_no_other(started, f"deployment of {version}")
    if not wait:
        say(started, as_json, f"Rollout {started['rollout_id']} has started; see 'trimtab rollouts list'.")
        return
    answer = await_promotion(client, model, started["rollout_id"], as_json=as_json)
    say(
        answer,
        as_json,
        f"[green]{model}@{answer['candidate']} serves[/] on {answer['endpoint']}: {escaped(answer['reason'])}",
    )
    if not as_json:
        tell_next(client, model, project)


@rollouts.command("list")
def list_rollouts(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest rollouts."""
    answer = connect(Path(project)).ask("rollouts.list", model=model)
    columns = ("rollout_id", "endpoint", "candidate", "stable", "phase", "weight_pct", "started_us", "reason")
    show_rows(answer, as_json, answer["rollouts"], columns, "No rollout yet; see 'trimtab deploy'.")


@rollouts.command("watch")
def watch_rollout(
    rollout_id: Annotated[str | None, typer.Argument(help="Its id; default: the newest one.")] = None,
    model: Annotated[str | None, typer.Option(help="The newest one of this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Show a rollout while it moves: shares, limits and why; until it has ended or asks a person."""
    client = connect(Path(project))
    answer = watched(client, _named(client, rollout_id, model), as_json=as_json)
    if as_json:
        return
    if not console.is_terminal:
        console.print(drawn_rollout(answer, {}))
    moves = next_moves(answer)
    if moves is not None:
        console.print(moves, markup=False, soft_wrap=True)


def _named(client: Client, rollout_id: str | None, model: str | None) -> str:
    if rollout_id is not None:
        return rollout_id
    newest = client.ask("rollouts.list", model=model, limit=1)["rollouts"]
    if not newest:
        whose = "" if model is None else f" of {model!r}"
        raise NotFoundError(f"rollouts: there is none{whose} yet; start one by 'trimtab deploy MODEL'")
    return str(newest[0]["rollout_id"])


def _under_way(client: Client, named: str) -> str:
    if _ID.fullmatch(named):
        return named
    for rollout in client.ask("rollouts.list", model=named, limit=20)["rollouts"]:
        if rollout["active"]:
            return str(rollout["rollout_id"])
    raise NotFoundError(f"model {named!r}: no rollout is under way; see 'trimtab rollouts list'")


def _operate(name: str, help_text: str) -> None:
    def run(
        rollout: Annotated[str, typer.Argument(help="Its id, or a model: the rollout that is under way for it.")],
        reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
        project: ProjectOption = ".",
        as_json: AsJson = False,
    ) -> None:
        client = connect(Path(project))
        rollout_id = _under_way(client, rollout)
        answer = client.ask("rollouts.operate", rollout_id=rollout_id, operation=name, reason=reason)
        say(answer, as_json, f"Rollout {rollout_id} is {answer['phase']} at {answer['weight_pct']} %.")
        if not as_json:
            tell_what_follows(client, answer["model"], project)

    run.__doc__ = help_text
    rollouts.command(name)(run)


_operate("pause", "Hold a rollout where it is.")
_operate("resume", "Let a held rollout go on.")
_operate("promote", "Send all traffic to the candidate now.")
_operate("abort", "Take all traffic back from the candidate now.")


def predict(
    endpoint: Annotated[str, typer.Argument(help="The endpoint to ask.")],
    row: Annotated[
        str | None, typer.Argument(help="One row as a JSON object, or '-' to read it from standard input.")
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Ask with a row of values that the version knows.")
    ] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Ask an endpoint for one prediction."""
    # Start-up cost: httpx is imported only by commands that ask over HTTP.
    from trimtab.cli.inference import InferenceClient

    if example == (row is not None):
        raise ConfigError("row: expected one JSON object, or --example instead, to ask with a row that is known to fit")
    if row is None:
        fields = connect(Path(project)).ask("endpoints.example", endpoint=endpoint)["row"]
        if not as_json:
            console.print(f"asked with {json.dumps(fields, ensure_ascii=False)}", markup=False, soft_wrap=True)
    else:
        fields = _row_of(row)
    answer = InferenceClient.of(Path(project)).predict(endpoint, {"row": fields})
    first = escaped(answer["predictions"][0])
    chance = f" (probability {first['probability']:.3f})" if first.get("probability") is not None else ""
    traced = f"\n[dim]trimtab lineage {first['prediction_id']}[/]" if first.get("prediction_id") else ""
    say(answer, as_json, f"[bold]{first['prediction']}[/]{chance}, {answer['model']}@{answer['model_version']}{traced}")


def _row_of(text: str) -> JsonObject:
    try:
        fields: JsonObject = json.loads(sys.stdin.read() if text == "-" else text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise ConfigError(f"row: no JSON ({error}); pass an object such as '{{\"age\": 54}}'") from error
    except RecursionError:
        raise ConfigError("row: nested too deeply; pass a flat object such as '{\"age\": 54}'") from None
    return fields


def replay(
    endpoint: Annotated[str, typer.Argument(help="The endpoint to send to.")],
    file: Annotated[Path, typer.Argument(help="CSV, TSV or Parquet; with --time its rows are sent in that order.")],
    time: Annotated[
        str | None, typer.Option(help="Column with the event time; default: every row happens now.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Column with the record key.")] = None,
    truth: Annotated[str | None, typer.Option(help="Column with the true outcome; sent after the rows.")] = None,
    truth_delay: Annotated[str, typer.Option(help="How long after the event the outcome was known.")] = "0s",
    source: Annotated[str | None, typer.Option(help="The feed that sends the rows.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First event time (ISO 8601), inclusive.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last event time (ISO 8601), exclusive.")] = None,
    batch: Annotated[int, typer.Option(help="Rows a request.", min=1, max=10_000)] = 100,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second; default: as fast as answered.", min=0.001)
    ] = None,
    encoding: Annotated[Encoding, typer.Option(help="How the text file is encoded.")] = Encoding.UTF_8,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until the lake holds what was sent.")] = True,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Send the rows of a file as live requests, then their outcomes: to try things, or to catch up."""
    # Start-up cost: httpx and Arrow.
    from trimtab.cli.inference import InferenceClient
    from trimtab.cli.replaying import Replay, read_rows

    client = connect(Path(project))
    inference = InferenceClient.of(Path(project))
    inputs = inference.inputs(endpoint)
    # Start-up cost: only wanted here.
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    rows = read_rows(file, inputs=inputs, time=time, start=start, end=end, encoding=encoding)
    before = client.ask("data.records", endpoint=endpoint)
    sender = Replay(
        inference, endpoint, inputs=inputs, time=time, key=key, truth=truth, truth_delay=truth_delay, source=source
    )
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=errors_console, transient=True, disable=as_json)
    task = bar.add_task(f"sending to {escaped(endpoint)}", total=len(rows))

    def broken_off() -> str:
        return _broken_off(endpoint, rows, int(bar.tasks[0].completed), time=time, truth=truth)

    with left_behind(broken_off), bar:
        sent = sender.send(rows, batch=batch, rate=rate, progress=lambda count: bar.update(task, completed=count))
    if wait:
        with left_behind(
            f"endpoint {endpoint!r}: {sent.answered} rows were answered, and are on their way to the lake"
        ):
            _await_arrival(client, endpoint, before, sent)
    told = {"endpoint": endpoint, "answered": sent.answered, "truths": sent.truths, "versions": sent.versions}
    text = ", ".join(f"version {number}: {count}" for number, count in sorted(sent.versions.items()))
    say(told, as_json, f"{sent.answered} rows answered by {endpoint} ({text}), {sent.truths} outcomes sent.")
    if wait and not as_json:
        tell_next(client, endpoint, project)


def _broken_off(endpoint: str, rows: list[JsonObject], answered: int, *, time: str | None, truth: str | None) -> str:
    told = f"endpoint {endpoint!r}: {answered} of {len(rows)} rows were answered, and stay recorded"
    if truth is not None:
        told += "; their outcomes were not all sent"
    if time is None or not 0 < answered < len(rows):
        return told
    return f"{told}; send the others with --from {rows[answered][time].isoformat()}"


def _await_arrival(client: Client, endpoint: str, before: JsonObject, sent: Sent) -> None:
    answer: JsonObject = {}

    def arrived() -> bool:
        answer.update(client.ask("data.records", endpoint=endpoint))
        records = answer["records"] - before["records"] >= sent.answered
        return bool(records and answer["truths"] - before["truths"] >= sent.truths)

    with errors_console.status("the rows come into the lake"):
        came = client.wait(arrived, timeout_s=_ARRIVAL_TIMEOUT_S)
    if not came:
        raise BackendError(
            f"endpoint {endpoint!r}: {sent.answered} rows were answered, but the lake does not hold them all after "
            "two minutes; is the shipper running? see 'trimtab status'"
        )


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON; write null for a missing value")
