"""``trimtab batch``: predictions for whole files, without a server."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.client import all_of, connect, open_project
from trimtab.cli.commands.models import parse_version
from trimtab.cli.interrupts import left_behind
from trimtab.cli.output import AsJson, ProjectOption, errors_console, escaped, say
from trimtab.config.process import setting
from trimtab.core.clock import SystemClock, to_micros
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name

if TYPE_CHECKING:
    from rich.progress import Progress

    from trimtab.serving.batch.recording import Recording
    from trimtab.serving.batch.run import Done, ServedBundle

__all__ = ["add_to"]

_BUNDLE_FILE = "bundle.json"
_SHORT_DIGEST = 12


class _Format(StrEnum):
    PARQUET = "parquet"
    CSV = "csv"


class _OnError(StrEnum):
    REFUSE = "refuse"
    NULL = "null"


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(batch)


def batch(
    model: Annotated[str, typer.Argument(help="MODEL for what serves, MODEL@NUMBER, or the folder of a bundle.")],
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[FILES]...", help="More files, as a shell writes out --input *.csv.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="Parquet, CSV or images: a file, a folder or a pattern; repeatable."),
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", help="The folder for the answers.")] = None,
    file_format: Annotated[_Format, typer.Option("--format", help="How the answers are written.")] = _Format.PARQUET,
    workers: Annotated[int | None, typer.Option(help="Processes; default: one a core.", min=1, max=256)] = None,
    on_error: Annotated[
        _OnError, typer.Option(help="A row that the model cannot take: refuse stops, null leaves it without an answer.")
    ] = _OnError.REFUSE,
    rows_per_part: Annotated[
        int | None,
        typer.Option(help="Rows a file of answers; default: 50000, of images 1000.", min=1, max=1_000_000),
    ] = None,
    record: Annotated[bool, typer.Option("--record", help="Record the answers in the project, as a server does.")] = (
        False
    ),
    intake: Annotated[
        str | None, typer.Option(help="Record them in another intake: a folder, or the URL of a control plane.")
    ] = None,
    endpoint: Annotated[str | None, typer.Option(help="Record them as this endpoint's; default: the model's.")] = None,
    project: ProjectOption = ".",
    as_json: AsJson = False,
) -> None:
    """Answer every row of files, or every image; the same command goes on where it was stopped."""
    named = [*(inputs or ()), *(more or ())]
    if not named or output is None:
        raise ConfigError("--input and --output: expected both: the files to answer, and the folder for the answers")
    # Start-up cost: Arrow and ONNX Runtime.
    from trimtab.serving.batch.asked import asked_about
    from trimtab.serving.batch.parts import OutputFormat
    from trimtab.serving.batch.run import run_batch

    bundle = _bundle(model, project)
    if endpoint is not None and not (record or intake):
        raise ConfigError("--endpoint: says as whose answers are recorded; expected --record or --intake with it")
    recording = _recording(bundle, project, intake, endpoint) if record or intake else None
    bar = _bar(as_json)
    task = bar.add_task(escaped(bundle.manifest.model), total=None)

    def planned(rows: int, before: int) -> None:
        if before:
            errors_console.print(f"goes on: {before} of {rows} rows are answered already", soft_wrap=True)
        bar.reset(task, total=rows - before)

    with left_behind("stopped; the same command goes on where it was"), bar:
        done = run_batch(
            bundle,
            asked_about(named, bundle.manifest, rows_per_part),
            output,
            output=OutputFormat(file_format.value),
            nulls=on_error is _OnError.NULL,
            workers=workers or os.cpu_count() or 1,
            rows_a_part=rows_per_part,
            recording=recording,
            now_us=to_micros(SystemClock().now()),
            planned=planned,
            answered=lambda rows: bar.advance(task, rows),
        )
    _tell(done, bundle, output, recording, as_json)


def _bundle(named: str, project: str) -> ServedBundle:
    """Return the bundle in the folder ``named``, else that of a version of the project's model."""
    # Start-up cost: Arrow.
    from trimtab.bundle.writer import read_manifest
    from trimtab.serving.batch.run import ServedBundle

    if (Path(named) / _BUNDLE_FILE).is_file():
        manifest = read_manifest(Path(named), expected_digest=None)
        return ServedBundle(Path(named), manifest, manifest.digest[:_SHORT_DIGEST])
    if os.sep in named:
        raise NotFoundError(f"{named}: is no folder of a bundle (it holds no {_BUNDLE_FILE}); correct it")
    model, number = parse_version(named) if "@" in named else (named, None)
    try:
        client = connect(Path(project))
    except ConfigError as error:
        raise ConfigError(
            f"model {named!r}: is no folder of a bundle, and no project can be asked for it: {error}"
        ) from error
    if number is None:
        versions = all_of(client, "versions.list", "versions", model=model)
        number = next((one["number"] for one in versions if "champion" in one["aliases"].split(", ")), None)
    if number is None:
        raise NotFoundError(f"model {model!r}: no version of it serves; deploy one, or name one: {model}@NUMBER")
    version = client.ask("versions.show", model=model, number=number)
    folder = Path(version["bundle_path"])
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: the bundle of {model}@{number} is not on this machine; copy it here, name it")
    return ServedBundle(folder, read_manifest(folder, expected_digest=version["digest"]), str(number), number)


