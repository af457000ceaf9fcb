"""Follows a control plane on another machine: ``python -m trimtab.serving.mirror``, started by `Pool` only.

What it deploys is written to a server's state folder, as the deployer of one machine would: bundles first, each held
against its digest, then the spec. While the control plane is away, what stands there is served on.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import httpx
import msgspec
import structlog

from trimtab.bundle.receiving import receive_bundle
from trimtab.bundle.writer import read_manifest
from trimtab.config.logs import configure_logs
from trimtab.core.errors import ArtifactUntrustedError, BackendError, ConflictError, NotFoundError, TrimtabError
from trimtab.files import write_atomically
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec
from trimtab.serving.spec_files import awaited_path, read_spec, spec_path

__all__ = ["ControlPlane", "Mirror", "main"]

_INTERVAL_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0
_TIMEOUT_S: Final = 30.0
_MAX_SPECS_BYTES: Final = 64_000_000
_PIECE_BYTES: Final = 1 << 20
_LONGEST_REASON: Final = 300
_KEPT_S: Final = 3_600.0
_USAGE_ERROR: Final = 2
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_log = structlog.get_logger("trimtab.serving.mirror")


class _Told(msgspec.Struct, frozen=True):
    specs: tuple[EndpointSpec, ...]


class ControlPlane:
    """A control plane elsewhere, asked over HTTP with an API key of role ``service``."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        # Bytes as they are: what a compressed answer unfolds to would be bounded by nobody.
        headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "identity"}
        self._http = httpx.Client(headers=headers, timeout=httpx.Timeout(_TIMEOUT_S), trust_env=False)

    def specs(self, known: str | None) -> tuple[str, tuple[EndpointSpec, ...]] | None:
        """Return what all endpoints shall serve, and a tag for it; None where that is what ``known`` is the tag of.

        Raises:
            BackendError: it is away, refuses, or answers with something else.
        """
        headers = {} if known is None else {"If-None-Match": known}
        with self._asked("/v1/serving/specs", headers) as answer:
            if answer.status_code == httpx.codes.NOT_MODIFIED:
                return None
            content = b"".join(self._pieces(answer, _MAX_SPECS_BYTES))
            try:
                return answer.headers.get("etag", ""), msgspec.json.decode(content, type=_Told).specs
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise BackendError(
                    f"control plane {self._url}: its specs are not what this version reads ({error}); "
                    "upgrade both sides alike"
                ) from error

    def file(self, digest: str, name: str) -> Iterator[bytes]:
        """Return the bytes of a file of the bundle with this ``digest``, in pieces.

        Raises:
            NotFoundError: there is none.
            BackendError: as above.
        """
        with self._asked(f"/v1/serving/bundles/{digest}", {}, name=name) as answer:
            yield from self._pieces(answer, None)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    @contextmanager
    def _asked(self, path: str, headers: dict[str, str], **query: str) -> Iterator[httpx.Response]:
        try:
            with self._http.stream("GET", f"{self._url}{path}", params=query, headers=headers) as answer:
                if answer.status_code not in {httpx.codes.OK, httpx.codes.NOT_MODIFIED}:
                    self._refuse(answer, query.get("name"))
                yield answer
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise BackendError(
                f"control plane {self._url}: {type(error).__name__} ({error}); what was deployed last is served on"
            ) from error

    def _refuse(self, answer: httpx.Response, name: str | None) -> None:
        try:
            reason = str(msgspec.json.decode(b"".join(self._pieces(answer, _PIECE_BYTES)))["detail"])
        except (msgspec.MsgspecError, KeyError, TypeError):
            reason = "no reason given"
        if answer.status_code == httpx.codes.NOT_FOUND and name is not None:
            raise NotFoundError(reason[:_LONGEST_REASON])
        raise BackendError(
            f"control plane {self._url}: answered {answer.status_code} ({reason[:_LONGEST_REASON]}), expected what is "
            "deployed; check address and key (role service)"
        )

    def _pieces(self, answer: httpx.Response, limit_bytes: int | None) -> Iterator[bytes]:
        size = 0
        for piece in answer.iter_raw(_PIECE_BYTES):
            size += len(piece)
            if limit_bytes is not None and size > limit_bytes:
                raise BackendError(f"control plane {self._url}: answered with more than {limit_bytes} bytes; refused")
            yield piece


