"""The trials that a tuning has done, line by line, so that a job that was killed goes on behind the last one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trimtab.training.estimators import Scalar
from trimtab.training.trial import Trial

__all__ = ["TrialJournal"]


class TrialJournal:
    """Trials in the order of their numbers, one JSON line each. ``path`` None: keeps nothing.

    A tuning proposes the same parameters from the same seed and the same results; so what was done is taken over when
    its parameters are those that are proposed again, and forgotten from the first one that differs. A line that a
    crash cut off is no line.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._done = [] if path is None else _read(path)
        if path is not None and path.exists():
            _write(path, self._done)  # without the half of a line that would spoil the next one

    def done(self, number: int, params: dict[str, Scalar]) -> Trial | None:
        """Return the trial ``number`` if it was done before with these parameters."""
        if number >= len(self._done):
            return None
        trial = self._done[number]
        if trial.params == params:
            return trial
        del self._done[number:]
        if self._path is not None:
            _write(self._path, self._done)
        return None

    def add(self, trial: Trial) -> None:
        """Keep a trial that was just done."""
        if self._path is None:
            return
        self._done.append(trial)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab") as stream:
            stream.write(msgspec.json.encode(trial) + b"\n")


def _read(path: Path) -> list[Trial]:
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    found: list[Trial] = []
    for line in lines:
        try:
            trial = msgspec.json.decode(line, type=Trial)
        except msgspec.DecodeError:
            break
        if trial.number != len(found):
            break
        found.append(trial)
    return found


def _write(path: Path, trials: list[Trial]) -> None:
    content = b"".join(msgspec.json.encode(trial) + b"\n" for trial in trials)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
