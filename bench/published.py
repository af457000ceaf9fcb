"""Where the figures of a bench go: between two marks of a document, in tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["insert", "table"]


def insert(path: Path, text: str, *, bench: str) -> None:
    """Put ``text`` between the two marks of ``path`` that name the bench.

    Raises:
        SystemExit: it has no marks.
    """
    first, last = f"<!-- bench.{bench}: begin -->", f"<!-- bench.{bench}: end -->"
    head, begin, rest = path.read_text().partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise SystemExit(f"error: {path}: has no lines {first} and {last}; put them where the figures go")
    path.write_text(f"{head}{first}\n\n{text}\n\n{last}{tail}")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
