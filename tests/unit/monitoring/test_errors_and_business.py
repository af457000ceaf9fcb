from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
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

    def requests(self, answered: int, refused: int, failed: int, **by_column: int) -> Judged:
        at_us = windows.START_US + (self.hour + 1) * HOUR_US
        return self.look(requests=RequestCounts(at_us, answered, refused, failed, by_column))

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


REFUSALS = ErrorsSettings(max_failed_share=None, max_refused_share=0.1)


def refused_for(judged: Judged) -> list[str] | None:
    """The columns that the check of refused requests names; they stand in its words as well."""
    (check,) = judged.checks
    columns: list[str] | None = check.detail.get("refused_columns")
    assert all(f" for {column}" in check.explanation for column in columns or ())
    return columns


def test_a_breach_of_refusals_names_the_columns_of_its_window_most_refused_for_first() -> None:
    watch = Watch(ErrorsMonitor(REFUSALS))
    assert refused_for(watch.requests(1000, 500, 0, bmi=500)) is None, "that was before anybody looked"
    assert refused_for(watch.requests(2000, 510, 0, bmi=500, age=10)) is None, "no breach, no name"
    judged = watch.requests(2100, 910, 0, bmi=505, age=100, sex=295)
    assert refused_for(judged) == ["sex", "age"], "five of 410 are a slip"
    assert judged.checks[0].explanation == (
        "refused_share: 410 of 1510 requests, 0.272, is above 0.1; 295 for sex, 100 for age"
    )
    for _ in range(2):
        judged = watch.requests(2100, 910, 0, bmi=505, age=100, sex=295)
        assert refused_for(judged) == ["sex", "age"], "three hours are judged together"
    assert refused_for(watch.requests(2100, 1010, 0, bmi=605, age=100, sex=295)) == ["bmi"], "the others are over"
    assert watch.state is not None
    assert {column for one in watch.state["readings"] for column in dict(*one[4:])} == {"bmi"}


def test_five_columns_are_named_and_none_where_none_is_known() -> None:
    watch = Watch(ErrorsMonitor(REFUSALS))
    watch.requests(0, 0, 0)
    assert refused_for(watch.requests(100, 700, 0, a=70, b=100, c=101, d=102, e=103, f=104)) == [
        "f",
        "e",
        "d",
        "c",
        "b",
    ]
    watch = Watch(ErrorsMonitor(REFUSALS))
    watch.requests(0, 0, 0)
    assert refused_for(watch.requests(100, 700, 0)) is None, "refused for other reasons"


def test_columns_of_a_server_that_began_anew_are_added_to_what_it_told_before() -> None:
    watch = Watch(ErrorsMonitor(REFUSALS))
    watch.requests(5000, 5000, 0, age=3000, sex=2000)
    watch.requests(5100, 5100, 0, age=3100, sex=2000)
    judged = watch.requests(50, 50, 0, sex=50)
    assert judged.checks[0].explanation.endswith("150 of 300 requests, 0.5, is above 0.1; 100 for age, 50 for sex")
    judged = watch.requests(9000, 8000, 0, age=10, sex=7000)
    assert judged.checks[0].explanation.endswith("; 7000 for sex"), "age: 110 of 8100"
    judged = watch.requests(19_000, 18_000, 0, age=5000, sex=4000)
    assert judged.checks[0].explanation.endswith("; 11000 for sex, 5000 for age"), "sex has fallen, though no sum has"


def test_a_state_from_before_columns_were_counted_is_read_on() -> None:
    watch = Watch(ErrorsMonitor(REFUSALS))
    at_us = windows.START_US
    watch.state = {"counts": [100, 100, 0], "readings": [[at_us - 1, 0, 0, 0], [at_us, 100, 100, 0]]}
    judged = watch.requests(100, 300, 0, age=250)
    assert judged.checks[0].value == pytest.approx(3 / 4)
    assert refused_for(judged) is None, "nobody knows whether those were of this window"
    assert refused_for(watch.requests(100, 500, 0, age=450)) == ["age"]
    watch.state = {"counts": [100, 100, 0], "readings": [[at_us - 1, 0, 0, 0], [at_us, 100, 100, 0]]}
    assert refused_for(watch.requests(90, 300, 0, age=250)) == ["age"], "it began anew, so that they are"


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.dictionaries(st.sampled_from("abc"), st.integers(0, 50)), st.booleans()),
        min_size=2,
        max_size=12,
    )
)
def test_what_is_named_is_what_came_in_the_window_however_often_counting_begins_anew(
    hours: list[tuple[int, dict[str, int], bool]],
) -> None:
    watch = Watch(ErrorsMonitor(ErrorsSettings(max_failed_share=None, max_refused_share=0.0, min_rows=1)))
    sums, answered = Counter[str](), 0
    came: list[Counter[str]] = []
    for fine, by_column, anew in hours:
        if anew:
            # More than nothing was told before, and less is told now: so it is seen.
            watch.requests(answered + 1000, sums.total(), 0, **sums)
            came.append(Counter())
            sums, answered = Counter(), 0
        sums.update(by_column)
        answered += fine
        came.append(Counter(by_column))
        judged = watch.requests(answered, sums.total(), 0, **sums)
        # The first look only begins to count; windows are of three hours.
        window = sum(came[1:][-3:], Counter[str]())
        if judged.checks[0].verdict is Verdict.BREACH:
            named = [column for column, count in window.items() if count and 10 * count >= window.total()]
            assert refused_for(judged) == sorted(named, key=lambda one: (-window[one], one))


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
    assert len(json.dumps(state)) < 20_000
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
