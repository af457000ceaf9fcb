"""``trimtab reports``: what was written for people to read."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.client import Client, connect, open_project
from trimtab.cli.exit_codes import WRONG_INPUT
from trimtab.cli.output import AsJson, IdArgument, ProjectOption, console, escaped, say, show_rows, when
from trimtab.config.process import setting
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError
from trimtab.files import write_atomically

__all__ = ["add_to"]

reports = typer.Typer(help="Incident, deployment, drift and other reports.", no_args_is_help=True)

Pdf = Annotated[bool, typer.Option("--pdf", help="As PDF; needs the extra 'reports'.")]
Out = Annotated[str | None, typer.Option("--out", help="Write the file here, too.")]


def add_to(app: typer.Typer) -> None:
    """Enter these commands."""
    app.add_typer(reports, name="reports")


@reports.command("list")
def list_reports(
    kind: Annotated[str | None, typer.Option(help="Only reports of this kind.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """List the newest reports, and where they lie."""
    answer = connect(Path(project)).ask("reports.list", kind=kind)
    answer["reports"] = [_placed(one, project) for one in answer["reports"]]
    rows = [{**one, "formats": ", ".join(one["formats"])} for one in answer["reports"]]
    show_rows(answer, as_json, rows, ("at_us", "kind", "formats", "path", "report_id"), "No report yet.")


@reports.command("make")
def make(
    kind: Annotated[
        str,
        typer.Argument(
            help="incident, deployment, comparison, drift, weekly, model-card or technical-documentation.",
        ),
    ],
    subject: Annotated[
        str,
        typer.Argument(
            help=(
                "What about: an incident's id, a rollout's id, MODEL or MODEL@OLD..NEW (comparison), MODEL (drift), "
                "MODEL or MODEL@VERSION (model-card, technical-documentation), or the day before which the week ends."
            )
        ),
    ],
    pdf: Pdf = False,
    out: Out = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Write a report as things stand now."""
    client = connect(Path(project))
    made = _placed(client.ask("reports.make", kind=kind, subject=subject, pdf=pdf), project)
    unprinted = pdf and "pdf" not in made["formats"]
    if out is not None and not unprinted:
        made["out"] = _saved(client, made["report_id"], pdf, Path(out))
    say(made, as_json, escaped(made.get("out") or _file(made, pdf=pdf and not unprinted)))
    if unprinted and as_json:
        # What is wrong stands in the one object that was printed.
        raise typer.Exit(WRONG_INPUT)
    if unprinted:
        raise ConfigError(f"report {made['report_id']}: the page is written, the PDF is not: {made['unprinted']}")


@reports.command("show")
def show(
    report_id: IdArgument,
    pdf: Pdf = False,
    out: Out = None,
    browser: Annotated[bool, typer.Option("--open", help="Open it in a browser, or the viewer of PDFs.")] = False,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Say what a report is about and where it lies; write it elsewhere, or open it."""
    client = connect(Path(project))
    found = _placed(client.ask("reports.show", report_id=report_id), project)
    if out is not None:
        found["out"] = _saved(client, report_id, pdf, Path(out))
    if as_json:
        say(found, True, "")
    else:
        console.print(f"{found['kind']} report of {found['subject']}, written {when(found['at_us'])} UTC", markup=False)
        console.print(found.get("out") or _file(found, pdf=pdf), markup=False, soft_wrap=True)
        if found["unprinted"]:
            console.print(f"not printed: {found['unprinted']}", markup=False, soft_wrap=True)
    if browser:
        webbrowser.open(_local(found, pdf).as_uri())


@reports.command("evidently")
def evidently(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    window: Annotated[str, typer.Option(help="How long the window is, e.g. 24h or 7d.")] = "7d",
    until: Annotated[str | None, typer.Option(help="Where it ends: ISO 8601 with an offset; default: now.")] = None,
    variant: Annotated[str | None, typer.Option(help="Which variant; default: the first live one.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Have Evidently compare a window with what the version learnt; needs the extra 'evidently'."""
    asked = {"model": model, "window": window, "until": until, "variant": variant}
    given = {name: value for name, value in asked.items() if value is not None}
    answer = _placed(connect(Path(project)).ask("reports.evidently", **given), project)
    broke = f" ({answer['quarantined']} of them in quarantine)" if answer["quarantined"] else ""
    text = (
        f"{answer['drifted']} of {answer['columns']} columns drifted by Evidently's defaults, on {answer['rows']} rows"
        f"{broke} against {answer['reference_rows']} learnt\n{escaped(answer['path'])}"
    )
    say(answer, as_json, text)


def _placed(answer: JsonObject, project: str) -> JsonObject:
    """Return what was told of a report, with the path as seen from here where the project's folder is at hand.

    A control plane tells where a report lies below its own folder of reports, and of no path of its machine.
    """
    if setting("api_url") is not None:
        return answer
    return {**answer, "path": str(open_project(Path(project)).reports / answer["path"])}


def _file(report: JsonObject, *, pdf: bool) -> str:
    return str(Path(report["path"]).with_suffix(".pdf")) if pdf else str(report["path"])


def _local(report: JsonObject, pdf: bool) -> Path:
    path = Path(report.get("out") or _file(report, pdf=pdf)).absolute()
    if not path.is_file():
        raise ConfigError(f"report {report['report_id']}: its file is not on this machine; fetch it with --out FILE")
    return path


def _saved(client: Client, report_id: str, pdf: bool, out: Path) -> str:
    """Write the report's file to ``out``, whole or not at all, and return that path."""
    content = client.fetch("reports.file", report_id=report_id, format="pdf" if pdf else "html")
    write_atomically(out, content)
    return str(out)
