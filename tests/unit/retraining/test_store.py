from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from trimtab.core.clock import to_micros
from trimtab.db.engine import Connection, Database
from trimtab.retraining.conditions import Firing
from trimtab.retraining.facts import Explanation
from trimtab.retraining.store import last_retrain_us, recent_events, save_firing

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TREE = Explanation("any", True, "b", children=(Explanation("age", True, "b", "40d", "30d"),))


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.transaction() as opened:
        yield opened


def firing(hour: int, *, fired: bool = True, model: str = "bikes") -> Firing:
    return Firing(model, NOW + timedelta(hours=hour), fired, "because", TREE)


def test_evaluations_come_back_newest_first_with_their_tree(connection: Connection) -> None:
    save_firing(connection, "e1", firing(0))
    save_firing(connection, "e2", firing(1, fired=False))
    save_firing(connection, "e3", firing(2, model="other"))
    assert [(event.id, event.firing) for event in recent_events(connection, "bikes")] == [
        ("e2", firing(1, fired=False)),
        ("e1", firing(0)),
    ]
    assert [event.id for event in recent_events(connection, "bikes", fired_only=True)] == ["e1"]


def test_the_last_retraining_is_the_last_firing_that_led_to_an_action(connection: Connection) -> None:
    assert last_retrain_us(connection, "bikes") is None
    save_firing(connection, "e1", firing(0), action_id="a1")
    save_firing(connection, "e2", firing(1))
    assert last_retrain_us(connection, "bikes") == to_micros(NOW)
    save_firing(connection, "e3", firing(2), action_id="a2")
    assert last_retrain_us(connection, "bikes") == to_micros(NOW + timedelta(hours=2))
    assert recent_events(connection, "bikes")[0].action_id == "a2"
