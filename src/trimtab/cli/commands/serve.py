"""``trimtab serve``: the inference server, alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trimtab.cli.client import open_project
from trimtab.cli.output import AsJson, console, escaped, json_text
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConfigError, TrimtabError

if TYPE_CHECKING:
    from trimtab.serving.options import ServerOptions
    from trimtab.serving.server import ServerInfo

__all__ = ["add_to"]

_STATE = Path(".trimtab-serve")
_HOST = "127.0.0.1"
_PORT = 8766
_SAGEMAKER_MODELS = Path("/opt/ml/models")


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(serve)


def serve(
    bundles: Annotated[
        list[str] | None,
        typer.Option(
            "--bundle",
            envvar="TRIMTAB_SERVE_BUNDLE",
            metavar="[NAME=]DIR",
            help="A bundle, or a folder of bundles; its endpoint is called NAME, else as its model. Repeatable.",
        ),
    ] = None,
    specs: Annotated[
        list[Path] | None, typer.Option("--spec", metavar="FILE", help="An EndpointSpec as JSON. Repeatable.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Serve what this project's control plane deploys.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_STATE",
            metavar="DIR",
            help=f"Folder for specs, status and records; default: {_STATE}. Alone, it serves the specs that are there.",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(envvar="TRIMTAB_SERVE_HOST", help=f"Address to listen on; default: {_HOST}.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            envvar=["SAGEMAKER_BIND_TO_PORT", "TRIMTAB_SERVE_PORT"],
            min=0,
            max=65_535,
            help=f"Port; 0 takes a free one; default: {_PORT}.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(envvar="TRIMTAB_SERVE_WORKERS", min=1, max=256, help="Processes that share the port.")
    ] = 1,
    keys: Annotated[
        Path | None,
        typer.Option(envvar="TRIMTAB_SERVE_KEYS", metavar="FILE", help="Ask for a key; the file holds their hashes."),
    ] = None,
    require_key: Annotated[
        bool, typer.Option("--require-key", help="Ask for a key; the first start makes one, and shows it once.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Answer to this name in 'Host' only. Repeatable."),
    ] = None,
    options: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Limits and timeouts as JSON: see docs/serving.md.")
    ] = None,
    memory_budget: Annotated[
        str | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_MEMORY_BUDGET",
            metavar="SIZE",
            help="Memory that the models of a process may take together, e.g. 2GB.",
        ),
    ] = None,
    log_limit: Annotated[
        str | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_LOG_LIMIT",
            metavar="SIZE",
            help="Disk space that records may take until they are shipped, e.g. 1GB.",
        ),
    ] = None,
    models_root: Annotated[
        Path | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_MODELS_ROOT",
            metavar="DIR",
            help="Let callers load the bundles below this folder, by SageMaker's multi-model routes.",
        ),
    ] = None,
    intake: Annotated[
        str | None,
        typer.Option(envvar="TRIMTAB_SERVE_INTAKE", help="Where records are shipped to; default: they stay in STATE."),
    ] = None,
    log_format: Annotated[
        Literal["json", "console"] | None,
        typer.Option("--log-format", help="json for machines, console for people; default: what standard error is."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run an inference server alone: it needs no control plane, database or training library."""
    # Start-up cost: ONNX Runtime and the server.
    import msgspec

    from trimtab.config.logs import configure_logs
    from trimtab.serving.server import run
    from trimtab.serving.sources import refuse_second_server

    if os.environ.get("SAGEMAKER_MULTI_MODEL") == "true":
        # SageMaker loads and unloads models itself then; the folder of a single one is not there.
        bundles, models_root = None, models_root or _SAGEMAKER_MODELS
    folder = _folder(state, project, anything=bool(bundles or specs or models_root))
    if project is not None:
        listen = open_project(project).config.serving
        host, port = host or listen.host, listen.port if port is None else port
    host, port = host or _HOST, _PORT if port is None else port
    refuse_second_server(folder)
    if bundles or specs:
        _adopt(folder, bundles or [], specs or [])
    made, settled = _options(folder, options, keys, require_key)
    if allow_host:
        settled = msgspec.structs.replace(settled, allowed_hosts=tuple(allow_host))
    settled = _limited(settled, memory_budget, log_limit)
    if models_root is not None:
        settled = msgspec.structs.replace(settled, models_root=str(models_root))

    def ready(info: ServerInfo) -> None:
        _tell(_told(folder, info, intake, settled), made, as_json)

    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    configure_logs(chosen, process="inference-server")
    if workers == 1 and intake is None:
        raise typer.Exit(run(folder, host, port, options=settled, on_ready=ready))
    # Start-up cost: only wanted here.
    from trimtab.serving.workers import run_pool

    code = run_pool(
        folder, host, port, workers=workers, options=settled, log_format=chosen, intake=intake, on_ready=ready
    )
    raise typer.Exit(code)


