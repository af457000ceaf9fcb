from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError
from tests.unit.monitoring import windows

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Verdict
from trimtab.monitoring.base import Judged
from trimtab.monitoring.business import BusinessMonitor, BusinessSettings
from trimtab.monitoring.check import Window
from trimtab.monitoring.errors import ErrorsMonitor, ErrorsSettings
from trimtab.monitoring.requests import RequestCounts
from trimtab.monitoring.sources import NumberReading
from trimtab.monitoring.window import WindowData

HOUR_US = 60 * windows.MINUTE_US
SOURCE = {"type": "sql", "url": "sqlite:///shop.db", "query": "SELECT 1"}


def hour(number: int, **more: object) -> WindowData:
    """The window of three hours that ends with hour ``number``."""
    end_us = windows.START_US + number * HOUR_US
    return replace(windows.window_of({}), window=Window(end_us - 3 * HOUR_US, end_us), **more)  # type: ignore[arg-type]


class Watch:
    """A monitor that is given its state again each hour, as it comes back from the database."""

    def __init__(self, monitor: ErrorsMonitor | BusinessMonitor) -> None:
        self.monitor = monitor
        self.state: JsonObject | None = None
        self.hour = 0

    def look(self, **more: object) -> Judged:
        self.hour += 1
        judged = self.monitor.check(hour(self.hour, state=self.state, **more))
        if judged.state is not None:
            self.state = json.loads(json.dumps(judged.state))
        return judged

    def requests(self, answered: int, refused: int, failed: int) -> Judged:
        at_us = windows.START_US + (self.hour + 1) * HOUR_US
        return self.look(requests=RequestCounts(at_us, answered, refused, failed))

    def number(self, value: float | None) -> Judged:
        return self.look(numbers={"business": NumberReading(value)})


def verdicts(judged: Judged) -> list[Verdict]:
    return [check.verdict for check in judged.checks]


def test_what_failed_since_the_window_began_is_held_against_the_limit() -> None:
    watch = Watch(ErrorsMonitor(ErrorsSettings(max_failed_share=0.01, max_refused_share=0.1)))
    assert verdicts(watch.requests(900, 0, 100)) == [Verdict.INCONCLUSIVE] * 2, "that was before anybody looked"
    assert verdicts(watch.requests(1900, 0, 100)) == [Verdict.OK] * 2
    judged = watch.requests(2800, 0, 200)
    assert verdicts(judged) == [Verdict.BREACH, Verdict.OK]
    assert judged.checks[0].value == pytest.approx(100 / 2000)
    for _ in range(2):
        judged = watch.requests(2800, 0, 200)
        assert verdicts(judged)[0] is Verdict.BREACH, "three hours are judged together"
    assert verdicts(watch.requests(4800, 500, 200)) == [Verdict.OK, Verdict.BREACH], "the failures are three hours old"


def test_a_server_that_began_anew_takes_nothing_back() -> None:
    watch = Watch(ErrorsMonitor(ErrorsSettings()))
    watch.requests(10_000, 0, 50)
    watch.requests(11_000, 0, 50)
    judged = watch.requests(100, 0, 0)
    assert judged.checks[0].detail["requests"] == 1100
    assert verdicts(judged) == [Verdict.OK]


def test_one_failure_of_a_few_requests_is_no_breach_and_no_answer_keeps_what_was_known() -> None:
    watch = Watch(ErrorsMonitor(ErrorsSettings()))
    watch.requests(0, 0, 0)
    assert verdicts(watch.requests(49, 0, 1)) == [Verdict.INCONCLUSIVE], "2 % of 50 is not surely more than 1 %"
    before = watch.state
    assert verdicts(watch.look()) == [Verdict.INCONCLUSIVE]
    assert watch.state == before
    assert verdicts(watch.requests(9049, 0, 1)) == [Verdict.OK]


