"""Programs of Debian's packages, downloaded and unpacked for tests without being installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

__all__ = ["unpacked"]

_KEPT = Path(tempfile.gettempdir()) / f"trimtab-debian-{os.getuid()}"


def unpacked(*packages: str) -> Path:
    """Return the folder that holds the packages' files as ``/`` would; skip the test where they cannot be had.

    They are kept from one run of the tests to the next.
    """
    _KEPT.mkdir(mode=0o700, exist_ok=True)
    assert _KEPT.stat().st_uid == os.getuid(), f"{_KEPT} is another user's: their programs are not run"
    kept = _KEPT / "+".join(sorted(packages))
    if kept.is_dir():
        return kept
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip(f"no apt-get here to download {', '.join(packages)} with")
    with tempfile.TemporaryDirectory(dir=_KEPT) as folder:
        _run(Path(folder), packages, "apt-get", "download", *packages)
        root = Path(folder) / "root"
        for package in Path(folder).glob("*.deb"):
            _run(Path(folder), packages, "dpkg-deb", "--extract", str(package), str(root))
        try:
            root.rename(kept)
        except OSError:
            assert kept.is_dir(), "another process may have been quicker, and nothing else"
    return kept


def _run(folder: Path, packages: tuple[str, ...], *command: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{command[0]} took too long to bring {', '.join(packages)}")
    if done.returncode != 0:
        pytest.skip(f"{command[0]} cannot bring {', '.join(packages)}: {done.stderr.strip()[-300:]}")
