"""The deployer of this machine: specs and status are files that the inference server reads and writes."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, ConfigError, ConflictError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name
from trimtab.files import write_atomically
from trimtab.files.processes import is_alive
from trimtab.serving.spec import EndpointSpec, EndpointStatus

__all__ = ["LocalDeployer"]

_MAX_BYTES = 4_000_000

MessageT = TypeVar("MessageT", EndpointSpec, EndpointStatus)


class LocalDeployer:
    """Drives the inference server whose state folder is ``serving_state``; see `Deployer` for the contract.

    It writes ``specs/<endpoint>.json`` and reads ``status/<endpoint>.json``. The server need not be running: it takes
    up the specs when it starts.
    """

    def __init__(self, serving_state: Path) -> None:
        self._serving_state = serving_state
        self._specs = serving_state / "specs"
        self._status = serving_state / "status"

    def apply(self, spec: EndpointSpec) -> int:
        """Write the spec, unless the one on disk is newer or the same; return the generation on disk."""
        path = self._specs / f"{_checked(spec.endpoint)}.json"
        try:
            with _locked(self._specs / f".{spec.endpoint}.lock"):
                present = _read(path, EndpointSpec)
                if present is not None and present.generation >= spec.generation:
                    _require_same(present, spec)
                    return present.generation
                write_atomically(path, msgspec.json.format(msgspec.json.encode(spec)))
                reached("rollout.spec_written")
                return spec.generation
        except OSError as error:
            raise BackendError(f"{path}: cannot be written ({error.strerror}); check permissions and disk") from error

    def observe(self, endpoint: str) -> EndpointStatus | None:
        """Return the server's own words; those of a process that is gone count for nothing."""
        status = _read(self._status / f"{_checked(endpoint)}.json", EndpointStatus)
        return status if status is not None and is_alive(status.pid, self._start_ticks(status.pid)) else None

    def desired(self, endpoint: str) -> EndpointSpec | None:
        """Return the spec on disk, None when there is none."""
        return _read(self._specs / f"{_checked(endpoint)}.json", EndpointSpec)

    def _start_ticks(self, pid: int) -> int:
        """Return when the server ``pid`` started, as it told where it listens; 0 where it told nothing (yet)."""
        try:
            told = msgspec.json.decode((self._serving_state / "server.json").read_bytes(), type=_Listening)
        except (OSError, msgspec.DecodeError):
            return 0
        # After a crash and a restart of the machine, the number may be another process's.
        return told.start_ticks if told.pid == pid else 0


class _Listening(msgspec.Struct):
    pid: int
    start_ticks: int = 0


def _checked(endpoint: str) -> str:
    if not is_endpoint_name(endpoint):
        raise ConfigError(f"endpoint {endpoint[:80]!r}: is no name, expected {ENDPOINT_NAME_RULE}; rename it")
    return endpoint


def _require_same(present: EndpointSpec, wanted: EndpointSpec) -> None:
    if present.generation == wanted.generation and present != wanted:
        raise ConflictError(
            f"endpoint {wanted.endpoint!r}: generation {wanted.generation} stands with other content; "
            "read it again and use the next generation"
        )


def _read(path: Path, kind: type[MessageT]) -> MessageT | None:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BackendError(f"{path}: larger than {_MAX_BYTES} bytes; remove it and let it be written anew")
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BackendError(f"{path}: cannot be read ({error.strerror}); check permissions") from error
    except msgspec.DecodeError as error:
        raise BackendError(f"{path}: is not what this version writes ({error}); upgrade both sides alike") from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        # Between reading the generation on disk and writing ours, another process could write a higher one.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
