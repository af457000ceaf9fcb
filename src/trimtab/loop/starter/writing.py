"""Writes a proposal as a project, or as one more model of a project: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trimtab.config.model import Name
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.files import sync_folder
from trimtab.loop.starter.contract_file import contract_file, model_file
from trimtab.loop.starter.operation_files import (
    deployment_file,
    monitoring_file,
    policy_file,
    project_file,
    retrain_file,
)
from trimtab.loop.starter.training_file import training_file
from trimtab.loop.starter.wishes import Plan
from trimtab.loop.validation import validate_project

__all__ = ["folders_to_make", "name_from", "refuse_occupied", "take_back", "write_project"]

_MAX_NAME = 63
_OURS = ("trimtab.yaml", "policy.yaml", "models", ".trimtab")
_NOT_IN_NAME = re.compile(r"[^a-z0-9]+")


def name_from(text: str) -> Name:
    """Return a name for a project or model, made of ``text``.

    >>> name_from("German Credit (2).csv"), name_from("…")
    ('german-credit-2-csv', 'model')
    """
    return _NOT_IN_NAME.sub("-", text.lower()).strip("-")[:_MAX_NAME].strip("-") or "model"


def refuse_occupied(root: Path, model: str) -> None:
    """Raise when a project cannot be made at ``root``, before anything is read.

    Raises:
        ConflictError: the folder holds something that is no project, or the model is there already.
    """
    if not root.exists():
        return
    if not root.is_dir():
        raise ConflictError(f"{root}: is a file; expected a folder to make; name another one")
    if (root / "trimtab.yaml").is_file():
        if (root / "models" / model).exists():
            raise ConflictError(f"model {model!r}: is in project {root} already; pass another --name")
    elif any(root.iterdir()):
        raise ConflictError(f"{root}: is not empty and no project; nothing was written; name a new folder")


def folders_to_make(root: Path) -> tuple[Path, ...]:
    """Return the folders that a project at ``root`` needs and that are not there, the innermost first."""
    there = root.resolve()
    return tuple(folder for folder in (there, *there.parents) if not folder.exists())


def write_project(root: Path, plan: Plan) -> ProjectFolder:
    """Write ``plan`` as a project at ``root``, or into the project that is there, and return it.

    A crash leaves at most a folder whose name begins with a dot; in an empty folder that was there before, perhaps
    files without their ``trimtab.yaml``.

    Raises:
        ConflictError: see `refuse_occupied`.
        ConfigError: the proposal does not hold together; nothing was written.
        OSError: the disk fails.
    """
    refuse_occupied(root, plan.name)
    adds = (root / "trimtab.yaml").is_file()
    fills = not adds and root.is_dir()
    # Beside its place, on the same file system; never in place of a folder that somebody stands in, or has mounted.
    place = (root / "models") if adds else root if fills else root.resolve().parent
    made = folders_to_make(place)
    place.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=place, prefix=".init-"))
    try:
        _write(temporary, plan, name_from(root.resolve().name))
        problems = validate_project(temporary)
        if problems:
            raise ConfigError(
                f"{plan.source}: the proposal does not hold together ({problems[0].replace(f'{temporary}/', '')}); "
                "nothing was written; rename the column, or leave it out of the file"
            )
        if adds:
            os.replace(temporary / "models" / plan.name, root / "models" / plan.name)
        elif fills:
            _fill(root, temporary)
        else:
            temporary.chmod(0o755)
            os.replace(temporary, root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)
        raise
    shutil.rmtree(temporary, ignore_errors=True)
    sync_folder(place)
    return ProjectFolder.open(root)


def take_back(root: Path, made: Sequence[Path]) -> None:
    """Remove a project that was just written to ``root``, and the folders ``made`` for it; see `folders_to_make`."""
    for name in _OURS:
        _remove(root / name)
    _remove_empty(made)


def _fill(root: Path, temporary: Path) -> None:
    """Move what is in ``temporary`` into the empty folder ``root``, all or nothing."""
    # Last the file that makes a folder a project.
    names = sorted((path.name for path in temporary.iterdir()), key=lambda name: name == "trimtab.yaml")
    try:
        for name in names:
            os.replace(temporary / name, root / name)
    except BaseException:
        for name in names:
            _remove(root / name)
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        # Whoever put something there meanwhile keeps it.
        with contextlib.suppress(OSError):
            folder.rmdir()


def _write(root: Path, plan: Plan, project: str) -> None:
    folder = root / "models" / plan.name
    folder.mkdir(parents=True)
    files = {
        root / "trimtab.yaml": project_file(project),
        root / "policy.yaml": policy_file(),
        folder / "model.yaml": model_file(plan),
        folder / "contract.yaml": contract_file(plan),
        folder / "training_config.yaml": training_file(plan),
        folder / "deployment_config.yaml": deployment_file(plan),
        folder / "monitoring_config.yaml": monitoring_file(plan),
        folder / "retrain_config.yaml": retrain_file(plan),
    }
    for path, content in files.items():
        with path.open("w", encoding="utf-8") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
