"""What a lane cannot do now is said by ``status``, and forgotten once it can."""

from __future__ import annotations

import errno

from tests.unit.loop.projects import World

from trimtab.core.enums import Role
from trimtab.core.errors import BackendError
from trimtab.loop.actor import Actor
from trimtab.loop.conductor import Conductor, Lane
from trimtab.loop.operation import perform

_VIEWER = Actor("vic", Role.VIEWER)
_FULL = OSError(errno.ENOSPC, "No space left on device")


def _told(world: World) -> list[str]:
    return [one["why"] for one in perform(world.platform, _VIEWER, "status.show", {})["next"]]


def test_status_says_what_a_full_disk_holds_up_until_there_is_room(world: World) -> None:
    faults: list[Exception] = [_FULL, BackendError("lake /lake: cannot be read and written; make room on its disk")]

    def work() -> bool:
        if faults:
            raise faults[0]
        return False

    lanes, hindered = (Lane("data", (work,)),), world.platform.hindered
    for words in ("No space left on device", "make room on its disk"):
        conductor = Conductor(world.platform, lanes, holder="h")

        def is_told(wanted: str = words) -> bool:
            return wanted in hindered.lanes.get("data", "")

        assert conductor.run_until(is_told, timeout_s=100)
        kept = [why for why in _told(world) if why.startswith("what was delivered is kept, and waits to be judged")]
        assert len(kept) == 1
        assert words in kept[0]
        faults.pop(0)
    assert Conductor(world.platform, lanes, holder="h").run_until(lambda: not hindered.lanes, timeout_s=100)
    assert not [why for why in _told(world) if "waits to be judged" in why]