def _folder(state: Path | None, project: Path | None, *, anything: bool) -> Path:
    if project is not None:
        if anything or state is not None:
            raise ConfigError(
                "--project: its control plane says what is served; leave out --bundle, --spec and --state"
            )
        return open_project(project).serving.absolute()
    folder = (state or _STATE).absolute()
    if not anything and state is None and not (folder / "specs").is_dir():
        raise ConfigError(
            "nothing to serve: expected --bundle DIR, --spec FILE, --project DIR or --state DIR; name one"
        )
    return folder


def _adopt(folder: Path, bundles: list[str], specs: list[Path]) -> None:
    # Start-up cost: Arrow and ONNX Runtime.
    from trimtab.serving.sources import adopt, bundles_named, read_spec_file, spec_of

    named = [bundle for text in bundles for bundle in bundles_named(text)]
    adopt(folder, [*(spec_of(bundle, folder) for bundle in named), *(read_spec_file(path) for path in specs)])


def _options(
    folder: Path, named: Path | None, keys: Path | None, require_key: bool
) -> tuple[str | None, ServerOptions]:
    """Return a key that was made just now, if one was, and the options of the server."""
    # Start-up cost: the server.
    import msgspec

    from trimtab.serving.access import make_keys_file, read_keys
    from trimtab.serving.options import ServerOptions, read_options

    settled, made = ServerOptions() if named is None else read_options(named), None
    if keys is None and require_key and not settled.keys:
        keys = folder / "keys.json"
        if not keys.exists():
            made = make_keys_file(keys)
    if keys is not None:
        settled = msgspec.structs.replace(settled, keys=read_keys(keys))
    return made, settled


def _limited(settled: ServerOptions, memory_budget: str | None, log_limit: str | None) -> ServerOptions:
    # Start-up cost: the server.
    import msgspec

    if memory_budget is not None:
        settled = msgspec.structs.replace(settled, memory_budget_bytes=_size("--memory-budget", memory_budget, 1))
    if log_limit is not None:
        settled = msgspec.structs.replace(settled, log_limit_bytes=_size("--log-limit", log_limit, 65_536))
    return settled


def _size(option: str, text: str, least: int) -> int:
    from trimtab.config.sizes import parse_size  # start-up cost: pydantic

    try:
        size_bytes = parse_size(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if size_bytes < least:
        raise ConfigError(f"{option}: found {text[:40]!r}, expected at least {least} bytes; write more, e.g. '1GB'")
    return size_bytes


def _told(folder: Path, info: ServerInfo, intake: str | None, options: ServerOptions) -> JsonObject:
    # Start-up cost: the server, which is there by now.
    from trimtab.serving.access import is_loopback
    from trimtab.serving.address import url_of
    from trimtab.serving.follow import read_spec, read_status

    endpoints = []
    for path in sorted((folder / "specs").glob("[!.]*.json")):
        status = read_status(folder, path.stem)
        versions = [] if status is None else [f"{one.name} (version {one.model_version})" for one in status.variants]
        try:
            models = sorted({one.model for one in read_spec(path).variants})
        except (TrimtabError, OSError):
            # What is wrong with it stands in its status; the others are served.
            models = []
        error = None if status is None else status.error
        endpoints.append({"endpoint": path.stem, "models": models, "variants": versions, "error": error})
    return {
        "url": url_of(info.host, info.port),
        "pid": info.pid,
        "state": str(folder),
        "endpoints": endpoints,
        "intake": intake,
        "asks_for_keys": bool(options.keys),
        "open_to_others": not is_loopback(info.host) and not options.keys,
    }


def _tell(told: JsonObject, made: str | None, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json_text(told | ({} if made is None else {"key": made})) + "\n")
        sys.stdout.flush()
        return
    url, shown = told["url"], escaped(told)
    console.print(f"inference server  [bold]{url}[/]", soft_wrap=True)
    for one in shown["endpoints"]:
        serves = f"[red]not served: {one['error']}[/]" if one["error"] else ", ".join(one["variants"]) or "nothing"
        console.print(f"  {one['endpoint']}  {', '.join(one['models'])}  {serves}", soft_wrap=True)
    if not told["endpoints"]:
        console.print("  nothing is deployed yet: what comes to be is served at once")
    kept = f"{shown['state']}/journal"
    where = f"shipped to {shown['intake']}" if told["intake"] else f"kept in {kept}; --intake ships them"
    console.print(f"records           {where}", soft_wrap=True)
    console.print(f"documentation     {url}/openapi.json   health {url}/health   metrics {url}/metrics", soft_wrap=True)
    if made is not None:
        console.print(f"key               [bold]{escaped(made)}[/]  (shown this once: keep it)", soft_wrap=True)
    if told["open_to_others"]:
        console.print(
            "[yellow]open[/]              whoever reaches this address is answered; --require-key asks for a key"
        )
    console.print("Ctrl-C stops it.")
