"""An environment for each peer, below one folder, made once with the versions that are pinned for it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.serving.frozen import HERE

__all__ = ["DEFAULT_ENVS", "environment"]

DEFAULT_ENVS = Path.home() / ".cache" / "trimtab-bench"


def environment(envs: Path, name: str) -> Path:
    """Return the ``bin`` folder of the peer's environment; make it if it is absent or has other pins.

    Raises:
        subprocess.CalledProcessError: a package cannot be had.
    """
    pins = HERE / "peers" / "requirements" / f"{name}.txt"
    wanted = hashlib.sha256(pins.read_bytes()).hexdigest()
    folder, ready = envs / name, envs / name / ".ready"
    if ready.is_file() and ready.read_text() == wanted:
        return folder / "bin"
    print(f"{name}: making its environment in {folder}", file=sys.stderr)
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    uv = Path(sys.executable).with_name("uv")
    install = (
        [str(uv), "pip", "install", "--quiet", "--python", str(folder / "bin" / "python")]
        if uv.exists()
        else [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    )
    subprocess.run([*install, "-r", str(pins)], check=True)
    ready.write_text(wanted)
    return folder / "bin"
