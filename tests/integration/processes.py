"""Real processes: ``trimtab`` commands with what they said, and servers that are ended whatever a test does."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from trimtab.bootstrap import prepare_project
from trimtab.config.project import ProjectFolder

TRIMTAB = (sys.executable, "-m", "trimtab.cli")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it wrote to standard output, as JSON and nothing else."""
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The error that it told; there is no traceback beside it."""
        assert "Traceback" not in self.err, self.err
        assert self.err.count("error: ") == 1, self.err
        return self.err.partition("error: ")[2].strip()


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment without settings of Trimtab or of the terminal, and with ``changes``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRIMTAB_", "COLUMNS", "PYTEST"))}
    return {**kept, **changes}


def trimtab(
    *arguments: str | Path,
    project: Path | None = None,
    timeout_s: float = 90.0,
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Ended:
    """Run a command to its end."""
    where = () if project is None else ("--project", str(project))
    done = subprocess.run(
        [*TRIMTAB, *map(str, arguments), *where],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env=environment(**(env or {})),
        cwd=cwd,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def eventually(what: Callable[[], Any], *, within_s: float, wanted: str) -> Any:
    """Return the first truthy value of ``what``."""
    deadline = time.monotonic() + within_s
    while not (value := what()):
        assert time.monotonic() < deadline, f"{wanted}: not within {within_s:g} s"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def process(*arguments: str | Path, log: Path, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run ``python ARGUMENTS`` in the background, its output in ``log``; at the end it is stopped, or killed."""
    with log.open("w") as stream:
        child = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environment(**(env or {})),
            text=True,
        )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(60)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane: where it is, and its user's key."""

    project: Path
    url: str
    key: str
    pid: int

    def client(self, key: str | None = None) -> httpx.Client:
        """Return a client that holds ``key``, or that of the machine's user."""
        return httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {key or self.key}"}, timeout=30, trust_env=False
        )


@contextlib.contextmanager
def control_plane(project: Path, *, env: Mapping[str, str] | None = None) -> Iterator[ControlPlane]:
    """Run the control plane of ``project``, with ``env`` beside this process's environment."""
    folder = ProjectFolder.open(project)
    prepare_project(folder)
    key = json.loads((folder.state / "credentials.json").read_bytes())["key"]
    told = folder.state / "control-plane.json"
    told.unlink(missing_ok=True)
    log = project / "control-plane.log"
    with process("-m", "trimtab.api", "--project", project, log=log, env=env) as child:

        def ready() -> bool:
            assert child.poll() is None, f"the control plane ended: {log.read_text()}"
            return told.exists()

        eventually(ready, within_s=120, wanted="a control plane that is ready")
        address = json.loads(told.read_bytes())
        yield ControlPlane(project, f"http://127.0.0.1:{address['port']}", key, child.pid)