def _recording(bundle: ServedBundle, project: str, intake: str | None, endpoint: str | None) -> Recording:
    """Return where answers are recorded: in ``intake``, else by the control plane that is set, else in the project."""
    # Start-up cost: Arrow.
    from trimtab.serving.batch.recording import Recording

    if bundle.number is None and intake is None:
        raise ConfigError(
            f"{bundle.folder}: a bundle's folder does not say which version of {bundle.manifest.model!r} it is; to "
            "record its answers in a project name MODEL@NUMBER, or name another --intake"
        )
    limit: int | None = None
    if endpoint is None:
        model = bundle.manifest.model
        endpoint = model if bundle.number is None else _endpoint_of(model, project)
    if not is_endpoint_name(endpoint):
        raise ConfigError(f"--endpoint {endpoint[:80]!r}: is no name; use {ENDPOINT_NAME_RULE}")
    if intake is None:
        intake = setting("api_url")
    if intake is None:
        folder = open_project(Path(project))
        intake = str(folder.intake.absolute())
        limit = folder.config.serving.log_limit
        # What a server answers has to find room beside it.
        limit = None if limit is None else limit // 2
    elif "://" not in intake:
        intake = str(Path(intake).absolute())
    # As `trimtab serve --bundle` numbers the first one.
    return Recording(intake, endpoint, bundle.number or 1, limit)


def _endpoint_of(model: str, project: str) -> str:
    models = connect(Path(project)).ask("status.show")["models"]
    found = next((one["endpoint"] for one in models if one["name"] == model), model)
    return str(found)


def _bar(quiet: bool) -> Progress:
    # Start-up cost: only wanted here.
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TaskProgressColumn(text_format="", text_format_no_percentage="", show_speed=True),
        TimeRemainingColumn(),
        console=errors_console,
        transient=True,
        # In a pipe it would leave an empty line.
        disable=quiet or not errors_console.is_terminal,
    )


def _tell(done: Done, bundle: ServedBundle, output: Path, recording: Recording | None, as_json: bool) -> None:
    told = {
        "model": bundle.manifest.model,
        "model_version": bundle.version,
        "bundle_digest": bundle.manifest.digest,
        "rows": done.rows,
        "refused": done.refused,
        "rows_before": done.rows_before,
        "parts": done.parts,
        "manifest": str(done.manifest),
        "recorded_in": None if recording is None else recording.intake,
        "recorded_as": None if recording is None else recording.endpoint,
    }
    without = f", [yellow]{done.refused} without an answer[/] (see prediction_error)" if done.refused else ""
    recorded = "" if recording is None else f"; recorded as batch of {recording.endpoint}"
    say(
        told,
        as_json,
        f"{done.rows} rows answered by {escaped(bundle.manifest.model)}@{bundle.version}{without}: "
        f"{done.parts} files in {escaped(str(output))}{recorded}",
    )
