"""What speaks for the audit log beside the log itself: checkpoints in the lake, and the keys that a project trusts."""

from __future__ import annotations

from trimtab.audit.keys import PublicKey, public_key_of
from trimtab.audit.signing import CheckpointFile, files_of
from trimtab.core.errors import ConfigError
from trimtab.loop.platform import Platform

__all__ = ["checkpoint_files", "trusted_keys"]


def checkpoint_files(platform: Platform) -> list[CheckpointFile]:
    """Return the checkpoints as they lie in the lake, the farthest last.

    Read them before the log: one that is written meanwhile would be of entries that are not seen yet.
    """
    return files_of((path.name, path.read_bytes()) for path in platform.lake.checkpoints())


def trusted_keys(platform: Platform) -> list[PublicKey]:
    """Return the keys of ``audit.trusted_keys``.

    Raises:
        ConfigError: one cannot be read, or is none.
    """
    found = []
    for name in platform.project.config.audit.trusted_keys:
        path = platform.project.root / name
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"audit.trusted_keys: {path} cannot be read ({error}), expected a public key; correct trimtab.yaml"
            ) from error
        found.append(public_key_of(text, where=f"audit.trusted_keys: {path}"))
    return found
