"""Opens the source that a spec names: a URL, or what an installed package offers under an entry point."""

from __future__ import annotations

from typing import Final

from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.serving.features.base import FeatureSource
from trimtab.serving.features.credential import credential_header
from trimtab.serving.features.http_source import HttpSource

__all__ = ["GROUP", "open_source"]

GROUP: Final = "trimtab.feature_sources"


def open_source(source: str, *, key_env: str | None = None, key_header: str = "authorization") -> FeatureSource:
    """Return the source: of a URL, else what the entry point of that name returns when it is called.

    Raises:
        ConfigError: it is no URL that can be asked, or its key is not there, or the package's own code fails.
        NotFoundError: no installed package has such an entry point.
    """
    if "://" in source:
        return HttpSource(source, credential_header(key_env, key_header))
    if key_env is not None:
        raise ConfigError(
            f"features.key_env: stands there with source {source[:80]!r}, which is an entry point; expected none, for "
            "its package reads the environment itself; remove it"
        )
    # Start-up cost: only endpoints with such a source need it.
    from importlib.metadata import entry_points

    offered = entry_points(group=GROUP)
    if source not in offered.names:
        known = ", ".join(sorted(offered.names)) or "none is installed"
        raise NotFoundError(
            f"features.source {source[:80]!r}: no entry point of group {GROUP}, expected a URL or one of: {known}; "
            "install its package, or correct it"
        )
    try:
        made: FeatureSource = offered[source].load()()
    except Exception as error:
        raise ConfigError(
            f"features.source {source!r}: fails to open ({type(error).__name__}: {str(error)[:200]}); correct it"
        ) from error
    if not (callable(getattr(made, "read", None)) and callable(getattr(made, "close", None))):
        raise ConfigError(
            f"features.source {source!r}: opens a {type(made).__name__}, expected a FeatureSource with read and close; "
            "correct its package"
        )
    return made
