"""A session is known by its token, ends by time, by hand and with its key, and every one has a token of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from trimtab.core.enums import Role
from trimtab.core.errors import PermissionDeniedError, UnknownCallerError
from trimtab.db.engine import Database
from trimtab.loop.keys import create_key, replace_key, revoke_key
from trimtab.loop.sessions import (
    Begun,
    begin_session,
    csrf_token_of,
    end_sessions,
    forget_sessions,
    list_sessions,
    open_session,
    see_session,
)

MINUTE = timedelta(minutes=1) // timedelta(microseconds=1)
HOUR = 60 * MINUTE


def key_of(database: Database, name: str, role: Role = Role.VIEWER) -> str:
    with database.transaction() as connection:
        return create_key(connection, name, role, at_us=0)


def begun(database: Database, key: str, now_us: int = 0) -> Begun:
    with database.transaction() as connection:
        return begin_session(connection, key, address="192.0.2.7", hours=12, now_us=now_us)


def goes_on(database: Database, token: str, now_us: int) -> bool:
    try:
        database.read(lambda connection: open_session(connection, token, now_us=now_us))
    except UnknownCallerError:
        return False
    return True


def test_a_session_opens_with_its_token_and_acts_as_its_keys_holder(database: Database) -> None:
    one = begun(database, key_of(database, "dana", Role.APPROVER))

    found = database.read(lambda connection: open_session(connection, one.token, now_us=MINUTE))

    assert (found.actor.name, found.actor.role) == ("dana", Role.APPROVER)
    assert not goes_on(database, one.token + "x", 0)
    assert not goes_on(database, one.session.id, 0)


def test_a_key_that_is_nobodys_begins_no_session(database: Database) -> None:
    with pytest.raises(UnknownCallerError):
        begun(database, "tt_guess")
    assert database.read(lambda connection: list_sessions(connection, now_us=0)) == []


def test_every_session_has_a_token_of_its_own(database: Database) -> None:
    key = key_of(database, "dana")
    assert len({begun(database, key).token for _ in range(5)}) == 5


def test_a_session_in_which_nothing_is_asked_ends_after_an_hour(database: Database) -> None:
    one = begun(database, key_of(database, "dana"))

    assert goes_on(database, one.token, HOUR - 1)
    assert not goes_on(database, one.token, HOUR)
    with database.transaction() as connection:
        see_session(connection, one.session.id, now_us=HOUR - 1)
    assert goes_on(database, one.token, 2 * HOUR - 2)


def test_a_session_ends_after_its_hours_however_busy_it_is(database: Database) -> None:
    one = begun(database, key_of(database, "dana"))

    with database.transaction() as connection:
        see_session(connection, one.session.id, now_us=12 * HOUR - 1)

    assert goes_on(database, one.token, 12 * HOUR - 1)
    assert not goes_on(database, one.token, 12 * HOUR)


def test_sessions_die_with_their_key_and_do_not_rise_with_a_new_one_of_its_name(database: Database) -> None:
    revoked, replaced = begun(database, key_of(database, "dana")), begun(database, key_of(database, "vera"))

    with database.transaction() as connection:
        revoke_key(connection, "dana", at_us=1)
        replace_key(connection, "vera", Role.ADMIN, at_us=1)

    assert not goes_on(database, revoked.token, 1)
    assert not goes_on(database, replaced.token, 1)
    assert database.read(lambda connection: list_sessions(connection, now_us=1)) == []
    key_of(database, "dana", Role.ADMIN)
    assert not goes_on(database, revoked.token, 1)


def test_ending_ends_one_or_those_of_a_key_or_all_and_says_which_went_on(database: Database) -> None:
    dana, vera = key_of(database, "dana"), key_of(database, "vera")
    first, second, other = begun(database, dana), begun(database, dana), begun(database, vera)

    with database.transaction() as connection:
        assert end_sessions(connection, session_id=first.session.id, now_us=1) == (first.session.id,)
        assert end_sessions(connection, session_id=first.session.id, now_us=2) == ()
        assert end_sessions(connection, name="dana", now_us=2) == (second.session.id,)
        listed = list_sessions(connection, now_us=2)
        assert [(one["name"], one["address"]) for one in listed] == [("vera", "192.0.2.7")]
        assert end_sessions(connection, now_us=3) == (other.session.id,)
    assert not any(goes_on(database, one.token, 3) for one in (first, second, other))


def test_the_csrf_token_is_the_sessions_own_and_does_not_open_it(database: Database) -> None:
    key = key_of(database, "dana")
    one, other = begun(database, key), begun(database, key)

    one.session.require_csrf(csrf_token_of(one.token))

    for wrong in ("", one.token, csrf_token_of(other.token)):
        with pytest.raises(PermissionDeniedError, match="X-CSRF-Token"):
            one.session.require_csrf(wrong)
    assert not goes_on(database, csrf_token_of(one.token), 0)


def test_sessions_that_are_long_over_are_forgotten(database: Database) -> None:
    key = key_of(database, "dana")
    begun(database, key)
    late = begun(database, key, now_us=31 * 24 * HOUR)

    with database.transaction() as connection:
        assert forget_sessions(connection, now_us=31 * 24 * HOUR) == 1
    assert goes_on(database, late.token, 31 * 24 * HOUR)
