"""A key is known by its hash, until it is revoked; one name has one key at a time."""

from __future__ import annotations

import pytest

from trimtab.core.enums import Role
from trimtab.core.errors import ConflictError, UnknownCallerError
from trimtab.db.engine import Database
from trimtab.loop.keys import authenticate, create_key, list_keys, other_approvers, replace_key, revoke_key


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
        assert (other_approvers(connection, "local-admin"), other_approvers(connection, "nobody")) == (1, 2)
