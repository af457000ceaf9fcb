"""Settings of a process, from the environment (``TRIMTAB_*``). Secrets come from nowhere else."""

from __future__ import annotations

import atexit
import gc
import os
import re
from collections.abc import Mapping

from trimtab.core.errors import ConfigError

__all__ = ["end_quickly", "expand_secrets", "setting", "silence_telemetry"]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_TELEMETRY_OFF = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "FEAST_USAGE": "False",
    "DVC_NO_ANALYTICS": "1",
}


def end_quickly() -> None:
    """Let this process end within a moment of its last line, whatever it has imported.

    At its end the interpreter collects garbage several times over all that is there: with the libraries of the control
    plane that takes seconds, for which somebody waits who pressed Ctrl-C.
    """
    atexit.register(gc.freeze)


def setting(name: str, default: str | None = None, environment: Mapping[str, str] | None = None) -> str | None:
    """Return ``TRIMTAB_<NAME>`` from the environment, or ``default``."""
    source = os.environ if environment is None else environment
    return source.get(f"TRIMTAB_{name.upper()}", default)


def expand_secrets(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Replace each ``${NAME}`` by the environment's value.

    Raises:
        ConfigError: the variable is not set.

    >>> expand_secrets("slack://${TOKEN}", {"TOKEN": "t0k"})
    'slack://t0k'
    """
    source = os.environ if environment is None else environment

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in source:
            raise ConfigError(f"${{{name}}} is not set in the environment; export {name}, or remove the reference")
        return source[name]

    return _REFERENCE.sub(replace, text)


def silence_telemetry() -> None:
    """Switch off the usage reporting of the libraries that we start; a value that the user set stays."""
    for name, value in _TELEMETRY_OFF.items():
        os.environ.setdefault(name, value)
