"""Makes the server equal to the specs in its state folder, and says what it serves.

``STATE/specs/<endpoint>.json`` holds the desired `EndpointSpec`, ``STATE/status/<endpoint>.json`` what is. Specs stay
there, so that a restart needs nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from trimtab.core.crashpoints import reached
from trimtab.core.errors import BackendError, TrimtabError
from trimtab.files import write_atomically
from trimtab.serving.endpoints import EndpointTable, LoadedEndpoint
from trimtab.serving.last_good import LastGood
from trimtab.serving.lives import Lives
from trimtab.serving.residence import Residence
from trimtab.serving.spec import EndpointSpec, EndpointStatus
from trimtab.serving.spec_files import awaited_path, read_spec, read_status, status_path

__all__ = ["Follower"]

_Stamp = tuple[int, int, int]

_log = structlog.get_logger("trimtab.serving.follow")


def _sayable(text: str) -> str:
    """Return text that JSON can hold: a file's name may be none."""
    return text.encode("utf-8", "replace").decode()


def _stamp_of(entry: os.DirEntry[str]) -> _Stamp | None:
    """Return what tells one content of a spec's file from another; None where the file is gone by now."""
    # A link that leads nowhere must not keep those behind it from being followed; reading it says what is wrong.
    for through_links in (True, False):
        with contextlib.suppress(OSError):
            status = entry.stat(follow_symlinks=through_links)
            return status.st_mtime_ns, status.st_ino, status.st_size
    return None


def _is_old(spec: EndpointSpec, known: EndpointStatus) -> bool:
    return spec.generation < known.generation or (spec.generation == known.generation and known.error is None)


@dataclass(frozen=True, slots=True)
class _Change:
    path: Path
    stamp: _Stamp


