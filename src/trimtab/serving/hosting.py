"""Models that a caller loads and unloads while the server runs, as SageMaker's multi-model endpoints do."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import ConfigError, ConflictError, NotFoundError
from trimtab.core.names import ENDPOINT_NAME_RULE, is_endpoint_name
from trimtab.serving.endpoints import EndpointTable
from trimtab.serving.residence import Residence
from trimtab.serving.spec import EndpointSpec, VariantSpec

__all__ = ["Hosting"]

_VARIANT: Final = "hosted"


class Hosting:
    """Loads bundles from folders below ``root``, each as an endpoint of its own; a restart begins with none.

    They are never unloaded to make room: whoever loads them decides what goes. Methods run in the event loop.
    """

    def __init__(self, table: EndpointTable, residence: Residence, root: Path) -> None:
        self._table = table
        self._residence = residence
        self._root = root.resolve()
        self._urls: dict[str, str] = {}
        self._loading: set[str] = set()

    async def load(self, name: str, url: str) -> None:
        """Load the bundle in the folder ``url``, and serve it as ``name`` from then on.

        Raises:
            ConfigError: the name is none, or the folder lies elsewhere.
            ConflictError: the name is taken, or is being loaded.
            MemoryBudgetError: it does not fit.
            TrimtabError: the folder holds no bundle, or one that cannot be trusted.
        """
        if not is_endpoint_name(name):
            raise ConfigError(f"model_name {name[:60]!r}: expected {ENDPOINT_NAME_RULE}; correct it")
        if name in self._loading or name in self._table:
            raise ConflictError(f"model {name!r}: is loaded already, or being loaded; unload it, or use it")
        self._loading.add(name)
        try:
            await self._residence.admit(await asyncio.to_thread(self._spec, name, url))
            self._urls[name] = url
        finally:
            self._loading.discard(name)

    async def unload(self, name: str) -> None:
        """Serve it no longer, and free its memory.

        Raises:
            NotFoundError: it is not loaded.
        """
        self.url(name)
        del self._urls[name]
        await self._residence.remove(name)

    def url(self, name: str) -> str:
        """Return where a loaded model came from.

        Raises:
            NotFoundError: it is not loaded.
        """
        if name not in self._urls:
            raise NotFoundError(f"model {name[:80]!r}: not loaded, expected one that GET /models lists; load it")
        return self._urls[name]

    def page(self, after: str, size: int) -> list[tuple[str, str]]:
        """Return names and folders of up to ``size`` loaded models, by name, from the first behind ``after`` on."""
        return sorted((name, url) for name, url in self._urls.items() if name > after)[:size]

    def _spec(self, name: str, url: str) -> EndpointSpec:
        folder = Path(url)
        if "\0" in url or not folder.is_absolute() or not folder.resolve().is_relative_to(self._root):
            raise ConfigError(f"url {url[:200]!r}: expected an absolute folder below {self._root}; correct it")
        try:
            manifest = read_manifest(folder)
        except OSError as error:  # a name longer than names can be, say
            raise ConfigError(f"url {url[:200]!r}: cannot be read ({error.strerror}); correct it") from error
        live = VariantSpec(
            name=_VARIANT,
            model=manifest.model,
            model_version=1,
            bundle_path=str(folder),
            bundle_digest=manifest.digest,
            weight_pct=Decimal(100),
        )
        return EndpointSpec(endpoint=name, generation=1, variants=(live,), pinned=True)
