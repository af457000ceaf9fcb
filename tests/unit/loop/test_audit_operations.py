from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import BOTH
from tests.unit.loop.projects import World

from trimtab.audit import log
from trimtab.audit.checkpoint import Checkpoint, write_checkpoint
from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

_VIEWER = Actor(name="vera", role=Role.VIEWER)


def _verified(world: World) -> JsonObject:
    return perform(world.platform, _VIEWER, "audit.verify", {})


def _write(world: World, entries: int) -> None:
    with world.platform.database.transaction() as connection:
        for number in range(entries):
            log.append(connection, at_us=number, actor="ann", action="thing.done", subject=f"thing:{number}")


def _folder(world: World) -> Path:
    return world.platform.lake.root / "audit"


def test_verification_passes_where_the_newest_checkpoint_agrees(world: World) -> None:
    _write(world, 3)
    with world.platform.database.reading() as connection:
        write_checkpoint(_folder(world), log.checkpoint_now(connection, at_us=1))
    _write(world, 1)
    assert _verified(world)["ok"] is True


def test_verification_finds_a_cut_tail_by_the_checkpoint_in_the_lake(world: World) -> None:
    _write(world, 2)
    with world.platform.database.reading() as connection:
        head = log.checkpoint_now(connection, at_us=1)
    assert _verified(world)["ok"] is True
    write_checkpoint(_folder(world), Checkpoint(sequence=head.sequence + 5, hash="0" * 64, at_us=2))
    found = _verified(world)
    assert found["ok"] is False
    assert "truncated" in found["problem"]["what"]