class Follower:
    """Watches the spec folder. `step` and `follow` run in the event loop; loading runs in a thread.

    ``told_in``: the folder whose ``status/`` is written, where that is not ``state`` itself. ``lives``: where it is
    noted what the process has in hand, should it die of that.
    """

    def __init__(
        self,
        state: Path,
        *,
        table: EndpointTable,
        residence: Residence,
        pid: int,
        told_in: Path | None = None,
        lives: Lives | None = None,
    ) -> None:
        self._state = state
        self._told_in = told_in or state
        self._table = table
        self._residence = residence
        self._last_good = LastGood(state)
        self._pid = pid
        self._lives = lives
        self._written: dict[str, EndpointStatus] = {}
        self._unwritten: dict[str, EndpointStatus] = {}
        self._awaits = True
        self._seen: dict[Path, _Stamp] = {}
        self._retries: dict[Path, tuple[int, float]] = {}

    def serves(self, name: str) -> bool:
        """Return whether an endpoint of that name is served by this process, in memory or not."""
        return name in self._table

    def failure(self, name: str, *, workers: int = 1) -> str | None:
        """Return why none of ``workers`` processes serves the endpoint, as its loading told; None: one does, or may.

        Others' statuses are looked for beside one's own.
        """
        own = self._table.statuses.get(name)
        if name in self._table or own is None or own.error is None:
            return None
        if workers > 1:
            told = [read_status(folder, name) for folder in self._told_in.parent.glob("*")]
            failed = [one for one in told if one is not None and one.error is not None and one.generation == 0]
            if len(failed) < workers or len(failed) < len(told):
                return None
        return own.error

    async def follow(self, interval_s: float) -> None:
        """Look for changes every ``interval_s``, until cancelled."""
        while True:
            await asyncio.sleep(interval_s)
            await self.step()

    async def step(self) -> None:
        """Apply every spec that is new or has changed since the last step. What fails is told and leaves the rest."""
        # Asked before the specs: where it is gone now, what was awaited stands among them.
        self._awaits = self._awaits and awaited_path(self._state).exists()
        for change in self._changes():
            if self._seen.get(change.path) != change.stamp:
                self._retries.pop(change.path, None)
            self._seen[change.path] = change.stamp
            if await self._apply(change.path):
                self._retries.pop(change.path, None)
            else:
                # What is missing or damaged now may be put right: it is tried again, ever less often.
                attempts = self._retries.get(change.path, (0, 0.0))[0] + 1
                self._retries[change.path] = (attempts, time.monotonic() + min(60.0, 2.0**attempts))
        await self._write_statuses()
        self._table.ready = self._is_ready()

    def _is_ready(self) -> bool:
        """Return whether requests should come here.

        Not while it is unknown what is to be served, nor where all of that has failed to load.
        """
        if self._awaits:
            return False
        failed = any(status.error is not None for status in self._table.statuses.values())
        return not failed or any(True for _ in self._table)

    def _changes(self) -> list[_Change]:
        folder = self._state / "specs"
        changes: list[_Change] = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.endswith(".json") or entry.name.startswith("."):
                        continue
                    stamp = _stamp_of(entry)
                    path = folder / entry.name
                    if stamp is not None and (self._seen.get(path) != stamp or self._is_due_again(path)):
                        changes.append(_Change(path, stamp))
        except OSError:
            # The folder comes with the first deployment.
            return changes
        return sorted(changes, key=lambda change: change.path)

    def _is_due_again(self, path: Path) -> bool:
        return path in self._retries and time.monotonic() >= self._retries[path][1]

    async def _apply(self, path: Path) -> bool:
        """Make one endpoint what its spec says; return whether that worked."""
        name = _sayable(path.stem)
        known = self._table.statuses.get(name)
        desired = 0 if known is None else known.generation
        try:
            spec = await asyncio.to_thread(read_spec, path)
            desired = spec.generation
            if known is not None and _is_old(spec, known):
                return True
            if spec.variants:
                self._begin_loading(spec)
                status = (await self._residence.admit(spec)).status(self._pid)
            else:
                await self._residence.remove(name)
                status = self._status(name, generation=spec.generation, desired=spec.generation)
            await asyncio.to_thread(self._last_good.keep, spec)
            _log.info("endpoint_serves", endpoint=name, generation=spec.generation)
        except (TrimtabError, OSError) as error:
            told = _sayable(str(error))
            _log.error("endpoint_failed", endpoint=name, generation=desired, error=told)
            status = await self._failed(name, desired, told)
        except Exception as error:  # noqa: BLE001 - the boundary: what one endpoint breaks on must not end the others'
            _log.error("endpoint_failed", endpoint=name, generation=desired, exc_info=error)
            told = (
                f"endpoint {name!r}: broke inside the server while it was loaded ({type(error).__name__}: {error}), "
                "expected it to load or be refused; the server's log says where"
            )
            status = await self._failed(name, desired, _sayable(told))
        reached("serving.switched")
        if self._lives is not None:
            self._lives.serves(name, status.generation if name in self._table else 0)
        self._table.statuses[name] = status
        await self._write_statuses()
        return status.error is None

    def _begin_loading(self, spec: EndpointSpec) -> None:
        """Note what is loaded now.

        Raises:
            BackendError: processes before this one died of it, and none ever lived through it: what is served must not
                die of it, too.
        """
        if self._lives is None:
            return
        refused = self._lives.refusal(spec.endpoint, spec.generation)
        if refused is not None:
            good = self._last_good.before(spec.endpoint, spec.generation + 1)
            if good is None or good.generation != spec.generation:
                raise BackendError(refused)
        self._lives.loads(spec.endpoint, spec.generation)

    async def _failed(self, name: str, desired: int, error: str) -> EndpointStatus:
        """Say what serves on: the generation before, in memory or not, or brought back after a restart."""
        current = self._table.find(name) or await self._brought_back(name, desired)
        if current is not None:
            status = current.status(self._pid)
            # A spec that cannot be read says no generation.
            return msgspec.structs.replace(status, desired_generation=max(desired, status.generation), error=error)
        spec = self._table.parked(name)
        known = self._table.statuses.get(name)
        if spec is not None and known is not None:
            return msgspec.structs.replace(known, desired_generation=desired, error=error)
        return self._status(name, generation=0, desired=desired, error=error)

    async def _brought_back(self, name: str, desired: int) -> LoadedEndpoint | None:
        """Serve what was served before this process started, where what replaced it does not load."""
        before = None if name in self._table else await asyncio.to_thread(self._last_good.before, name, desired)
        if before is None:
            return None
        try:
            loaded = await self._residence.admit(before)
        except Exception as error:  # noqa: BLE001 - the boundary: the error that it is about is told in any case
            _log.error("endpoint_not_brought_back", endpoint=name, generation=before.generation, error=str(error))
            return None
        _log.warning("endpoint_brought_back", endpoint=name, generation=before.generation, desired=desired)
        return loaded

    def _status(self, name: str, *, generation: int, desired: int, error: str | None = None) -> EndpointStatus:
        return EndpointStatus(
            endpoint=name,
            generation=generation,
            desired_generation=desired,
            pid=self._pid,
            variants=(),
            error=error,
        )

    async def _write_statuses(self) -> None:
        """Write what has changed; an endpoint may have been unloaded, or brought back, by requests."""
        for name, status in list(self._table.statuses.items()):
            # One that could not be written is tried again at each step: whoever reads it takes it for the truth.
            if self._written.get(name) is not status and await asyncio.to_thread(self._write_status, status):
                self._written[name] = status

    def _write_status(self, status: EndpointStatus) -> bool:
        """Return whether the status could be written; that it could not is logged once of each."""
        try:
            write_atomically(status_path(self._told_in, status.endpoint), msgspec.json.encode(status))
        except OSError as error:
            if self._unwritten.get(status.endpoint) is not status:
                self._unwritten[status.endpoint] = status
                _log.error("status_not_written", endpoint=status.endpoint, error=str(error))
            return False
        return True
