"""How often processes of a server died without having been told to end, and what they served or loaded then.

``STATE/lives/<worker>.json`` tells of the process that has a worker's place, and of the deaths of those before it: a
process that starts finds there what the one before it left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog

from trimtab.files.processes import is_alive, started_ticks

__all__ = ["REFUSED_S", "Life", "Lives", "deaths_of"]

REFUSED_S: Final = 600.0
"""For how long a generation is not loaded again after processes died while they loaded it."""

_KEPT_GENERATIONS: Final = 8
_MOST_LOADS: Final = 2
_US: Final = 1_000_000

_log = structlog.get_logger("trimtab.serving.lives")


class Killed(msgspec.Struct, frozen=True):
    """The generation of an endpoint that processes died of while they loaded it: how many, and the last one when."""

    generation: int
    count: int
    at_us: int


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One process: what it serves (endpoint → generations), what it loads just now, and how those before it died.

    ``ended``: it was told to end, or ended by itself in an orderly way. ``died``: endpoint → generation → deaths.
    """

    pid: int
    start_ticks: int = 0
    ended: bool = False
    served: dict[str, tuple[int, ...]] = {}
    loading: tuple[str, int] | None = None
    died: dict[str, dict[int, int]] = {}
    killed: dict[str, Killed] = {}


class Lives:
    """Keeps the file of one worker's place; it belongs to the event loop's thread.

    It is a second line: what cannot be written or read is logged, and hinders nobody who is served.
    """

    def __init__(self, state: Path, now_us: Callable[[], int], *, worker: int = 0) -> None:
        """Begin a life; one before it that did not end has died."""
        self._path = state / "lives" / f"{worker}.json"
        self._now_us = now_us
        self._told = False
        before, pid = _read(self._path), os.getpid()
        self._life = Life(pid=pid, start_ticks=started_ticks(pid))
        if before is not None:
            if not before.ended:
                before = _died(before, now_us())
                _log.error("process_died", worker=worker, served=before.served, loading=before.loading)
            self._life = msgspec.structs.replace(self._life, died=before.died, killed=before.killed)
        self._write()

    def loads(self, endpoint: str, generation: int) -> None:
        """Note that a generation is loaded from now on, beside what is served of the endpoint."""
        self._replace(loading=(endpoint, generation))

    def serves(self, endpoint: str, generation: int) -> None:
        """Note that a generation is served from now on; 0: none. What was being loaded is loaded, or was refused."""
        served = {name: one for name, one in self._life.served.items() if name != endpoint}
        if generation:
            served[endpoint] = (generation,)
        self._replace(served=served, loading=None)

    def refusal(self, endpoint: str, generation: int) -> str | None:
        """Return why a generation should not be loaded now: processes died of it. None: it may be."""
        killed = self._life.killed.get(endpoint)
        if killed is None or killed.generation != generation or killed.count < _MOST_LOADS:
            return None
        if self._now_us() - killed.at_us > REFUSED_S * _US:
            return None
        return (
            f"endpoint {endpoint!r}: generation {generation} is not loaded, as {killed.count} processes in turn died "
            f"of that, expected it to load; free memory, or deploy another version (it is tried again "
            f"{REFUSED_S / 60:g} minutes after the last one)"
        )

    def end(self) -> None:
        """Note that the process ends in an orderly way."""
        self._replace(ended=True)

    def _replace(self, **changes: object) -> None:
        after = msgspec.structs.replace(self._life, **changes)
        if after != self._life:
            self._life = after
            self._write()

    def _write(self) -> None:
        # Not forced to disk: where the machine dies, no version is to blame.
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(self._life))
            temporary.replace(self._path)
        except OSError as error:
            if not self._told:
                _log.warning("life_not_told", error=str(error))
            self._told = True


def deaths_of(state: Path, endpoint: str) -> dict[int, int]:
    """Return by generation of ``endpoint`` how many processes of the server of ``state`` died while they had it.

    One that has died just now counts, also where no other one has taken its place yet.
    """
    found: dict[int, int] = {}
    for path in sorted((state / "lives").glob("[!.]*.json")):
        life = _read(path)
        if life is None:
            continue
        if not life.ended and not is_alive(life.pid, life.start_ticks):
            life = _died(life, 0)
        for generation, count in life.died.get(endpoint, {}).items():
            found[generation] = found.get(generation, 0) + count
    return found


def _died(life: Life, at_us: int) -> Life:
    """Return the life with its own death among those that it tells of."""
    had = {name: set(generations) for name, generations in life.served.items()}
    killed = life.killed
    if life.loading is not None:
        name, generation = life.loading
        had.setdefault(name, set()).add(generation)
        before = killed.get(name)
        count = before.count if before is not None and before.generation == generation else 0
        killed = {**killed, name: Killed(generation, count + 1, at_us)}
    died = dict(life.died)
    for name, generations in had.items():
        counts = dict(died.get(name, {}))
        for generation in generations:
            counts[generation] = counts.get(generation, 0) + 1
        died[name] = {generation: counts[generation] for generation in sorted(counts)[-_KEPT_GENERATIONS:]}
    return msgspec.structs.replace(life, died=died, killed=killed)


def _read(path: Path) -> Life | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Life)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
