"""The specs that were served last, on disk: what a restart falls back to where a newer one does not load."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from trimtab.files import write_atomically
from trimtab.serving.spec import EndpointSpec

__all__ = ["LastGood"]

_log = structlog.get_logger("trimtab.serving.last_good")


class LastGood:
    """``STATE/served/<endpoint>.json``. Workers of one server may share it: what they write is the same.

    It is a second line: what cannot be written or read is logged, and hinders nobody who is served.
    """

    def __init__(self, state: Path) -> None:
        self._folder = state / "served"

    def keep(self, spec: EndpointSpec) -> None:
        """Remember that ``spec`` was loaded; one without variants is forgotten."""
        path = self._path(spec.endpoint)
        try:
            if not spec.variants:
                path.unlink(missing_ok=True)
            elif (content := msgspec.json.encode(spec)) != _bytes_of(path):
                write_atomically(path, content)
        except OSError as error:
            _log.warning("last_good_not_kept", endpoint=spec.endpoint, error=str(error))

    def before(self, endpoint: str, generation: int) -> EndpointSpec | None:
        """Return what was served of ``endpoint`` before ``generation`` (0: which one is not known), None if nothing."""
        try:
            spec = msgspec.json.decode(self._path(endpoint).read_bytes(), type=EndpointSpec)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            _log.warning("last_good_not_read", endpoint=endpoint, error=str(error))
            return None
        is_before = generation == 0 or spec.generation < generation
        return spec if spec.endpoint == endpoint and is_before else None

    def _path(self, endpoint: str) -> Path:
        return self._folder / f"{endpoint}.json"


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
