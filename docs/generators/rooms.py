"""The page of the rooms and their contracts."""

from __future__ import annotations

import tomllib
from pathlib import Path

from docs.generators.architecture import docstring_of
from docs.generators.markdown import code, plain, table

__all__ = ["rooms"]


def rooms(root: Path) -> str:
    """Return the page: each room by its floor."""
    contracts = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows = [
        (str(len(layers) - floor), code(room), plain(docstring_of(root, room)))
        for floor, layer in enumerate(layers)
        for room in (name.strip() for name in layer.split("|"))
    ]
    lines = [
        "# Rooms",
        "",
        "Top floor first. A room imports only from floors below it; rooms on one floor don't know each other.",
        "`lint-imports` holds this and the contracts below.",
        "",
        *table(("floor", "room", "what it is"), rows),
        "## Contracts",
        "",
        *(f"- {contract['name']}." for contract in contracts),
    ]
    return "\n".join(lines)
