"""What a lane was at when it was taken over is not written, also when it has got its lease back since."""

from __future__ import annotations

import pytest
from sqlalchemy import func, insert, select

from trimtab.core.errors import ConflictError
from trimtab.db import leases
from trimtab.db.engine import Database
from trimtab.db.tables import schedule_run
from trimtab.loop.fencing import Fence

_S = 1_000_000


def _acquire(database: Database, holder: str, at_s: int) -> leases.Lease | None:
    with database.transaction() as connection:
        return leases.acquire(connection, "lane:data", holder, machine_us=at_s * _S, ttl_s=8)


def _write(database: Database, name: str) -> None:
    with database.transaction() as connection:
        connection.execute(insert(schedule_run).values(name=name, last_us=0))


def _written(database: Database) -> int:
    return database.read(lambda c: c.execute(select(func.count()).select_from(schedule_run)).scalar_one())


def test_a_turn_writes_while_its_lease_is_renewed_and_nothing_outside_of_a_turn(database: Database) -> None:
    fence = Fence()
    guarded = database.fenced(fence.check)
    with pytest.raises(ConflictError, match="without its lease"):
        _write(guarded, "never")
    fence.renewed(_acquire(database, "a", 0))
    with fence.turn():
        _write(guarded, "one")
        fence.renewed(_acquire(database, "a", 7))
        _write(guarded, "two")
    with pytest.raises(ConflictError, match="without its lease"):
        _write(guarded, "never")
    assert _written(database) == 2


def test_a_turn_that_was_overtaken_writes_nothing(database: Database) -> None:
    fence = Fence()
    guarded = database.fenced(fence.check)
    fence.renewed(_acquire(database, "a", 0))
    with fence.turn():
        assert _acquire(database, "b", 9) is not None
        with pytest.raises(ConflictError, match="token 1 was replaced by 2; nothing was written"):
            _write(guarded, "late")
    assert _written(database) == 0


def test_a_turn_that_was_overtaken_writes_nothing_after_its_process_has_the_lease_again(database: Database) -> None:
    fence = Fence()
    guarded = database.fenced(fence.check)
    fence.renewed(_acquire(database, "a", 0))
    with fence.turn():
        assert _acquire(database, "b", 9) is not None
        fence.renewed(_acquire(database, "a", 20))
        with pytest.raises(ConflictError, match="token 1 was replaced by 3"):
            _write(guarded, "late")
    with fence.turn():
        _write(guarded, "anew")
    assert _written(database) == 1
