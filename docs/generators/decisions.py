"""The index of the decision records."""

from __future__ import annotations

from pathlib import Path

from docs.generators.markdown import table

__all__ = ["decisions"]


def decisions(folder: Path) -> str:
    """Return the page: the title of each record in ``folder``, by its number.

    Raises:
        LookupError: a record has no title of the form ``# 0001: What was decided``.
    """
    rows = [_row(path) for path in sorted(folder.glob("[0-9]*.md"))]
    lines = [
        "# Decisions",
        "",
        "Each record says what stood in question, what was decided, and what follows from it, good and bad.",
        "",
        *table(("number", "decision"), rows),
    ]
    return "\n".join(lines)


def _row(path: Path) -> tuple[str, str]:
    title = path.read_text("utf-8").splitlines()[0]
    number, colon, decision = title.removeprefix("# ").partition(": ")
    if not colon or number != path.name[:4]:
        raise LookupError(f"{path}: begins with {title!r}; expected '# {path.name[:4]}: ', then what was decided")
    return number, f"[{decision}]({path.name})"
