"""The command that runs the platform's processes: ``up``."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trimtab.cli.client import open_project, running_control_plane
from trimtab.cli.output import ProjectOption, console, escaped
from trimtab.config.database import mlflow_url
from trimtab.core.errors import ConflictError

if TYPE_CHECKING:
    from trimtab.config.project import ProjectFolder

__all__ = ["add_to", "addresses"]

LogFormatOption = Annotated[
    Literal["json", "console"], typer.Option("--log-format", help="json for machines, console for people.")
]


def add_to(app: typer.Typer) -> None:
    """Enter this command."""
    app.command()(up)


def up(
    project: ProjectOption = ".",
    log_format: LogFormatOption = "json",
    replace_state_folder: Annotated[
        bool,
        typer.Option(
            "--replace-state-folder", help="The state folder that worked with this database is lost: use this one."
        ),
    ] = False,
) -> None:
    """Run control plane, inference server and shipper, until Ctrl-C."""
    # Start-up cost: the supervisor prepares the database.
    from trimtab.bootstrap import prepare_project
    from trimtab.config.logs import configure_logs
    from trimtab.loop.supervisor import Supervisor, platform_processes

    # SIGTERM may come before the supervisor watches for it: what was started is stopped then, too.
    signal.signal(signal.SIGTERM, _leave)
    folder = open_project(Path(project))
    configure_logs(log_format, process="supervisor")
    address = running_control_plane(folder)
    if address is not None:
        raise ConflictError(f"project {folder.config.project!r}: is up already at {address}; use it, or stop it first")
    prepare_project(folder, replace_state_folder=replace_state_folder)
    supervisor = Supervisor(folder, platform_processes(folder, log_format=log_format))
    with console.status("starting") as status:
        supervisor.start(progress=lambda name: status.update(f"starting {name}"))
    console.print(addresses(folder), soft_wrap=True)
    console.print("Ctrl-C stops everything.")
    supervisor.run()


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def addresses(folder: ProjectFolder) -> str:
    """Return where the running platform can be found, as text for a person."""
    # Start-up cost: only wanted here.
    from trimtab.serving.address import server_url

    control = running_control_plane(folder)
    serving = server_url(folder.serving)
    mlflow = Path(sys.executable).parent / "mlflow"
    # An address from the environment may hold a password.
    store = folder.mlflow_uri if mlflow_url() is None else "$TRIMTAB_MLFLOW_URL"
    lines = (
        f"control plane     [bold]{control}[/]  (API documentation: {control}/docs)",
        f"inference server  [bold]{serving}[/]  (/predict, /v2, /health, /metrics)",
        f"watch             trimtab status --watch --project {escaped(str(folder.root))}",
        f"MLflow            {escaped(str(mlflow))} ui --backend-store-uri {escaped(store)}",
    )
    return "\n".join(lines)
