"""What is asked several times a second is found by an index: a scan would get slower with every row ever written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection

from trimtab.config.notifications import NotificationRoute
from trimtab.db.dead_deliveries import dead_deliveries
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.db.outbox import Outbox
from trimtab.lake.deliveries import received
from trimtab.lake.profile_store import load_profiles
from trimtab.notify.due import claim, due_routes
from trimtab.remediation.store import list_alerts

_OUTBOX = Outbox({"drift": ("remediation",)})


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An embedded database; its planner says what it would do without a row."""
    database = Database.at(tmp_path_factory.mktemp("hot") / "trimtab.db")
    upgrade(database)
    yield database
    database.close()


_ASKED: dict[str, Callable[[Connection], object]] = {
    "events that are due": lambda c: _OUTBOX.has_due(c, "remediation", machine_us=1),
    "who has events that are due": lambda c: _OUTBOX.who_has_due(c, ("remediation", "triggers"), machine_us=1),
    "the next event": lambda c: _OUTBOX.claim(c, "remediation", machine_us=1, lease_s=1.0),
    "dead deliveries": dead_deliveries,
    "routes with a message": lambda c: due_routes(c, machine_us=1),
    "the next message to a person": lambda c: claim(
        c, NotificationRoute(name="log", url="log://"), machine_us=1, lease_s=1.0
    ),
    "profiles of a window": lambda c: load_profiles(c, "heart", start_us=0, end_us=1),
    "alerts of a case": lambda c: list_alerts(c, incident_id="i1"),
    "deliveries that wait": received,
}


@pytest.mark.parametrize("what", _ASKED)
def test_what_is_asked_often_is_found_by_an_index(database: Database, what: str) -> None:
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        asked.append((statement, parameters))

    with database.transaction() as connection:
        event.listen(connection, "before_cursor_execute", note)
        _ASKED[what](connection)
        event.remove(connection, "before_cursor_execute", note)
        assert asked
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            scans = [step.detail for step in plan if step.detail.startswith("SCAN") and "INDEX" not in step.detail]
            assert scans == [], statement
