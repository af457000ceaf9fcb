"""Commands about models: ``train``, ``jobs``, ``versions``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from trimtab.cli.client import Client, all_of, connect
from trimtab.cli.interrupts import heard
from trimtab.cli.next_step import tell_next
from trimtab.cli.output import AsJson, IdArgument, ProjectOption, errors_console, escaped, say, show_rows
from trimtab.cli.second_person import require_no_other
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, ConfigError, IllegalTransitionError, TrimtabError

__all__ = ["add_to"]

_TRAIN_TIMEOUT_S = 24 * 3600.0
_CANCEL_TIMEOUT_S = 30.0
_MAX_DIGITS = 10

versions = typer.Typer(help="Versions of a model: list them, approve or reject one.", no_args_is_help=True)
jobs = typer.Typer(help="Trainings: list, follow, cancel.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.command()(train)
    app.add_typer(versions, name="versions")
    app.add_typer(jobs, name="jobs")


def train(
    model: Annotated[str, typer.Argument(help="The model to train.")],
    until: Annotated[str | None, typer.Option(help="Leave out rows that happened after this time (ISO 8601).")] = None,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the result.")] = True,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Train a candidate; if it passes the gates it is registered and waits for approval."""
    client = connect(Path(project))
    started = client.ask("training.start", model=model, until=until)
    if not wait:
        say(started, as_json, f"Job {started['job_id']} is under way; see 'trimtab jobs show {started['job_id']}'.")
        return
    answer = follow(client, str(started["job_id"]), quiet=as_json)
    result = answer["result"] or {}
    if answer["state"] != "succeeded":
        raise TrimtabError(f"training of {model!r}: {answer['state']}; {answer['error']}")
    say(answer, as_json, _told(model, answer, escaped(result)))
    if not as_json:
        tell_next(client, model, project)
    if result.get("status") == "rejected_by_gate":
        raise typer.Exit(1)


def follow(client: Client, job_id: str, *, quiet: bool) -> JsonObject:
    """Show a job's progress until it has ended; return what it says of itself then.

    Raises:
        BackendError: it has not ended within a day.
    """
    # Start-up cost: only wanted here.
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    answer: JsonObject = {}
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors_console, transient=True, disable=quiet) as bar:
        task = bar.add_task("waiting for the snapshot", total=1.0)

        def done() -> bool:
            answer.update(client.ask("training.job", job_id=job_id))
            progress = answer["progress"] or {}
            message = _waiting(answer) or progress.get("message", "starting")
            bar.update(task, completed=progress.get("at_share", 0.0), description=message)
            finished = answer["finished_us"] is not None
            return finished and not _registering(answer)

        try:
            with heard():
                ended = client.wait(done, timeout_s=_TRAIN_TIMEOUT_S)
            if not ended:
                raise BackendError(
                    f"job {job_id}: still {answer['state']} after a day; see 'trimtab jobs show {job_id}'"
                )
        except KeyboardInterrupt:
            bar.update(task, description="cancelling")
            ended_as = _cancel(client, job_id)
            bar.stop()
            errors_console.print(f"job {job_id}: {ended_as}; see 'trimtab jobs show {job_id}'", soft_wrap=True)
            raise
    return answer


def _cancel(client: Client, job_id: str) -> str:
    """Ask a job to stop and see it end, so that nothing goes on behind the back of who pressed Ctrl-C.

    Returns how it ended: it may have been quicker.
    """
    try:
        client.ask("training.cancel", job_id=job_id)
    except IllegalTransitionError:
        return str(client.ask("training.job", job_id=job_id)["state"])

    def ended() -> bool:
        return client.ask("training.job", job_id=job_id)["finished_us"] is not None

    if not client.wait(ended, timeout_s=_CANCEL_TIMEOUT_S):
        raise BackendError(f"job {job_id}: was asked to stop and has not yet; see 'trimtab jobs show {job_id}'")
    return str(client.ask("training.job", job_id=job_id)["state"])


def _waiting(answer: JsonObject) -> str | None:
    return None if answer["waits"] is None else escape(f"waiting {answer['waits']}")


def _registering(answer: JsonObject) -> bool:
    result = answer["result"] or {}
    return answer["state"] == "succeeded" and result.get("status") == "succeeded" and answer["version"] is None


def _trials(candidate: JsonObject) -> str:
    pruned = candidate.get("pruned", 0)
    return f"{candidate.get('trials', 0)} trials" + (f", {pruned} given up early" if pruned else "")


