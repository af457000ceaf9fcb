"""What was judged of a rollout comes back as it was stored, and nobody overwrites what they did not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.rollout.rollouts import START, spec

from trimtab.core.clock import to_micros
from trimtab.core.enums import Verdict
from trimtab.core.errors import ConflictError
from trimtab.db.engine import Connection, Database
from trimtab.rollout.analysis_store import Analysis, Look, list_looks, load_analysis, save_analysis
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import create_rollout

NOW_US = to_micros(START)
LOOK = Look(NOW_US, 5, 0, Phase.CANARY, Verdict.INCONCLUSIVE, {"evidence": []})


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.transaction() as opened:
        create_rollout(opened, "r1", spec(), now_us=NOW_US)
        yield opened


def test_looks_are_numbered_and_come_back_oldest_first(connection: Connection) -> None:
    known = load_analysis(connection, "r1")
    assert known == Analysis("r1")
    for second in range(3):
        look = replace(LOOK, at_us=NOW_US + second, verdict=None if second else Verdict.OK)
        known = save_analysis(connection, known, {"counted": second}, look, at_us=look.at_us)
    assert load_analysis(connection, "r1") == known
    assert (known.content, known.looks, known.updated_us) == ({"counted": 2}, 3, NOW_US + 2)
    looks = list_looks(connection, "r1")
    assert [(look.sequence, look.verdict) for look in looks] == [(1, Verdict.OK), (2, None), (3, None)]
    assert looks[0] == replace(LOOK, verdict=Verdict.OK, sequence=1)
    assert [look.sequence for look in list_looks(connection, "r1", after=2)] == [3]
    assert list_looks(connection, "other") == []


def test_what_was_counted_is_kept_between_looks(connection: Connection) -> None:
    first = save_analysis(connection, Analysis("r1"), {"counted": 1}, LOOK, at_us=NOW_US)
    save_analysis(connection, first, {"counted": 2}, None, at_us=NOW_US + 5)
    assert load_analysis(connection, "r1").content == {"counted": 2}
    assert len(list_looks(connection, "r1")) == 1


def test_whoever_read_an_older_analysis_cannot_store_theirs(connection: Connection) -> None:
    first = save_analysis(connection, Analysis("r1"), {"counted": 1}, LOOK, at_us=NOW_US)
    save_analysis(connection, first, {"counted": 2}, LOOK, at_us=NOW_US)
    with pytest.raises(ConflictError, match="somebody else looked since look 1; look again"):
        save_analysis(connection, first, {"counted": 9}, LOOK, at_us=NOW_US)
    assert load_analysis(connection, "r1").content == {"counted": 2}


def test_of_two_first_looks_one_is_stored(database: Database) -> None:
    with database.transaction() as connection:
        create_rollout(connection, "r1", spec(), now_us=NOW_US)
        save_analysis(connection, Analysis("r1"), {"counted": 1}, LOOK, at_us=NOW_US)
    with database.transaction() as connection, pytest.raises(ConflictError, match="look again"):
        save_analysis(connection, Analysis("r1"), {"counted": 9}, LOOK, at_us=NOW_US)
    assert database.read(lambda c: load_analysis(c, "r1")).content == {"counted": 1}
