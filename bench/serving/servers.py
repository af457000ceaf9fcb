"""Server processes: started in a group of their own, awaited until they answer rightly, stopped with all they began."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Server", "ask", "free_port", "running"]

_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Server:
    """How a server is started, and what it is asked. ``expected``: what stands in a right answer."""

    name: str
    command: Sequence[str]
    port: int
    path: str
    body: bytes
    expected: bytes
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    packages: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}{self.path}"


def free_port() -> int:
    """Return a port that is free now, and so are the two above it; no client is ever given one of these.

    Raises:
        SystemExit: there is none.
    """
    for port in random.sample(range(20_000, 32_000, 3), 100):
        if all(_is_free(port + place) for place in range(3)):
            return port
    raise SystemExit("error: no three free ports between 20000 and 32000; stop what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def ask(server: Server, timeout_s: float = 10) -> tuple[int, bytes]:
    """Send one request on a connection of its own and return status and body.

    Raises:
        OSError: nobody answers.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout_s)
    try:
        connection.request("POST", server.path, server.body, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


@contextlib.contextmanager
def running(server: Server, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the server for the block's time. What it prints goes to ``logs/NAME.log``.

    Raises:
        SystemExit: it ended, or gave no right answer in time.
    """
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / f"{server.name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            server.command,
            cwd=server.folder,
            env={**os.environ, **server.environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await(server, process, log)
            yield process
        finally:
            _stop(process)


def _await(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    said = "nothing"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"error: {server.name}: ended with exit code {process.returncode}; see {log}")
        try:
            status, body = ask(server)
        except OSError as error:
            said = str(error)
        else:
            if status == 200 and server.expected in body:
                return
            said = f"{status} {body[:200]!r}"
        time.sleep(0.1)
    raise SystemExit(f"error: {server.name}: no right answer within {_START_TIMEOUT_S} s ({said}); see {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_TIMEOUT_S)
    # The group is ours alone: what a peer leaves behind would take its share of the next one's processor.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
