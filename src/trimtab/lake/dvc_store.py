"""Dataset versions in DVC: the only file that imports it."""

from __future__ import annotations

import logging
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from trimtab.config.process import silence_telemetry
from trimtab.core.errors import BackendError
from trimtab.files import write_atomically

__all__ = ["Added", "add_version"]

_CONFIG = b"[core]\n    no_scm = True\n    analytics = False\n    check_update = False\n"
_IGNORED = b"/raw\n/processed\n/quarantine\n"
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, slots=True)
class Added:
    """A folder under version control: the ``hash`` of its content, and the ``files`` that DVC keeps of it.

    Those lie in DVC's cache, which has the layout of a DVC remote, and beside the folder (``NAME.dvc``).
    """

    hash: str
    files: tuple[Path, ...]


def add_version(root: Path, folder: Path, *, index: Path) -> Added:
    """Put ``folder`` under version control in the DVC repository at ``root``.

    The repository is made if there is none; it is tied to no source control. Adding the same content again returns the
    same hash. ``index`` is where DVC remembers what it has hashed.

    Raises:
        BackendError: DVC refused, or another process held its lock for too long.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        # DVC calls what its own dependency has deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        _prepare(root)
        return _add(root, folder, index)


def _prepare(root: Path) -> None:
    if not (root / ".dvc" / "config").is_file():
        # Only snapshots are versions: without this DVC walks through the other zones each time.
        write_atomically(root / ".dvcignore", _IGNORED)
        write_atomically(root / ".dvc" / "config", _CONFIG)


def _add(root: Path, folder: Path, index: Path) -> Added:
    silence_telemetry()
    # What fails is raised; above ERROR there is no progress bar that would write over that of our own caller.
    logging.getLogger("dvc").setLevel(logging.CRITICAL)
    from dvc.exceptions import DvcException  # start-up cost: 0.5 s
    from dvc.repo import Repo
    from dvc.ui import ui

    # Nor its spinner.
    ui.error_console.quiet = True
    try:
        # A new object each time: one that has seen the cache before does not see how it changed since.
        with Repo(str(root), config={"core": {"site_cache_dir": str(index)}}) as repository:
            (stage,) = repository.add(str(folder))
            (output,) = stage.outs
            cached = [output.hash_info, *(found for _, _, found in output.get_obj())]
            paths = {Path(repository.cache.local.oid_to_path(each.value)) for each in cached}
            return Added(str(output.hash_info.value), (*sorted(paths), Path(f"{folder}.dvc")))
    except DvcException as error:
        found = " ".join(str(error).split())
        raise BackendError(f"DVC in {root}: {found}; the same call may be repeated") from error
