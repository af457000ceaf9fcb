"""Small pieces of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["code", "listed", "plain", "table"]


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, and an empty one."""
    head = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    return [*head, *("| " + " | ".join(cell.replace("\n", " ") for cell in row) + " |" for row in rows), ""]


def code(text: object) -> str:
    """Return ``text`` as it is typed."""
    return f"`{text}`"


def listed(values: Iterable[object]) -> str:
    """Return ``values`` as they are typed, one after the other."""
    return ", ".join(code(value) for value in values)


def plain(text: str) -> str:
    """Return a docstring as Markdown of one paragraph: reST's double backticks are single ones there."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")
