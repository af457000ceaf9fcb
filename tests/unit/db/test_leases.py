"""One holder at a time; who was overtaken is told."""

import pytest

from trimtab.core.errors import ConflictError
from trimtab.db.engine import Database
from trimtab.db.leases import acquire, hold, release

_S = 1_000_000


def test_a_lease_has_one_holder_until_it_runs_out(database: Database) -> None:
    with database.transaction() as connection:
        first = acquire(connection, "conductor", "a", machine_us=0, ttl_s=10)
        assert first is not None
        assert acquire(connection, "conductor", "b", machine_us=10 * _S, ttl_s=10) is None
        assert acquire(connection, "projector", "b", machine_us=0, ttl_s=10) is not None
        second = acquire(connection, "conductor", "b", machine_us=10 * _S + 1, ttl_s=10)
    assert second is not None
    assert second.token == first.token + 1


def test_extending_keeps_the_token_and_the_time_counts_anew(database: Database) -> None:
    with database.transaction() as connection:
        first = acquire(connection, "conductor", "a", machine_us=0, ttl_s=10)
        assert acquire(connection, "conductor", "a", machine_us=9 * _S, ttl_s=10) == first
        assert acquire(connection, "conductor", "b", machine_us=15 * _S, ttl_s=10) is None


def test_a_holder_that_was_overtaken_can_write_nothing(database: Database) -> None:
    with database.transaction() as connection:
        old = acquire(connection, "conductor", "a", machine_us=0, ttl_s=10)
        assert old is not None
        hold(connection, old)
        new = acquire(connection, "conductor", "b", machine_us=11 * _S, ttl_s=10)
        assert new is not None
        with pytest.raises(ConflictError, match="token 1 was replaced by 2; nothing was written"):
            hold(connection, old)
        release(connection, old)
        hold(connection, new)
        assert acquire(connection, "conductor", "a", machine_us=12 * _S, ttl_s=10) is None


def test_one_who_let_their_own_lease_run_out_gets_a_new_token(database: Database) -> None:
    with database.transaction() as connection:
        first = acquire(connection, "conductor", "a", machine_us=0, ttl_s=10)
        second = acquire(connection, "conductor", "a", machine_us=60 * _S, ttl_s=10)
        assert first is not None
        assert second is not None
        with pytest.raises(ConflictError):
            hold(connection, first)


def test_a_lease_given_back_is_free_at_once(database: Database) -> None:
    with database.transaction() as connection:
        first = acquire(connection, "conductor", "a", machine_us=0, ttl_s=10)
        assert first is not None
        release(connection, first)
        assert acquire(connection, "conductor", "b", machine_us=1, ttl_s=10) is not None
