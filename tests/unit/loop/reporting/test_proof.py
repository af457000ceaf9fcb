"""A report says no more of the audit log than was found: against which checkpoints, and which entries tell of it."""

from __future__ import annotations

from pathlib import Path

from tests.unit.audit.forging import cut, disarm, set_head
from tests.unit.loop.projects import World, make_world

from trimtab.audit.log import append
from trimtab.loop.checkpoints import Checkpoints
from trimtab.loop.reporting.proof import proof_of, witnesses_of
from trimtab.reports.evidence import AuditProof

_SUBJECT = "version:tiny/1"


def tell(world: World, times: int) -> None:
    with world.platform.database.transaction() as connection:
        for _ in range(times):
            append(connection, at_us=world.platform.now_us(), actor="dana", action="seen", subject=_SUBJECT)


def proof(world: World) -> AuditProof:
    witnesses = witnesses_of(world.platform)
    with world.platform.database.reading() as connection:
        return proof_of(connection, [_SUBJECT], witnesses)


def test_a_chain_without_signed_checkpoints_is_called_consistent_and_no_more(world: World) -> None:
    tell(world, 3)
    found = proof(world)
    assert (found.verified, found.signed) == (True, 0)
    assert "consistent in itself" in found.verdict


def test_all_entries_are_told_however_many_there_are(world: World) -> None:
    tell(world, 150)
    assert proof(world).ranges == "1–150"


def test_a_log_whose_end_was_cut_off_does_not_verify(world: World) -> None:
    tell(world, 5)
    assert Checkpoints(world.platform).write()
    assert proof(world).verdict == "agrees with 1 signed checkpoint"
    with world.platform.database.transaction() as connection:
        disarm(connection)
        set_head(connection, 3)
        cut(connection, 3)
    assert proof(world).verified is False


def test_a_report_is_made_though_nothing_can_be_asked_about_the_log(tmp_path: Path) -> None:
    settings = "project: tiny\naudit: {trusted_keys: [gone.pem]}\n"
    world = make_world(tmp_path / "project", trimtab=settings)
    tell(world, 2)
    found = proof(world)
    assert (found.verified, found.ranges) == (None, "1–2")
    world.platform.database.close()
