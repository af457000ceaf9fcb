"""Verifying the audit log as people do it: against the checkpoints that lie in the lake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from tests.conftest import BOTH
from tests.unit.audit.forging import disarm, edit, new_key
from tests.unit.loop.projects import MODEL, World

from trimtab.audit import log
from trimtab.audit.checkpoint import Checkpoint, encode, file_name
from trimtab.audit.keys import public_key_of
from trimtab.config.project import AuditConfig
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConfigError, ConflictError, NotFoundError, PermissionDeniedError
from trimtab.db.tables import audit_about
from trimtab.loop.actor import Actor
from trimtab.loop.checkpoints import Checkpoints
from trimtab.loop.operation import perform
from trimtab.loop.operations import audit as operations

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

_VIEWER = Actor(name="vera", role=Role.VIEWER)
_ADMIN = Actor(name="adam", role=Role.ADMIN)


def _verified(world: World, **fields: Any) -> JsonObject:
    return perform(world.platform, _VIEWER, "audit.verify", fields)


def _shown(world: World, **fields: Any) -> list[str]:
    found = perform(world.platform, _VIEWER, "audit.show", fields)["entries"]
    return [f"{entry['subject'].partition(':')[0]} {entry['action']}" for entry in found]


def _write(world: World, entries: int) -> None:
    with world.platform.database.transaction() as connection:
        for number in range(entries):
            log.append(connection, at_us=number, actor="ann", action="thing.done", subject=f"thing:{number}")


def _execute(world: World, statements: list[str]) -> None:
    with world.platform.database.transaction() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _folder(world: World) -> Path:
    return world.platform.lake.root / "audit"


def _key(world: World) -> str:
    return str(perform(world.platform, _VIEWER, "audit.keys", {})["keys"][-1]["pem"])


def test_verification_passes_where_all_checkpoints_agree(world: World) -> None:
    for _ in range(2):
        _write(world, 3)
        Checkpoints(world.platform).write()
    _write(world, 1)
    found = _verified(world)
    assert (found["ok"], found["entries"], found["problem"], found["head"]["sequence"]) == (True, 8, None, 8)
    assert found["checkpoints"] == {"found": 2, "agree": 2, "signed": 2, "newest": 7}
    [key] = found["keys"]
    assert (key["since_sequence"], key["vouched"]) == (4, True)


def test_verification_finds_a_cut_tail_by_any_checkpoint_in_the_lake(world: World) -> None:
    _write(world, 2)
    assert _verified(world)["ok"] is True
    # Of version 1, from before checkpoints were signed.
    far = Checkpoint(schema_version=1, sequence=7, hash="0" * 64, at_us=2)
    _folder(world).mkdir(parents=True)
    (_folder(world) / file_name(7)).write_bytes(encode(far))
    found = _verified(world)
    assert found["ok"] is False
    assert "truncated" in found["problem"]["what"]
    assert (found["problem"]["sequence"], found["problem"]["last"]) == (1, 7)


def test_verification_finds_what_contradicts_a_checkpoint_that_somebody_wrote_down(world: World) -> None:
    _write(world, 2)
    head = _verified(world)["head"]
    assert _verified(world, sequence=2, hash=head["hash"])["ok"] is True
    assert _verified(world, sequence=2, hash="0" * 64)["ok"] is False
    with pytest.raises(ConfigError, match="pass both"):
        _verified(world, sequence=2)


def test_only_a_trusted_key_counts_as_soon_as_one_is_named(world: World) -> None:
    _write(world, 2)
    Checkpoints(world.platform).write()
    other = new_key().public
    assert _verified(world, trusted_keys=(_key(world),))["trusted"] == [public_key_of(_key(world), where="").id]
    assert _verified(world, trusted_keys=(_key(world),))["ok"] is True
    assert _verified(world, trusted_keys=(other.pem,))["ok"] is False
    with pytest.raises(ConfigError, match=r"trusted_keys\.1: holds no"):
        _verified(world, trusted_keys=(other.pem, "nonsense"))


def test_a_renewed_key_goes_on_and_only_an_admin_may_renew_it(world: World) -> None:
    _write(world, 1)
    Checkpoints(world.platform).write()
    first = _key(world)
    with pytest.raises(PermissionDeniedError):
        perform(world.platform, _VIEWER, "audit.renew", {"reason": "mine"})
    renewed = perform(world.platform, _ADMIN, "audit.renew", {"reason": "one left"})
    assert renewed["pem"] == _key(world) != first
    Checkpoints(world.platform).write()
    assert _verified(world, trusted_keys=(first,))["ok"] is True
    assert [key["vouched"] for key in _verified(world)["keys"]] == [True, True]


def test_guards_that_are_gone_are_told_and_how_long_entries_are_kept(world: World) -> None:
    _write(world, 1)
    assert (_verified(world)["guards_missing"], _verified(world)["keep"]) == ([], "730d")
    if world.platform.database.engine.dialect.name == "sqlite":
        off, on, missing = ["DROP TRIGGER audit_head_only_one"], [], ["audit_head_only_one"]
    else:
        off, on = ([f"ALTER TABLE audit_head {word} TRIGGER USER"] for word in ("DISABLE", "ENABLE"))
        missing = ["audit_head_no_delete", "audit_head_only_forward", "audit_head_only_one"]
    try:
        _execute(world, off)
        found = _verified(world)
    finally:
        # The database is used again by other tests.
        _execute(world, on)
    assert (found["ok"], found["guards_missing"]) == (True, missing)


def test_the_keys_of_the_project_are_trusted_unless_others_are_named(world: World) -> None:
    _write(world, 1)
    Checkpoints(world.platform).write()
    file = world.platform.project.root / "trusted.pem"
    project = world.platform.project.config.model_copy(update={"audit": AuditConfig(trusted_keys=("trusted.pem",))})
    pinned = replace(world.platform, project=replace(world.platform.project, config=project))
    with pytest.raises(ConfigError, match=r"audit\.trusted_keys: .*cannot be read"):
        perform(pinned, _VIEWER, "audit.verify", {})
    file.write_text(new_key().public.pem)
    assert perform(pinned, _VIEWER, "audit.verify", {})["ok"] is False
    assert perform(pinned, _VIEWER, "audit.verify", {"trusted_keys": (_key(world),)})["ok"] is True
    file.write_text(_key(world))
    assert perform(pinned, _VIEWER, "audit.verify", {})["ok"] is True


def test_since_the_last_checkpoint_only_what_is_new_is_read(world: World) -> None:
    _write(world, 3)
    with pytest.raises(NotFoundError, match="no checkpoint is signed rightly"):
        _verified(world, since="last")
    Checkpoints(world.platform).write()
    _write(world, 2)
    assert (_verified(world, since="last")["read_from"], _verified(world, since="last")["entries"]) == (5, 6)
    with world.platform.database.transaction() as connection:
        disarm(connection)
        edit(connection, 5, actor="eve")
    assert _verified(world, since="last")["problem"]["sequence"] == 5


@pytest.fixture
def verifying() -> Iterator[None]:
    with operations._verifying:
        yield


@pytest.mark.usefixtures("verifying")
def test_one_at_a_time_is_verified(world: World) -> None:
    _write(world, 1)
    with pytest.raises(ConflictError, match="one at a time"):
        _verified(world)


def test_a_case_is_shown_by_its_incident_its_action_and_its_model(world: World) -> None:
    world.version(1)
    world.checked(*world.drift(Verdict.BREACH, quality=0.5))
    world.deliver()
    [incident] = perform(world.platform, _VIEWER, "incidents.list", {})["incidents"]
    [action] = perform(world.platform, _VIEWER, "approvals.list", {})["actions"]
    perform(world.platform, _ADMIN, "approvals.decide", {"action_id": action["action_id"], "approve": False})
    of_action = ["action action.requested", "action action.rejected"]
    assert _shown(world, action=action["action_id"]) == of_action
    of_incident = _shown(world, incident=incident["incident_id"])
    assert [line for line in of_incident if line.startswith("action")] == of_action
    assert "incident incident.diagnosed" in of_incident
    assert [line for line in _shown(world, model=MODEL) if line in of_incident] == of_incident
    assert _shown(world, model="other") == []
    assert _shown(world, actor="adam") == ["action action.rejected"]
    assert _shown(world, until="2029-12-31") == []
    assert _shown(world, since="2030-01-01T00:00", limit=1) == ["action action.rejected"]
    with pytest.raises(ConfigError, match="expected a time"):
        _shown(world, since="20300101")


def test_an_index_that_was_tampered_with_is_made_anew(world: World) -> None:
    _write(world, 3)
    assert len(_shown(world, actor="ann")) == 3
    with world.platform.database.transaction() as connection:
        connection.execute(delete(audit_about).where(audit_about.c.sequence < 3))
    assert len(_shown(world, actor="ann")) == 1
    assert _verified(world)["ok"] is True, "the index is no evidence"
    assert perform(world.platform, _ADMIN, "audit.reindex", {}) == {"entries": 3}
    assert len(_shown(world, actor="ann")) == 3