def _told(model: str, answer: JsonObject, result: JsonObject) -> str:
    lines = []
    for candidate in result.get("candidates", []):
        shown = candidate.get("error") or _numbers(candidate.get("validation") or candidate.get("metrics", {}))
        lines.append(f"  {candidate['algorithm']:<20} {_trials(candidate)}  {shown}")
    reused = [step["name"] for step in result.get("steps", []) if step.get("reused")]
    if reused:
        lines.append(f"  unchanged since an earlier training, and taken over: {', '.join(reused)}")
    lines += [f"  [yellow]{note}[/]" for note in result.get("notes", ())]
    held_out = _numbers(result.get("metrics", {}))
    if result.get("status") == "rejected_by_gate":
        failed = [
            f"{gate['metric']} {gate['value']} ({gate['limit']})" for gate in result["gates"] if not gate["passed"]
        ]
        lines.append(f"[yellow]Not registered[/]: {result['algorithm']} fails a gate: {'; '.join(failed)}")
    else:
        lines.append(f"[green]Version {answer['version']}[/] of {model}: {result['algorithm']}, held-out {held_out}")
    return "\n".join(lines)


def _numbers(metrics: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())


@jobs.command("list")
def list_jobs(
    model: Annotated[str | None, typer.Option(help="Only those of this model.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest trainings."""
    answer = connect(Path(project)).ask("training.jobs", model=model)
    columns = ("job_id", "model", "state", "attempt", "created_us", "finished_us", "error")
    show_rows(answer, as_json, answer["jobs"], columns, "No training yet; see 'trimtab train'.")


@jobs.command("show")
def show_job(job_id: IdArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Say how far a training is, and what came of it."""
    answer = connect(Path(project)).ask("training.job", job_id=job_id)
    told = escaped(answer)
    message = told["waits"] or (told["progress"] or {}).get("message", "")
    say(answer, as_json, f"{told['model']}: {told['state']} {message} {told['error'] or ''}")


@jobs.command("cancel")
def cancel_job(job_id: IdArgument, project: ProjectOption = ".", as_json: AsJson = False) -> None:
    """Ask a training to stop."""
    answer = connect(Path(project)).ask("training.cancel", job_id=job_id)
    say(answer, as_json, f"Job {job_id} was asked to stop.")


@versions.command("list")
def list_versions(
    model: Annotated[str | None, typer.Argument(help="A model of the project; without it, all.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the versions of a model, or of all."""
    client = connect(Path(project))
    columns = ("number", "state", "aliases", "algorithm", "metrics", "created_us", "decided_by")
    if model is not None:
        found = list(all_of(client, "versions.list", "versions", model=model))
        none = f"{model} has no version yet; see 'trimtab train {model}'."
        show_rows({"model": model, "versions": found}, as_json, found, columns, none)
        return
    names = [one["name"] for one in client.ask("status.show")["models"]]
    rows = [{"model": name, **row} for name in names for row in all_of(client, "versions.list", "versions", model=name)]
    show_rows({"versions": rows}, as_json, rows, ("model", *columns), "No version yet; see 'trimtab status'.")


@versions.command("approve")
def approve(
    version: Annotated[str, typer.Argument(help="MODEL@NUMBER")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")] = "",
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Approve a version, so that it may be deployed."""
    _decide(version, True, reason, project, as_json)


@versions.command("reject")
def reject(
    version: Annotated[str, typer.Argument(help="MODEL@NUMBER")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Reject a version."""
    _decide(version, False, reason, project, as_json)


def _decide(version: str, approve_it: bool, reason: str, project: str, as_json: bool) -> None:
    model, number = parse_version(version)
    client = connect(Path(project))
    answer = client.ask("versions.decide", model=model, number=number, approve=approve_it, reason=reason)
    require_no_other(answer, f"approval of {version}")
    note = f" {escaped(answer)['note']}." if answer.get("note") else ""
    say(answer, as_json, f"{version} is {answer['state']}.{note}")
    if not as_json:
        tell_next(client, model, project)


def parse_version(text: str) -> tuple[str, int]:
    """Return model and number of ``MODEL@NUMBER``.

    Raises:
        ConfigError: it has another form.

    >>> parse_version("churn@3")
    ('churn', 3)
    """
    model, at, number = text.partition("@")
    # Python reads no number of more than 4300 digits.
    if not at or not number.isdecimal() or len(number) > _MAX_DIGITS:
        raise ConfigError(f"version {text!r}: expected MODEL@NUMBER, e.g. 'churn@3'; see 'trimtab versions list MODEL'")
    return model, int(number)
