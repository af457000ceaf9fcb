from __future__ import annotations

import pytest

from trimtab.audit.log import show
from trimtab.core.errors import BackendError
from trimtab.db.engine import Connection, Database
from trimtab.loop.refusals import Refusals


def test_many_addresses_fill_neither_memory_nor_the_log(database: Database) -> None:
    refusals = Refusals()
    for number in range(1_000):
        refusals.count(f"192.0.2.{number}")
    refusals.count("192.0.2.0")

    assert refusals.tell(database, at_us=1)

    [told] = database.read(lambda connection: show(connection))
    addresses = told.spec["detail"]["addresses"]
    assert len(addresses) == 21
    assert (addresses["others"], addresses["192.0.2.0"]) == (980, 2)
    assert told.spec["detail"]["attempts"] == 1_001


def test_what_could_not_be_written_is_told_the_next_time(database: Database) -> None:
    def busy(_connection: Connection) -> None:
        raise BackendError("database: stayed locked")

    refusals = Refusals()
    for address in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
        refusals.count(address)
    with pytest.raises(BackendError):
        refusals.tell(database.fenced(busy), at_us=1)
    refusals.count("192.0.2.7")

    assert refusals.tell(database, at_us=2)

    [told] = database.read(lambda connection: show(connection))
    assert told.spec["detail"] == {"attempts": 4, "addresses": {"192.0.2.7": 3, "192.0.2.8": 1}}