class Mirror:
    """Makes a state folder hold what a control plane deploys. One at a time a folder."""

    def __init__(self, state: Path, plane: ControlPlane) -> None:
        self._state = state
        self._bundles = state / "bundles"
        self._plane = plane
        self._tag: str | None = None

    def step(self) -> bool:
        """Take over what has changed; return whether all of it could be. What could not is told in the log.

        Raises:
            BackendError: the control plane is away; see `ControlPlane.specs`.
        """
        answer = self._plane.specs(self._tag)
        if answer is None:
            return True
        tag, specs = answer
        whole = True
        for spec in specs:
            try:
                self._take(spec)
            except (TrimtabError, OSError) as error:
                # One endpoint's bundle must not keep the others from what is theirs.
                _log.error("endpoint_not_followed", endpoint=spec.endpoint, error=str(error))
                whole = False
        awaited_path(self._state).unlink(missing_ok=True)
        if whole:
            self._tag = tag
            self._tidy(specs)
        return whole

    def _take(self, spec: EndpointSpec) -> None:
        path = spec_path(self._state, spec.endpoint)
        variants = tuple(self._here(variant) for variant in spec.variants)
        wanted = msgspec.structs.replace(spec, variants=variants)
        present = _known(path)
        if present == wanted:
            return
        if present is not None and present.generation >= spec.generation:
            raise ConflictError(
                f"endpoint {spec.endpoint!r}: generation {spec.generation} came, {present.generation} with other "
                "content is here already; the control plane's database is another one: name another --state"
            )
        write_atomically(path, msgspec.json.encode(wanted))
        _log.info("endpoint_followed", endpoint=spec.endpoint, generation=spec.generation)

    def _here(self, variant: VariantSpec) -> VariantSpec:
        digest = variant.bundle_digest
        if _DIGEST.fullmatch(digest) is None:
            raise BackendError(f"variant {variant.name!r}: digest {digest[:80]!r} is none; refused")
        folder = self._bundles / digest
        if self._tag is None and folder.exists() and not _is_whole(folder, digest):
            # Looked at once a start. What the disk did to it would keep the server from loading it for ever.
            _log.warning("bundle_damaged", bundle=digest)
            shutil.rmtree(folder)
        # What was received is whole; the server holds it against its digest whenever it loads it.
        if not folder.exists():
            receive_bundle(folder, digest, partial(self._plane.file, digest))
        return msgspec.structs.replace(variant, bundle_path=str(folder))

    def _tidy(self, specs: Sequence[EndpointSpec]) -> None:
        """Remove bundles that nothing has named for an hour: neither what shall be served nor what is."""
        named = {variant.bundle_digest for spec in specs for variant in spec.variants} | self._served()
        for folder in self._bundles.glob("*"):
            if folder.name not in named and time.time() - folder.stat().st_mtime > _KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)

    def _served(self) -> set[str]:
        served: set[str] = set()
        for path in (self._state / "status").glob("*.json"):
            try:
                status = msgspec.json.decode(path.read_bytes(), type=EndpointStatus)
            except (OSError, msgspec.MsgspecError):
                continue
            served |= {variant.bundle_digest for variant in status.variants}
        return served


def _is_whole(folder: Path, digest: str) -> bool:
    try:
        read_manifest(folder, expected_digest=digest)
    except (ArtifactUntrustedError, NotFoundError):
        return False
    return True


def _known(path: Path) -> EndpointSpec | None:
    try:
        return read_spec(path)
    except (TrimtabError, OSError):
        return None


def follow(mirror: Mirror) -> NoReturn:
    """Take over what is deployed, every second, without end; what fails is tried again, ever less often."""
    pause_s, told = 0.0, None
    while True:
        time.sleep(pause_s)
        error = None
        try:
            whole = mirror.step()
        except (BackendError, OSError) as away:
            whole, error = False, str(away)
        if error is not None and error != told:
            _log.error("control_plane_away", error=error)
        elif error is None and told is not None:
            _log.info("control_plane_back")
        told = error
        pause_s = _INTERVAL_S if whole else min(_LONGEST_PAUSE_S, max(_INTERVAL_S, 2 * pause_s))


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow until SIGTERM or SIGINT, which end the process; return the exit code where it cannot begin."""
    parser = argparse.ArgumentParser(prog="python -m trimtab.serving.mirror", description="Follow a control plane.")
    parser.add_argument("--state", type=Path, required=True, help="folder of the inference server")
    parser.add_argument("--url", required=True, help="the control plane's address")
    parser.add_argument("--key-env", required=True, help="the variable that holds an API key of role service")
    parser.add_argument("--log-format", choices=("json", "console"), default="json", help="for machines or for people")
    named = parser.parse_args(arguments)
    configure_logs(named.log_format, process="mirror")
    for number in (signal.SIGTERM, signal.SIGINT):
        # At once, also amid gigabytes: whatever it writes is whole or not there.
        signal.signal(number, lambda *_: sys.exit(0))
    key = os.environ.get(named.key_env)
    if not key:
        sys.stderr.write(f"error: {named.key_env}: is not set, expected an API key of role service; export it\n")
        return _USAGE_ERROR
    plane = ControlPlane(named.url, key)
    try:
        follow(Mirror(named.state, plane))
    finally:
        plane.close()


if __name__ == "__main__":
    sys.exit(main())
