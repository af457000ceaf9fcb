from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.unit.monitoring.windows import checks_of, patients, window_of

from trimtab.core.enums import Verdict
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Database
from trimtab.monitoring.check import Check
from trimtab.monitoring.settings import MonitoringConfig
from trimtab.monitoring.store import StoredCheck, recent_checks, run_checks, save_checks

NOW = datetime(2030, 1, 1, tzinfo=UTC)
CONFIG = MonitoringConfig.model_validate(
    {"window": "1d", "monitors": [{"type": "data_drift"}, {"type": "data_quality"}]}
)


def told(found: list[StoredCheck]) -> list[Check]:
    return [one.check for one in found]


def test_checks_read_back_as_they_were_newest_run_first(database: Database) -> None:
    ids = IdFactory()
    first = checks_of(CONFIG, window_of(patients(60, seed=1)))
    second = checks_of(CONFIG, window_of({}))
    with database.transaction() as connection:
        run_id = save_checks(connection, first, at=NOW, ids=ids)
        save_checks(connection, second, at=NOW + timedelta(hours=1), ids=ids)
    with database.reading() as connection:
        assert told(recent_checks(connection, "heart")) == [*second, *first]
        assert told(recent_checks(connection, "heart", 2)) == list(second[:2])
        assert run_checks(connection, run_id) == list(first)
        assert recent_checks(connection, "other") == []
        ok = recent_checks(connection, "heart", monitor="data_drift", verdict=Verdict.OK, endpoint="heart")
        assert told(ok) == [check for check in first if check.kind == "data_drift"]
        assert {one.at_us for one in ok} == {int(NOW.timestamp()) * 1_000_000}
        since = int((NOW + timedelta(minutes=1)).timestamp()) * 1_000_000
        assert told(recent_checks(connection, "heart", since_us=since)) == list(second)
        assert told(recent_checks(connection, "heart", until_us=since)) == list(first)


def test_pages_of_checks_are_those_of_the_whole_list_in_its_order(database: Database) -> None:
    ids = IdFactory()
    with database.transaction() as connection:
        for hour in range(2):
            checks = checks_of(CONFIG, window_of(patients(60, seed=hour)))
            for _ in range(2):
                save_checks(connection, checks, at=NOW + timedelta(hours=hour), ids=ids)
    with database.reading() as connection:
        whole = recent_checks(connection, "heart", None)
        for limit in (1, 3, 7):
            cut: list[StoredCheck] = []
            while page := recent_checks(connection, "heart", limit, after=cut[-1].place if cut else None):
                cut += page
            assert cut == whole


def test_a_run_is_stored_once(database: Database) -> None:
    checks = checks_of(CONFIG, window_of(patients(60, seed=1)))
    for _ in range(2):
        with database.transaction() as connection:
            save_checks(connection, checks, at=NOW, ids=IdFactory(), run_id="run-1")
    with database.reading() as connection:
        assert run_checks(connection, "run-1") == list(checks)
