"""How the command line asks: over HTTP when a control plane is up, otherwise the same operations in process."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.cli.address import checked_address
from trimtab.config.process import setting
from trimtab.core import errors
from trimtab.core.canonical import JsonObject
from trimtab.files.processes import is_alive

if TYPE_CHECKING:
    from trimtab.config.project import ProjectFolder

__all__ = ["Client", "all_of", "connect", "open_project", "running_control_plane"]


class Client(Protocol):
    """Asks operations by name."""

    remote: bool

    def ask(self, name: str, /, **fields: object) -> JsonObject:
        """Return the operation's answer.

        Raises:
            TrimtabError: what the operation says, or that the control plane does not answer.
        """

    def fetch(self, name: str, /, **fields: object) -> bytes:
        """Return the file with which the operation answers.

        Raises:
            TrimtabError: as `ask`.
        """

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Wait until ``done()``; in process the work itself is done meanwhile. Return whether it is done."""

    def close(self) -> None:
        """Let go of connections; the client is not used any more. Who forgets it loses nothing but time."""


def connect(project: Path) -> Client:
    """Return a client for the project in folder ``project``.

    ``TRIMTAB_API_URL`` and ``TRIMTAB_API_KEY`` name a control plane elsewhere.

    Raises:
        ConfigError: the folder is no project.
    """
    url = setting("api_url")
    if url is not None:
        return _http(checked_address(url, setting="TRIMTAB_API_URL"), setting("api_key"))
    folder = open_project(project)
    address = running_control_plane(folder)
    if address is not None:
        key = setting("api_key") or _local_key(folder)
        return _http(address, key)
    # Start-up cost: the whole platform is imported only where there is no control plane to ask.
    from trimtab.cli.in_process import InProcessClient
    from trimtab.config.logs import configure_logs

    configure_logs("console", level=logging.WARNING)
    return InProcessClient(folder)


def all_of(client: Client, name: str, field: str, /, **fields: object) -> Iterator[JsonObject]:
    """Yield what the operation lists in ``field``, page after page.

    Raises:
        TrimtabError: what the operation says, or that the control plane does not answer.
    """
    answer = client.ask(name, **fields)
    yield from answer[field]
    # An older control plane tells no next page.
    while (further := answer.get("next")) is not None:
        answer = client.ask(name, **fields, after=further)
        yield from answer[field]


def open_project(project: Path) -> ProjectFolder:
    """Return the project in folder ``project``.

    Raises:
        ConfigError: the folder is no project.
    """
    # Start-up cost: pydantic; `trimtab --help` needs no project.
    from trimtab.config.project import ProjectFolder

    return ProjectFolder.open(project)


def running_control_plane(folder: ProjectFolder) -> str | None:
    """Return the address of the control plane that runs for this project, None when there is none."""
    try:
        told = json.loads((folder.state / "control-plane.json").read_bytes())
        pid, ticks = int(told["pid"]), int(told.get("start_ticks", 0))
        host = f"[{told['host']}]" if ":" in told["host"] else told["host"]
        url = f"http://{host}:{told['port']}"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    # The file outlives a process that was killed, and its number may be another's by now.
    return url if is_alive(pid, ticks) else None


def _local_key(folder: ProjectFolder) -> str | None:
    try:
        key: str = json.loads((folder.state / "credentials.json").read_bytes())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key


def _http(url: str, key: str | None) -> Client:
    if key is None:
        raise errors.ConfigError(f"{url}: no API key; set TRIMTAB_API_KEY, see 'trimtab keys create'")
    # Start-up cost: httpx is imported only by commands that ask over HTTP.
    from trimtab.cli.http_client import HttpClient

    return HttpClient(url, key)
