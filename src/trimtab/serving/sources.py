"""What ``trimtab serve`` was told to serve, turned into specs in its state folder."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import ConfigError, ConflictError, NotFoundError, TrimtabError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name
from trimtab.files import write_atomically
from trimtab.serving.address import server_url
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import awaited_path, read_spec, spec_path

__all__ = [
    "NamedBundle",
    "adopt",
    "bundles_named",
    "claim",
    "mark_followed",
    "may_adopt",
    "may_follow",
    "read_spec_file",
    "refuse_second_server",
    "spec_of",
]

_MARK: Final = "made-by-serve"
_FOLLOWED: Final = "followed-control-plane"
_LOCK: Final = ".serve.lock"
_MANIFEST_NAME: Final = "bundle.json"

NamedBundle = tuple[str | None, Path]
"""An endpoint's name (None: the model's) and the folder of a bundle."""


def bundles_named(text: str) -> list[NamedBundle]:
    """Return the bundles that ``DIR`` or ``NAME=DIR`` means: one, or all that lie in the folder.

    Raises:
        NotFoundError: the folder is no bundle, nor holds any.
        ConfigError: several are there under one name, or the name is none.
    """
    name, separator, rest = text.partition("=")
    # A path may hold the sign, too.
    named = bool(separator) and "/" not in name
    folder = Path(rest if named else text).absolute()
    if named and not is_endpoint_name(name):
        raise ConfigError(f"--bundle {text!r}: {name!r} is no name for an endpoint; use {ENDPOINT_NAME_RULE}")
    if (folder / _MANIFEST_NAME).is_file():
        return [(name if named else None, folder)]
    within = sorted(path.parent for path in folder.glob(f"*/{_MANIFEST_NAME}"))
    if not within:
        found = f"holds no {_MANIFEST_NAME}" if folder.is_dir() else "is no folder"
        raise NotFoundError(f"{folder}: {found}, expected a bundle or a folder of bundles; correct it")
    if named:
        raise ConfigError(f"--bundle {text!r}: {len(within)} bundles under one name, expected one; name its own folder")
    return [(None, path) for path in within]


def spec_of(bundle: NamedBundle, state: Path) -> EndpointSpec:
    """Return the spec of an endpoint that serves ``bundle`` alone, after its files were held against their hashes.

    The first bundle that a state folder serves under a name is version 1; another one has the next number.

    Raises:
        ConfigError: the model's name is none for an endpoint.
        TrimtabError: see `read_manifest`.
    """
    name, folder = bundle
    manifest = read_manifest(folder)
    endpoint = name or manifest.model
    if not is_endpoint_name(endpoint):
        raise ConfigError(
            f"{folder}: its model's name {endpoint[:80]!r} is no name for an endpoint ({ENDPOINT_NAME_RULE}); "
            f"serve it as --bundle NAME={folder}"
        )
    before = _known(spec_path(state, endpoint))
    old = before.variants[0] if before is not None and before.variants else None
    version = 1 if old is None else old.model_version + (old.bundle_digest != manifest.digest)
    variant = VariantSpec(
        name=f"v{version}",
        model=manifest.model,
        model_version=version,
        bundle_path=str(folder),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(100),
    )
    if before is not None and before.variants == (variant,):
        return before
    return EndpointSpec(
        endpoint=endpoint, generation=1 if before is None else before.generation + 1, variants=(variant,)
    )


def read_spec_file(path: Path) -> EndpointSpec:
    """Return the spec in a file that a user wrote; folders of bundles are meant as seen from the file.

    Raises:
        ConfigError: it cannot be read, or is no spec.
    """
    try:
        spec = msgspec.json.decode(path.read_bytes(), type=EndpointSpec)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); expected an EndpointSpec; correct it") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; expected an EndpointSpec as JSON; correct it") from error
    variants = tuple(
        msgspec.structs.replace(variant, bundle_path=str((path.parent / variant.bundle_path).absolute()))
        for variant in spec.variants
    )
    return msgspec.structs.replace(spec, variants=variants)


def may_adopt(state: Path, specs: Sequence[EndpointSpec]) -> None:
    """Do nothing where ``specs`` may be all that the state folder's server serves; nothing is written.

    Raises:
        ConfigError: two have one name, or the folder is that of a project, whose control plane writes the specs.
    """
    names = [spec.endpoint for spec in specs]
    if len(set(names)) != len(names):
        raise ConfigError(f"endpoints {names}: a name comes twice; give each its own with NAME=DIR")
    if _specs_in(state / "specs") and not (state / _MARK).exists():
        raise ConfigError(
            f"{state}: holds specs that a control plane wrote, expected a folder of 'trimtab serve'; name another with "
            "--state, or leave out --bundle and --spec to serve what is there"
        )


def adopt(state: Path, specs: Sequence[EndpointSpec]) -> None:
    """Make ``specs`` all that the state folder's server serves.

    Raises:
        ConfigError: they may not be; see `may_adopt`.
    """
    may_adopt(state, specs)
    names, folder, mark = {spec.endpoint for spec in specs}, state / "specs", state / _MARK
    present = _specs_in(folder)
    write_atomically(mark, b"The specs here were written by 'trimtab serve'; its next start may replace them.\n")
    (state / _FOLLOWED).unlink(missing_ok=True)
    for spec in specs:
        path = spec_path(state, spec.endpoint)
        if _known(path) != spec:
            write_atomically(path, msgspec.json.encode(spec))
    for path in present:
        if path.stem not in names:
            path.unlink(missing_ok=True)
            (state / "status" / path.name).unlink(missing_ok=True)


def may_follow(state: Path, url: str) -> None:
    """Do nothing where the state folder's specs may come from the control plane at ``url``; nothing is written.

    Raises:
        ConfigError: it holds specs that came from elsewhere, whose generations mean something else.
    """
    path = state / _FOLLOWED
    before = path.read_text(encoding="utf-8").strip() if path.exists() else None
    if before != url and _specs_in(state / "specs"):
        raise ConfigError(
            f"{state}: holds specs {'of ' + before if before else 'that did not come from a control plane elsewhere'}, "
            f"expected those of {url}; name another --state"
        )


def mark_followed(state: Path, url: str) -> None:
    """Note that the specs of the state folder come from the control plane at ``url``."""
    if not (state / _FOLLOWED).exists():
        write_atomically(awaited_path(state), b"")
    write_atomically(state / _FOLLOWED, f"{url}\n".encode())
    (state / _MARK).unlink(missing_ok=True)


def refuse_second_server(state: Path) -> None:
    """Do nothing where no server runs on ``state``.

    Raises:
        ConflictError: one does.
    """
    url = server_url(state)
    if url is not None:
        raise ConflictError(f"{state}: a server runs on it already at {url}; use it, stop it, or name another --state")


def claim(state: Path) -> BinaryIO:
    """Return what keeps other servers off ``state`` for as long as it is held open.

    `refuse_second_server` sees those that listen; this one also those that begin at the same moment.

    Raises:
        ConflictError: somebody else holds it.
        OSError: the folder cannot be written.
    """
    state.mkdir(parents=True, exist_ok=True)
    held = (state / _LOCK).open("wb")
    try:
        fcntl.flock(held.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ConflictError(
            f"{state}: a server begins or ends on it right now, expected none; wait, or name another --state"
        ) from None
    return held


def _specs_in(folder: Path) -> Iterable[Path]:
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))


def _known(path: Path) -> EndpointSpec | None:
    try:
        return read_spec(path)
    except (TrimtabError, OSError):
        return None
