"""What ``trimtab serve`` was told to do, checked as a whole before anything is written."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from trimtab.cli.address import checked_address
from trimtab.cli.client import open_project
from trimtab.core.errors import ConfigError
from trimtab.records.journal import file_bytes_within
from trimtab.serving.keys import make_keys_file, own_key, read_keys
from trimtab.serving.options import ServerOptions, read_options
from trimtab.serving.orders import Followed
from trimtab.serving.signatures import SignatureCheck
from trimtab.serving.sources import (
    adopt,
    bundles_named,
    mark_followed,
    may_adopt,
    may_follow,
    read_spec_file,
    refuse_second_server,
    spec_of,
)

if TYPE_CHECKING:
    from trimtab.config.project import ProjectFolder
    from trimtab.serving.spec import EndpointSpec

__all__ = ["Asked", "Plan", "plan_of"]

_STATE: Final = Path(".trimtab-serve")
_HOST: Final = "127.0.0.1"
_PORT: Final = 8766

_SMALLEST_LOG_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What stands on the command line, or in its variables; None and empty: nothing."""

    bundles: tuple[str, ...] = ()
    specs: tuple[Path, ...] = ()
    project: Path | None = None
    state: Path | None = None
    host: str | None = None
    port: int | None = None
    workers: int | None = None
    keys: Path | None = None
    require_key: bool = False
    allow_host: tuple[str, ...] = ()
    options: Path | None = None
    memory_budget: str | None = None
    log_limit: str | None = None
    models_root: Path | None = None
    intake: str | None = None
    follow: str | None = None
    key_env: str = "TRIMTAB_API_KEY"


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done. `write` is the first that writes anything."""

    folder: Path
    host: str
    port: int
    workers: int
    options: ServerOptions
    specs: tuple[EndpointSpec, ...] | None
    """What the folder shall serve from now on; None: what it serves already."""
    of_project: bool
    makes_key: bool
    followed: Followed | None

    def write(self) -> tuple[str | None, ServerOptions]:
        """Write specs and keys; return a key that was made just now, if one was, and the options that hold.

        Raises:
            OSError: the folder cannot be written.
        """
        if self.specs is not None:
            adopt(self.folder, self.specs)
        if self.followed is not None:
            mark_followed(self.folder, self.followed.url)
        options, made = self.options, None
        if self.makes_key:
            path = _keys_path(self.folder)
            made = make_keys_file(path)
            options = msgspec.structs.replace(options, keys=read_keys(path))
        if self.of_project and options.keys:
            # The control plane asks, too.
            options = msgspec.structs.replace(options, keys=(*options.keys, own_key(self.folder)))
        return made, options


def plan_of(asked: Asked) -> Plan:
    """Return what was asked for; what it leaves open is as the project says, or has its default.

    Raises:
        TrimtabError: it cannot be done; nothing was written.
    """
    project = None if asked.project is None else open_project(asked.project)
    folder = _folder(asked, project)
    refuse_second_server(folder)
    host, port, workers, base = _HOST, _PORT, 1, ServerOptions()
    if project is not None:
        told = project.config.serving
        host, port, workers, base = told.host, told.port, told.workers, _options_of(project, asked)
    workers = workers if asked.workers is None else asked.workers
    options = _options(asked, base)
    makes_key = asked.require_key and not options.keys
    if makes_key and _keys_path(folder).exists():
        makes_key, options = False, msgspec.structs.replace(options, keys=read_keys(_keys_path(folder)))
    _check(options, workers, asked.intake)
    followed = None if asked.follow is None else _followed(asked.follow, asked.key_env, folder)
    specs = None
    if asked.bundles or asked.specs:
        named = [bundle for text in asked.bundles for bundle in bundles_named(text)]
        specs = (*(spec_of(bundle, folder) for bundle in named), *(read_spec_file(path) for path in asked.specs))
        may_adopt(folder, specs)
    return Plan(
        folder=folder,
        host=asked.host or host,
        port=port if asked.port is None else asked.port,
        workers=workers,
        options=options,
        specs=specs,
        of_project=project is not None,
        makes_key=makes_key,
        followed=followed,
    )


def _folder(asked: Asked, project: ProjectFolder | None) -> Path:
    anything = bool(asked.bundles or asked.specs or asked.models_root)
    if asked.follow is not None and (anything or project is not None):
        raise ConfigError("--follow: its control plane says what is served; leave out --bundle, --spec and --project")
    if project is not None:
        if anything or asked.state is not None:
            raise ConfigError(
                "--project: its control plane says what is served; leave out --bundle, --spec and --state"
            )
        return project.serving.absolute()
    folder = (asked.state or _STATE).absolute()
    if not anything and asked.follow is None and asked.state is None and not (folder / "specs").is_dir():
        raise ConfigError(
            "nothing to serve: expected --bundle DIR, --spec FILE, --project DIR, --follow URL or --state DIR; name one"
        )
    present = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        # It has no name, and so leaves nothing behind.
        with tempfile.TemporaryFile(dir=present):
            pass
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({error.strerror}), expected a folder for specs and records; name another "
            "--state"
        ) from error
    return folder


def _options_of(project: ProjectFolder, asked: Asked) -> ServerOptions:
    """Return what the project says; its keys only where the command line names none."""
    told = project.config.serving
    keys = project.serving_keys if asked.keys is None and not asked.require_key else None
    return ServerOptions(
        keys=() if keys is None else read_keys(keys),
        sync_interval_s=told.sync_interval.total_seconds(),
        watchdog_s=None if told.watchdog is None else told.watchdog.total_seconds() or None,
        log_limit_bytes=told.log_limit,
        memory_budget_bytes=told.memory_budget,
    )


def _options(asked: Asked, base: ServerOptions) -> ServerOptions:
    options = base if asked.options is None else read_options(asked.options, base)
    if asked.keys is not None:
        options = msgspec.structs.replace(options, keys=read_keys(asked.keys))
    if asked.allow_host:
        options = msgspec.structs.replace(options, allowed_hosts=asked.allow_host)
    if asked.memory_budget is not None:
        options = msgspec.structs.replace(
            options, memory_budget_bytes=_size("--memory-budget", asked.memory_budget, least=1)
        )
    if asked.log_limit is not None:
        options = msgspec.structs.replace(
            options, log_limit_bytes=_size("--log-limit", asked.log_limit, least=_SMALLEST_LOG_BYTES)
        )
    if asked.models_root is not None:
        options = msgspec.structs.replace(options, models_root=str(asked.models_root))
    return options


def _check(options: ServerOptions, workers: int, intake: str | None) -> None:
    """Refuse what the server would refuse, too late: once it has written."""
    file_bytes = file_bytes_within(options.log_limit_bytes, workers)
    file_bytes = options.journal_file_bytes or file_bytes
    if options.log_limit_bytes is not None and options.log_limit_bytes < 2 * file_bytes:
        raise ConfigError(
            f"log_limit_bytes: {options.log_limit_bytes}, expected two files of {file_bytes} (journal_file_bytes) at "
            "least; raise it, or lower that"
        )
    SignatureCheck.of(options.trusted_keys)
    if options.models_root is not None and workers > 1:
        raise ConfigError(
            f"models_root: {workers} workers, expected one, since a model is loaded by whichever is asked; "
            "start with --workers 1, or without models_root"
        )
    if intake is not None and "://" in intake:
        # Start-up cost: pydantic, and what the address's kind needs.
        from trimtab.records.intakes.address import intake_at

        intake_at(intake).close()


def _followed(url: str, key_env: str, folder: Path) -> Followed:
    url = checked_address(url, setting="--follow").rstrip("/")
    parts = urlsplit(url)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: what stands there may be a secret.
        raise ConfigError("--follow: holds more than an address; the key belongs into the environment (--key-env)")
    if not os.environ.get(key_env):
        raise ConfigError(
            f"--follow {url}: {key_env} is not set, expected an API key of role service, see 'trimtab keys create'; "
            "export it, or name another variable with --key-env"
        )
    may_follow(folder, url)
    return Followed(url, key_env)


def _keys_path(folder: Path) -> Path:
    return folder / "keys.json"


def _size(option: str, text: str, *, least: int) -> int:
    from trimtab.config.sizes import parse_size  # start-up cost: pydantic

    try:
        size_bytes = parse_size(text)
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from None
    if size_bytes < least:
        raise ConfigError(f"{option}: found {text[:40]!r}, expected at least {least} bytes; write more, e.g. '1GB'")
    return size_bytes
