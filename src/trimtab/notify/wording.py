"""How a message reads: our templates, or the project's own, which may be wrong without anybody going untold."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trimtab.core.clock import from_micros
from trimtab.core.errors import ConfigError
from trimtab.notify.due import Parcel

__all__ = ["OURS", "Wording", "Words"]

OURS: Final = Path(__file__).parent / "templates"
_TIME_LIMIT_S = 10.0
_MAX_TITLE_CHARS, _MAX_BODY_CHARS = 300, 20_000


@dataclass(frozen=True, slots=True)
class Wording:
    """A message in words. ``fault`` says why a template of the project was not used, None where nothing went wrong."""

    title: str
    body: str
    fault: str | None = None


class Words:
    """Finds the words of messages; what failed once is not tried again until somebody has changed it."""

    def __init__(self, folder: Path | None) -> None:
        """Take the project's templates from ``folder``, which need not be there."""
        self._folder = folder
        self._failed: dict[tuple[Path, int], str] = {}

    def of(self, parcel: Parcel) -> Wording:
        """Return the words of ``parcel``.

        Those of ``KIND.j2``, else ``message.j2`` (or ``digest.j2`` for several) in the folder; ours where there is
        none, or where the project's fails. The first line that a template writes is the title, the rest the body.
        """
        values = _values_of(parcel)
        own = None if self._folder is None else _own(parcel, self._folder)
        fault = None
        if own is not None:
            edition = own, own.stat().st_mtime_ns
            try:
                if edition not in self._failed:
                    return _split(_rendered_apart(own, values))
            except ConfigError as error:
                self._failed[edition] = f"{own.name}: {error}"
            fault = self._failed[edition]
        # Start-up cost: Jinja2 is needed when the first message leaves.
        from trimtab.notify.rendering import rendered

        name = "message.j2" if len(parcel.messages) == 1 else "digest.j2"
        wording = _split(rendered(OURS / name, values))
        return Wording(wording.title, wording.body, fault)


def _own(parcel: Parcel, folder: Path) -> Path | None:
    names = [f"{parcel.messages[0].kind}.j2", "message.j2"] if len(parcel.messages) == 1 else ["digest.j2"]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _values_of(parcel: Parcel) -> dict[str, Any]:
    told = [
        {
            "title": message.title,
            "body": message.body,
            "severity": message.severity.value,
            "severity_rank": message.severity.rank,
            "kind": message.kind.value,
            "model": message.model,
            "route": message.route,
            "at": from_micros(message.at_us).isoformat(timespec="seconds"),
        }
        for message in parcel.messages
    ]
    models = sorted({message.model for message in parcel.messages if message.model is not None})
    return {**told[0], "messages": told, "models": models, "severity": parcel.severity.value}


def _rendered_apart(template: Path, values: dict[str, Any]) -> str:
    """Fill a template that somebody else wrote in a process of its own: it may loop for ever, or write without end."""
    command = [sys.executable, "-I", "-m", "trimtab.notify.rendering", str(template)]
    try:
        done = subprocess.run(
            command, input=json.dumps(values).encode(), capture_output=True, timeout=_TIME_LIMIT_S, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{_why(error)}; simplify it") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ConfigError(said[-1][:500] if said else "it was ended: too much memory or time; simplify it")
    return done.stdout.decode(errors="replace")


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"not filled within {_TIME_LIMIT_S:g} s"
    return str(error)


def _split(text: str) -> Wording:
    lines: Sequence[str] = text.strip().splitlines()
    title = " ".join(lines[0].split())[:_MAX_TITLE_CHARS] if lines else ""
    if not title:
        raise ConfigError("it wrote nothing, expected a title in its first line; write one")
    return Wording(title, "\n".join(lines[1:]).strip()[:_MAX_BODY_CHARS])
