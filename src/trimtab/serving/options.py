"""What holds for a whole server process, beside the endpoints that it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec

from trimtab.core.errors import ConfigError
from trimtab.serving.keys import AccessKey

__all__ = ["DEFAULT_SYNC_INTERVAL_S", "DRAIN_GRACE_S", "ServerOptions", "read_options"]

DEFAULT_SYNC_INTERVAL_S: Final = 0.2
DRAIN_GRACE_S: Final = 5.0
"""How much longer than its drain a process may take to end, before whoever started it kills it."""

_AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a server process behaves. Every field has a default, so that a file names only what it changes.

    ``keys``: none means that no key is asked for. ``allowed_hosts``: names that ``Host`` and ``Origin`` may have; None
    means those of this machine where the server listens on loopback, and no check elsewhere.
    """

    keys: tuple[AccessKey, ...] = ()
    allowed_hosts: tuple[str, ...] | None = None

    max_in_flight: _AtLeastOne = 1024
    """Requests that are read or answered at one time; one more is refused with 429."""
    max_connections: _AtLeastOne = 4096
    """Open connections; one more is refused with 503."""
    max_reading_bytes: _AtLeastOne = 256 * 1024 * 1024
    """Bytes of bodies that are half read, over all requests; beyond it 429."""

    max_tensor_bytes: _AtLeastOne = 1024 * 1024 * 1024
    """Bytes that images take, once decoded, over all requests; beyond it 429."""

    header_timeout_s: _Seconds = 10.0
    body_timeout_s: _Seconds = 60.0
    write_timeout_s: _Seconds = 30.0
    """How long a caller may take nothing of an answer that waits for it."""
    keep_alive_s: _Seconds = 75.0
    drain_timeout_s: _Seconds = 20.0
    watchdog_s: _Seconds | None = 30.0
    """How long the event loop may hang before the process ends itself; None: for ever."""

    sync_interval_s: _Seconds = DEFAULT_SYNC_INTERVAL_S
    journal_file_bytes: _AtLeastOne | None = None
    """How large a journal file is; None: as the limit below allows, at most 16 MiB."""
    log_limit_bytes: Annotated[int, msgspec.Meta(ge=65_536)] | None = None
    """Bytes that the journals of all workers may take together until they are shipped; None: what the disk has."""
    memory_budget_bytes: _AtLeastOne | None = None
    """What the models of a process may take in memory together; None: no bound."""
    max_jobs: _AtLeastOne = 1_000
    """Requests to be answered later that may wait; one more is refused with 429."""
    max_jobs_bytes: _AtLeastOne = 1024 * 1024 * 1024
    job_keep_s: Annotated[float, msgspec.Meta(gt=0, le=30 * 86_400)] = 86_400.0
    """How long the outcome of such a request can be asked for."""
    trusted_keys: tuple[str, ...] = ()
    """Files of Ed25519 public keys (PEM); where there are any, only bundles signed by one of them are loaded."""
    models_root: str | None = None
    """Folder below which SageMaker's multi-model routes may load bundles; None: there are no such routes."""


def read_options(path: Path, base: ServerOptions | None = None) -> ServerOptions:
    """Return the options in a JSON file; what it does not name is as in ``base``.

    Raises:
        ConfigError: it cannot be read, or does not fit.
    """
    try:
        content = path.read_bytes()
        told = msgspec.json.decode(content, type=ServerOptions)
        named = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected server options; correct it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        fields = ", ".join(ServerOptions.__struct_fields__)
        raise ConfigError(f"{path}: {error}; expected server options as JSON ({fields}); correct it") from error
    return msgspec.structs.replace(base or ServerOptions(), **{name: getattr(told, name) for name in named})
