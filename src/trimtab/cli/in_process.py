"""Answers operations in this process, for projects whose control plane is not up."""

from __future__ import annotations

import getpass
import os
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from trimtab.bootstrap import build_conductor, build_platform
from trimtab.config.database import database_url
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.keys import owner_here
from trimtab.loop.operation import perform
from trimtab.loop.state_folder import works_elsewhere

__all__ = ["InProcessClient"]

_LOOK_S = 0.5


class InProcessClient:
    """See `trimtab.cli.client.Client`. Whoever may write the project's files acts as its admin."""

    remote = False

    def __init__(self, folder: ProjectFolder) -> None:
        self._platform = build_platform(folder)
        weakref.finalize(self, self._platform.database.close)
        self._name = _user()

    def ask(self, name: str, /, **fields: object) -> JsonObject:
        """Perform the operation here; see the port."""
        given = {key: value for key, value in fields.items() if value is not None}
        # The same person as the one who holds this machine's key, however the system calls them.
        owner = self._platform.database.read(owner_here)
        return perform(self._platform, Actor(self._name, Role.ADMIN, owner), name, given)

    def fetch(self, name: str, /, **fields: object) -> bytes:
        """Read the file that the operation names; see the port."""
        return Path(self.ask(name, **fields)["path"]).read_bytes()

    def close(self) -> None:
        """Close the database; see the port."""
        self._platform.database.close()

    def wait(self, done: Callable[[], bool], *, timeout_s: float) -> bool:
        """Run the conductor here until ``done()``; see the port.

        Where another state folder works with the database, what is waited for is done there.
        """
        state = self._platform.project.state
        if database_url() is not None and self._platform.database.read(lambda c: works_elsewhere(c, state)):
            return _awaited(done, timeout_s)
        # A command that has ended is no control plane that is down: it does not say that it is there.
        return build_conductor(self._platform, beats=False).run_until(done, timeout_s=timeout_s)


def _awaited(done: Callable[[], bool], timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_S)
    return True


def _user() -> str:
    """Return who runs this; in a container the user may have a number and no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user-{os.getuid()}"
