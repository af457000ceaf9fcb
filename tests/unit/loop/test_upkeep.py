"""Small duties: requests expire, the heartbeat is told, what killed processes left is swept."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.conftest import BOTH
from tests.unit.loop.projects import MODEL, World

from trimtab.audit.checkpoint import decode
from trimtab.audit.log import append
from trimtab.audit.walk import verify
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import IllegalTransitionError
from trimtab.db.tables import audit_entry, heartbeat, notification
from trimtab.files.processes import is_alive
from trimtab.loop.actor import Actor
from trimtab.loop.leftovers import sweep
from trimtab.loop.operation import perform
from trimtab.loop.upkeep import Upkeep, expire_requests

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

_DANA = Actor("dana", Role.ADMIN)


def test_a_request_that_nobody_decided_expires_is_told_and_cannot_be_approved(world: World) -> None:
    world.version(1)
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    assert world.actions() == [("retrain", "waiting_approval")]
    world.clock.advance(timedelta(days=1) - timedelta(seconds=1))
    assert not expire_requests(world.platform)
    world.clock.advance(timedelta(seconds=1))
    assert expire_requests(world.platform)
    assert not expire_requests(world.platform)
    assert world.actions() == [("retrain", "expired")]
    world.deliver()
    told = world.platform.database.read(lambda c: c.execute(select(notification.c.title)).scalars().all())
    assert f"{MODEL}: retrain expired" in told
    [action] = perform(world.platform, _DANA, "approvals.list", {})["actions"]
    with pytest.raises(IllegalTransitionError, match="is expired, not waiting"):
        perform(world.platform, _DANA, "approvals.decide", {"action_id": action["action_id"], "approve": True})
    [incident] = perform(world.platform, _DANA, "incidents.list", {})["incidents"]
    shown = perform(world.platform, _DANA, "incidents.show", {"incident_id": incident["incident_id"]})
    assert "retrain expired" in [entry["what"] for entry in shown["timeline"]]
    audited = world.platform.database.read(lambda c: c.execute(select(audit_entry.c.action)).scalars().all())
    assert "action.expired" in audited
    assert world.unfinished() == []


def test_the_heartbeat_tells_a_living_process_from_one_that_has_its_number(world: World) -> None:
    upkeep = Upkeep(world.platform)
    assert not upkeep.run(), "duties are no work done"
    row = world.platform.database.read(lambda c: c.execute(select(heartbeat)).one())
    assert (row.process, row.pid) == ("control-plane", os.getpid())
    assert is_alive(row.pid, row.spec["start_ticks"])
    status = perform(world.platform, _DANA, "status.show", {})
    assert {"process": "control-plane", "pid": os.getpid(), "alive": True} in status["processes"]


def test_a_checkpoint_is_written_once_the_log_has_grown_and_not_again_for_a_minute(world: World) -> None:
    folder = world.platform.lake.root / "audit"

    def tell(what: str) -> None:
        with world.platform.database.transaction() as connection:
            append(connection, at_us=world.platform.now_us(), actor="dana", action=what, subject="log")

    Upkeep(world.platform).run()
    assert not folder.exists(), "nothing was said yet"
    tell("came")
    upkeep = Upkeep(world.platform)
    upkeep.run()
    [first] = folder.glob("*.json")
    checkpoint = decode(first.read_bytes(), first.name)
    assert world.platform.database.read(lambda c: verify(c, checkpoints=[checkpoint])).ok
    tell("stayed")
    upkeep.run()
    assert list(folder.glob("*.json")) == [first], "a minute has not passed"
    Upkeep(world.platform).run()
    assert len(list(folder.glob("*.json"))) == 2, "a start writes what the last process did not"


def test_leftovers_of_killed_processes_are_swept_and_nothing_else(world: World) -> None:
    project = world.platform.project
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    old: list[Path] = []
    young: list[Path] = []
    needed: list[Path] = []

    def leave(path: Path, group: list[Path], *, age_s: float, folder: bool = False) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if folder:
            path.mkdir()
            (path / "model.onnx").write_bytes(b"half")
        else:
            path.write_bytes(b"half")
        moment = hour_ago.timestamp() + 3600 - age_s
        os.utime(path, (moment, moment))
        group.append(path)

    leave(project.lake / "raw" / "tables" / MODEL / ".incoming.abc", old, age_s=7200)
    leave(project.intake / ".s1.arrow.x1y2z3", old, age_s=7200)
    leave(project.state / ".control-plane.json.q1w2", old, age_s=7200)
    leave(project.serving / "specs" / ".tiny.json.q1w2", old, age_s=7200)
    leave(project.bundles / MODEL / ".0123.xyz", old, age_s=7200, folder=True)
    leave(project.intake / ".s2.arrow.x1y2z3", young, age_s=60)
    leave(project.intake / "s1.arrow", needed, age_s=7200)
    leave(project.serving / "specs" / "tiny.json", needed, age_s=7200)
    leave(project.serving / "specs" / ".tiny.lock", needed, age_s=7200)
    leave(project.bundles / MODEL / "0123", needed, age_s=7200, folder=True)

    assert sweep(project, project.lake, older_than=hour_ago) == len(old)
    assert [path for path in old if path.exists()] == []
    assert [path for path in (*young, *needed) if not path.exists()] == []
    assert sweep(project, project.lake, older_than=hour_ago) == 0