def test_what_is_remembered_of_requests_stays_small() -> None:
    monitor, state = ErrorsMonitor(ErrorsSettings()), None
    for second in range(3000):
        at_us = windows.START_US + second * 1_000_000
        data = replace(hour(0), window=Window(at_us - 1_000_000_000, at_us), state=state)
        state = monitor.check(replace(data, requests=RequestCounts(at_us, second, 0, 0))).state
    assert state is not None
    assert len(state["readings"]) <= 401
    judged = monitor.check(replace(data, requests=RequestCounts(at_us + 1, 3000, 0, 0), state=state))
    assert 995 <= judged.checks[0].detail["requests"] <= 1010


@pytest.mark.parametrize(
    ("limits", "value", "verdict"),
    [
        ({"at_least": 10.0}, 10.0, Verdict.OK),
        ({"at_least": 10.0}, 9.0, Verdict.BREACH),
        ({"at_most": 0.0}, 0.1, Verdict.BREACH),
        ({"at_least": 1.0, "at_most": 2.0}, 1.5, Verdict.OK),
        ({"max_change": 0.5}, 7.0, Verdict.INCONCLUSIVE),
        ({"at_least": 1.0}, None, Verdict.INCONCLUSIVE),
    ],
)
def test_a_business_number_is_held_against_its_limits(
    limits: dict[str, float], value: float | None, verdict: Verdict
) -> None:
    monitor = BusinessMonitor(BusinessSettings.model_validate({"source": SOURCE, **limits}))
    assert verdicts(Watch(monitor).number(value)) == [verdict]


def test_what_is_usual_is_learnt_from_windows_apart_and_not_from_breaches() -> None:
    watch = Watch(BusinessMonitor(BusinessSettings.model_validate({"source": SOURCE, "max_change": 0.3})))
    said = [verdicts(watch.number(100.0))[0] for _ in range(15)]
    assert said == [Verdict.INCONCLUSIVE] * 13 + [Verdict.OK] * 2, "windows of three hours, five of them apart"
    for _ in range(20):
        assert verdicts(watch.number(60.0)) == [Verdict.BREACH], "what has gone wrong does not become the usual"
    assert verdicts(watch.number(80.0)) == [Verdict.OK]


def test_another_level_that_has_lasted_as_long_as_is_remembered_is_taken_as_usual_and_that_is_told_once() -> None:
    settings = {"source": SOURCE, "max_change": 0.3, "at_most": 500.0}
    watch = Watch(BusinessMonitor(BusinessSettings.model_validate(settings)))
    for _ in range(15):
        watch.number(100.0)
    told = [watch.number(200.0 + place % 5) for place in range(95)]
    taken = [place for place, one in enumerate(told) if "taken as usual" in one.checks[0].explanation]
    assert taken == [3 * 29], "windows of three hours, thirty of them apart"
    assert {one.checks[0].verdict for one in told[: taken[0]]} == {Verdict.BREACH}
    assert {one.checks[0].verdict for one in told[taken[0] :]} == {Verdict.OK}
    assert verdicts(watch.number(100.0)) == [Verdict.BREACH], "as it was is now what has changed"
    for _ in range(120):
        assert verdicts(watch.number(600.0)) == [Verdict.BREACH], "a limit of its own holds whatever is usual"
    for place in range(120):
        assert verdicts(watch.number(450.0 if place % 2 else 20.0)) == [Verdict.BREACH], "that is no level"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"source": SOURCE}, "none of at_least, at_most and max_change"),
        ({"source": SOURCE, "at_least": 2, "at_most": 1}, "at_least is greater"),
        ({"source": {**SOURCE, "url": "postgresql://reader:secret@db/shop"}, "at_least": 1}, "holds a password"),
        ({"source": {**SOURCE, "url": "mysql://db/shop"}, "at_least": 1}, "url"),
        ({"source": {**SOURCE, "timeout": "2h"}, "at_least": 1}, "at most 60s"),
        ({"source": {"type": "promql", "url": "file:///etc/passwd", "query": "up"}, "at_least": 1}, "url"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        BusinessSettings.model_validate(given)
    BusinessSettings.model_validate({"source": {**SOURCE, "url": "postgresql://reader:${SHOP}@db/shop"}, "at_least": 1})


def test_errors_need_a_limit() -> None:
    with pytest.raises(ValidationError, match="state a limit"):
        ErrorsSettings(max_failed_share=None)
