"""Monitors that an installed package offers, as pip leaves one: a folder with a module and its entry points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["DOCUMENTED", "install"]

_PAGE = Path(__file__).parents[3] / "docs" / "monitors.md"


def _block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", _PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found.group(1)


DOCUMENTED = _block("python")
"""The monitor of docs/monitors.md, of kind ``volume_drop``."""


def install(site: Path, module: str, source: str, offers: Mapping[str, str]) -> Path:
    """Put a distribution of one module into ``site``, which offers classes of it by kind; return ``site``."""
    facts = site / f"{module}-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / f"{module}.py").write_text(source)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    lines = [f"{kind} = {module}:{name}" for kind, name in offers.items()]
    (facts / "entry_points.txt").write_text("\n".join(["[trimtab.monitors]", *lines, ""]))
    return site
