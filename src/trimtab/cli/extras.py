"""Which extra of the package brings a library that is not there."""

from __future__ import annotations

import re

__all__ = ["extra_of"]

_EXTRAS = ("serve", "signatures", "platform", "postgres", "s3", "explain", "evidently")
_IMPORTED_AS = {"pillow": "PIL", "scikit_learn": "sklearn", "xgboost_cpu": "xgboost"}
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+).*extra == ['\"]([a-z0-9]+)['\"]")


def extra_of(module: str) -> str | None:
    """Return the smallest extra that brings ``module``; None when none of ours does.

    >>> extra_of("onnxruntime.capi"), extra_of("sklearn"), extra_of("trimtab.nowhere")
    ('serve', 'platform', None)
    """
    # Start-up cost: only wanted when something is missing.
    from importlib import metadata

    library = module.partition(".")[0]
    brought: dict[str, set[str]] = {}
    for requirement in metadata.requires("trimtab") or ():
        found = _REQUIREMENT.match(requirement)
        if found is not None:
            name = found[1].replace("-", "_")
            brought.setdefault(_IMPORTED_AS.get(name, name), set()).add(found[2])
    # One extra holds the other; what both bring is in the smaller one.
    return min(brought.get(library, set()), key=_EXTRAS.index, default=None)
