"""``trimtab serve``: the inference server, alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trimtab.cli.output import AsJson, console, escaped, json_text
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import TrimtabError

if TYPE_CHECKING:
    from trimtab.serving.options import ServerOptions
    from trimtab.serving.place import ServerInfo

__all__ = ["add_to"]

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
    follow: Annotated[
        str | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_FOLLOW", metavar="URL", help="Serve what the control plane at this address deploys."
        ),
    ] = None,
    key_env: Annotated[
        str,
        typer.Option("--key-env", metavar="NAME", help="Variable with the key for --follow, of role service."),
    ] = "TRIMTAB_API_KEY",
    state: Annotated[
        Path | None,
        typer.Option(
            envvar="TRIMTAB_SERVE_STATE",
            metavar="DIR",
            help="Folder for specs, status and records; default: .trimtab-serve. Alone, it serves the specs there.",
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(envvar="TRIMTAB_SERVE_HOST", help="Address to listen on; default: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            envvar=["SAGEMAKER_BIND_TO_PORT", "TRIMTAB_SERVE_PORT"],
            min=0,
            max=65_535,
            help="Port; 0 takes a free one; default: 8766.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(envvar="TRIMTAB_SERVE_WORKERS", min=1, max=256, help="Processes that share the port; default: 1."),
    ] = None,
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
    # Start-up cost: what only a server needs.
    from trimtab.cli.serving_plan import Asked, plan_of
    from trimtab.config.logs import configure_logs
    from trimtab.serving.port import listen
    from trimtab.serving.sources import claim

    if os.environ.get("SAGEMAKER_MULTI_MODEL") == "true":
        # SageMaker loads and unloads models itself then; the folder of a single one is not there.
        bundles, models_root = None, models_root or _SAGEMAKER_MODELS
    plan = plan_of(
        Asked(
            bundles=tuple(bundles or ()),
            specs=tuple(specs or ()),
            project=project,
            state=state,
            host=host,
            port=port,
            workers=workers,
            keys=keys,
            require_key=require_key,
            allow_host=tuple(allow_host or ()),
            options=options,
            memory_budget=memory_budget,
            log_limit=log_limit,
            models_root=models_root,
            intake=intake,
            follow=follow,
            key_env=key_env,
        )
    )
    # The last thing that may be refused: from here on it writes.
    listener = listen(plan.host, plan.port)
    # Held until this process ends: two that begin at once would write over each other's specs and workers.
    held = claim(plan.folder)
    made, settled = plan.write()

    def ready(info: ServerInfo) -> None:
        _tell(_told(plan.folder, info, intake, settled), made, as_json)

    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    configure_logs(chosen, process="inference-server")
    if plan.workers == 1 and intake is None and plan.followed is None:
        # Start-up cost: with several processes, this one only looks after the others.
        from trimtab.serving.process import run

        with held:
            raise typer.Exit(run(plan.folder, plan.host, listener, options=settled, on_ready=ready))
    # Start-up cost: only wanted here.
    from trimtab.serving.workers import run_pool

    with held:
        code = run_pool(
            plan.folder,
            plan.host,
            listener,
            workers=plan.workers,
            options=settled,
            log_format=chosen,
            intake=intake,
            followed=plan.followed,
            on_ready=ready,
        )
    raise typer.Exit(code)


def _told(folder: Path, info: ServerInfo, intake: str | None, options: ServerOptions) -> JsonObject:
    # Start-up cost: the server, which is there by now.
    from trimtab.serving.address import is_loopback, url_of
    from trimtab.serving.spec_files import read_spec, read_status

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
