"""Where the demo plays: a fresh copy of an example project, its processes, and a way to run commands in it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

import trimtab
from trimtab.bootstrap import prepare_project
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import BackendError, ConfigError, NotFoundError
from trimtab.loop.supervisor import Supervisor, platform_processes

__all__ = ["Stage"]

_MARK = ".trimtab-demo"
_WATCH_S = 0.5


class Stage:
    """A demo's project and its running processes; ``changed`` are files of the example that it has otherwise.

    Raises:
        NotFoundError: there is no example to copy.
        ConfigError: the folder holds something that is no demo of ours.
    """

    def __init__(self, folder: Path, example: Path | None, changed: Mapping[str, str] | None = None) -> None:
        self._stopped = threading.Event()
        self.project = _copied(example or _shipped_example(), folder, changed or {})
        prepare_project(self.project)
        self._supervisor = Supervisor(self.project, platform_processes(self.project))
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def open(self) -> None:
        """Start the processes.

        Raises:
            BackendError: one does not start.
        """
        self._supervisor.start()
        self._watcher.start()

    def run(self, *command: str) -> JsonObject:
        """Run a ``trimtab`` command on the project, and return its JSON answer.

        Raises:
            TrimtabError: what the command says.
            BackendError: a process of the platform could not be kept alive.
        """
        # The table of commands imports the demo's command.
        from trimtab.cli.main import app

        if self._supervisor.failure is not None:
            raise BackendError(self._supervisor.failure)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            code = app([*command, "--json", "--project", str(self.project.root)], standalone_mode=False)
        text = out.getvalue()
        if not text:
            raise BackendError(f"trimtab {' '.join(command)}: ended with {code} and no answer")
        answer: JsonObject = json.loads(text)
        return answer

    def data(self, name: str) -> str:
        """Return the path of one of the project's data files."""
        return str(self.project.root / "data" / name)

    @contextlib.contextmanager
    def acting_as(self, key: str) -> Iterator[None]:
        """Run commands with another API key."""
        before = os.environ.get("TRIMTAB_API_KEY")
        os.environ["TRIMTAB_API_KEY"] = key
        try:
            yield
        finally:
            if before is None:
                del os.environ["TRIMTAB_API_KEY"]
            else:
                os.environ["TRIMTAB_API_KEY"] = before

    def stay(self) -> None:
        """Keep everything up until Ctrl-C or SIGTERM.

        Raises:
            BackendError: a process could not be kept alive.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopped.set())
        while self._supervisor.failure is None and not self._stopped.wait(_WATCH_S):
            pass
        if self._supervisor.failure is not None:
            raise BackendError(self._supervisor.failure)

    def close(self) -> None:
        """Stop the processes."""
        self._stopped.set()
        if self._watcher.is_alive():
            self._watcher.join()
        self._supervisor.stop()

    def _watch(self) -> None:
        while not self._stopped.is_set() and self._supervisor.watch_once():
            time.sleep(_WATCH_S)


def _shipped_example() -> Path:
    checkout, installed = Path(trimtab.__file__).parents[2], Path(sys.prefix) / "share" / "trimtab"
    for candidate in (checkout / "examples" / "demo", installed / "examples" / "demo"):
        if (candidate / "trimtab.yaml").is_file():
            return candidate
    raise NotFoundError("demo: its example project is not installed; run it from a checkout, or pass --from FOLDER")


def _copied(example: Path, folder: Path, changed: Mapping[str, str]) -> ProjectFolder:
    """Copy the example to ``folder``, in place of an earlier demo, with ports that are free."""
    if not (example / "trimtab.yaml").is_file():
        raise NotFoundError(f"{example}: holds no trimtab.yaml; pass the folder of a project as --from")
    ProjectFolder.open(example)
    if folder.exists() and not (folder / _MARK).exists() and not _is_empty(folder):
        raise ConfigError(f"{folder}: is not empty and no earlier demo; choose another with --folder")
    here, there = folder.resolve(), example.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ConfigError(
            f"{folder}: is the example {example}, or within it, or holds it; choose another with --folder"
        )
    if folder.exists():
        _refuse_if_up(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    # First, so that a copy that was broken off is known as ours.
    (folder / _MARK).touch()
    shutil.copytree(example, folder, ignore=shutil.ignore_patterns(".trimtab", "__pycache__"), dirs_exist_ok=True)
    for name, content in changed.items():
        (folder / name).write_text(content, encoding="utf-8")
    path = folder / "trimtab.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section in ("api", "serving"):
        port = settings.setdefault(section, {}).get("port", 0)
        settings[section]["port"] = port if _is_free(port) else 0
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return ProjectFolder.open(folder)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _refuse_if_up(folder: Path) -> None:
    # Start-up cost: only wanted where an earlier demo is.
    from trimtab.cli.client import running_control_plane

    try:
        address = running_control_plane(ProjectFolder.open(folder))
    except ConfigError:
        return  # a broken copy: nothing can be up on it
    if address is not None:
        raise ConfigError(f"{folder}: an earlier demo is up at {address}; stop it, or choose another --folder")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
