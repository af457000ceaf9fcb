"""Ids rise, clocks and canonical JSON round-trip, roles reach as far as they should."""

import json
import threading
import uuid
from datetime import UTC, datetime, timedelta, timezone
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.core.canonical import canonical_json, digest_of
from trimtab.core.clock import ManualClock, SystemClock, from_micros, to_micros
from trimtab.core.enums import ColumnKind, Role, Severity, Task
from trimtab.core.errors import ConfigError, NotFoundError, TrimtabError
from trimtab.core.ids import IdFactory, new_id

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(times=st.lists(st.integers(0, 2**48 - 1), min_size=1, max_size=40), fill=st.integers(0, 255))
def test_ids_rise_strictly_whatever_the_clock_does(times: list[int], fill: int) -> None:
    clock = iter(times)
    ids = IdFactory(now_ms=lambda: next(clock), random_bytes=lambda n: bytes([fill]) * n)
    made = [ids() for _ in times]
    assert made == sorted(set(made))
    for text in made:
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 7, uuid.RFC_4122)


def test_an_id_begins_with_its_time() -> None:
    made = uuid.UUID(IdFactory(now_ms=lambda: 1_700_000_000_123)())
    assert made.int >> 80 == 1_700_000_000_123


def test_threads_never_share_an_id() -> None:
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(2_000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 8_000


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))])))
def test_a_moment_is_the_same_after_micros_and_back(moment: datetime) -> None:
    back = from_micros(to_micros(moment))
    assert back == moment
    assert back.tzinfo is UTC


def test_a_moment_without_timezone_is_refused() -> None:
    with pytest.raises(ValueError, match="no timezone"):
        to_micros(datetime(2030, 1, 1))  # noqa: DTZ001 - that is the point


def test_clocks_speak_utc() -> None:
    clock = ManualClock(datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert (clock.now(), clock.now().tzinfo) == (datetime(2030, 1, 1, tzinfo=UTC), UTC)
    assert SystemClock().now().tzinfo is UTC


@given(_json)
def test_canonical_json_keeps_the_value_and_is_its_own_canon(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(max_size=6), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_change_a_digest(value: dict[str, int]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(value.items())))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), [float("-inf")]])
def test_what_json_has_no_word_for_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical_json(bad)


_REACHES = {
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
    Role.APPROVER: {Role.VIEWER, Role.OPERATOR, Role.APPROVER},
    Role.ADMIN: {Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN, Role.SERVICE},
    Role.SERVICE: {Role.SERVICE},
}


@pytest.mark.parametrize(("has", "needed"), list(product(Role, Role)))
def test_a_role_reaches_what_its_row_says(has: Role, needed: Role) -> None:
    assert has.reaches(needed) is (needed in _REACHES[has])


def test_severities_are_ordered_and_tasks_and_kinds_know_themselves() -> None:
    assert [severity.rank for severity in Severity] == [0, 1, 2, 3]
    assert [task.is_classification for task in Task] == [True, True, False]
    assert {kind for kind in ColumnKind if kind.is_numeric} == {
        ColumnKind.NUMBER,
        ColumnKind.INTEGER,
        ColumnKind.BOOLEAN,
    }


def test_our_errors_are_also_what_python_programs_expect() -> None:
    assert issubclass(ConfigError, ValueError)
    assert issubclass(NotFoundError, LookupError)
    assert all(issubclass(error, TrimtabError) for error in (ConfigError, NotFoundError))
