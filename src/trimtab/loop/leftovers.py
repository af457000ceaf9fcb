"""What a killed process left half-written: never read by anybody, but it takes room."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from trimtab.config.project import ProjectFolder

__all__ = ["sweep"]


def sweep(project: ProjectFolder, lake: Path, *, older_than: datetime) -> int:
    """Remove what was last written before ``older_than``, and return how many files or folders that were.

    Younger ones may be at work. Only names that atomic writing gives are looked at, in the platform's own state and in
    the local folder of the ``lake``; uploads are the API's.
    """
    limit = older_than.timestamp()
    return sum(_removed(path) for path in _leftovers(project, lake) if _written_at(path) < limit)


def _leftovers(project: ProjectFolder, lake: Path) -> Iterator[Path]:
    yield from lake.glob("raw/tables/*/.incoming.*")
    yield from project.intake.glob(".*.arrow.*")
    for folder in (project.state, project.serving, project.serving / "specs", project.serving / "status"):
        yield from folder.glob(".*.json.*")
    yield from project.bundles.glob("*/.*")


def _written_at(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _removed(path: Path) -> bool:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    except OSError:
        # Somebody else's to explain; it is looked at again in an hour.
        return False
    return True
