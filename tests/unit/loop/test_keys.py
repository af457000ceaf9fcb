"""A key is known by its hash, until it is revoked or expires; one name has one key, and one person may have several."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError, NotFoundError, TrimtabError, UnknownCallerError
from trimtab.db.engine import Connection, Database, machine_us
from trimtab.db.tables import api_key
from trimtab.loop.keys import (
    LOCAL_ADMIN,
    approvers,
    authenticate,
    create_key,
    holder_of,
    list_keys,
    own_key,
    owner_here,
    person_named,
    recognised,
    replace_key,
    revoke_key,
)

_DAY_US = 86_400_000_000


def test_a_key_is_known_until_it_is_revoked_and_its_name_is_free_then(database: Database) -> None:
    with database.transaction() as connection:
        key = create_key(connection, "dana", Role.APPROVER, at_us=1)
        assert authenticate(connection, key).role is Role.APPROVER
        with pytest.raises(ConflictError, match="exists already"):
            create_key(connection, "dana", Role.ADMIN, at_us=2)
        revoke_key(connection, "dana", at_us=3)
        with pytest.raises(UnknownCallerError):
            authenticate(connection, key)
        again = create_key(connection, "dana", Role.OPERATOR, at_us=4)
    assert database.read(lambda c: authenticate(c, again)).role is Role.OPERATOR
    assert [row["name"] for row in database.read(list_keys)] == ["dana"]


def test_a_key_that_is_replaced_is_of_no_use_and_the_others_stay(database: Database) -> None:
    with database.transaction() as connection:
        first = replace_key(connection, "local-admin", Role.ADMIN, at_us=1)
        other = create_key(connection, "vera", Role.APPROVER, at_us=1)
        second = replace_key(connection, "local-admin", Role.ADMIN, at_us=2)
        with pytest.raises(UnknownCallerError):
            authenticate(connection, first)
        assert authenticate(connection, second).name == "local-admin"
        assert authenticate(connection, other).name == "vera"
        assert approvers(connection, Role.APPROVER) == {"local-admin", "vera"}


def test_the_keys_of_one_person_are_one_approver(database: Database) -> None:
    with database.transaction() as connection:
        create_key(connection, "dana", Role.VIEWER, at_us=1)
        create_key(connection, "dana-laptop", Role.APPROVER, at_us=1, owner="dana")
        create_key(connection, "dana-phone", Role.APPROVER, at_us=1, owner="dana", created_by="local-admin")
        create_key(connection, "root-of-dana", Role.ADMIN, at_us=1, owner="dana")
        assert approvers(connection, Role.APPROVER) == approvers(connection, Role.ADMIN) == {"dana"}
        revoke_key(connection, "root-of-dana", at_us=2)
        dana, nobody = person_named(connection, "dana"), person_named(connection, "dana-laptop")
        assert dana is not None
        assert (dana.role, nobody) == (Role.APPROVER, None)
        listed = {row["name"]: (row["owner"], row["created_by"]) for row in list_keys(connection)}
    assert listed["dana-phone"] == ("dana", "local-admin")


def test_an_expired_key_is_nobodys_and_approves_nothing(database: Database) -> None:
    with database.transaction() as connection:
        key = create_key(connection, "temp", Role.APPROVER, at_us=1, expires_us=machine_us() + 3_600_000_000)
        assert authenticate(connection, key).name == "temp"
        key_id = str(connection.execute(api_key.select()).one().id)
        _age(connection, 2 * 3_600_000_000)
        with pytest.raises(UnknownCallerError, match="expired"):
            authenticate(connection, key)
        assert approvers(connection, Role.VIEWER) == set()
        assert (holder_of(connection, key_id), person_named(connection, "temp")) == (None, None)


def _age(connection: Connection, by_us: int) -> None:
    connection.execute(update(api_key).values(expires_us=api_key.c.expires_us - by_us))


def test_a_key_remembers_the_day_it_was_last_used(database: Database) -> None:
    with database.transaction() as connection:
        key = create_key(connection, "dana", Role.APPROVER, at_us=1)
    days = {machine_us() // _DAY_US}
    assert recognised(database, key).name == "dana"
    days.add(machine_us() // _DAY_US)
    [row] = database.read(list_keys)
    used_us = row["last_used_us"]
    assert isinstance(used_us, int)
    assert (used_us % _DAY_US, used_us // _DAY_US in days) == (0, True)


def test_whose_this_machines_key_is_an_admin_says_and_it_stays_said(database: Database) -> None:
    with database.transaction() as connection:
        assert owner_here(connection) == LOCAL_ADMIN
        replace_key(connection, LOCAL_ADMIN, Role.ADMIN, at_us=1)
        assert owner_here(connection) == LOCAL_ADMIN
        assert own_key(connection, LOCAL_ADMIN, "ann") == LOCAL_ADMIN
        key = replace_key(connection, LOCAL_ADMIN, Role.ADMIN, at_us=2)
        assert (owner_here(connection), authenticate(connection, key).who) == ("ann", "ann")


@pytest.mark.parametrize(
    ("name", "owner", "error"),
    [
        ("dana", "policy", ConflictError),
        ("dana", "simulation", ConflictError),
        ("dana", LOCAL_ADMIN, ConflictError),
        ("emil", "ann", NotFoundError),
    ],
)
def test_no_key_is_held_by_a_part_of_the_platform(
    database: Database, name: str, owner: str, error: type[TrimtabError]
) -> None:
    with database.transaction() as connection:
        create_key(connection, "dana", Role.APPROVER, at_us=1)
        with pytest.raises(error):
            own_key(connection, name, owner)
        with pytest.raises(ConflictError, match="parts of the platform"):
            create_key(connection, "link", Role.APPROVER, at_us=1)
