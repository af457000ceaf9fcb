"""What a case keeps of others' alerts is bounded, whatever a storm brings, and loses none of their ends."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.remediation.cases import BREACH, NOW_US, OK, check

from trimtab.core.enums import Severity
from trimtab.monitoring.check import Check
from trimtab.remediation.external import OutsideAlert, check_of
from trimtab.remediation.joined import MOST_FROM_OUTSIDE, Joined, joined, mark_of, opened_again
from trimtab.remediation.signals import key_of


def fired(number: int, severity: Severity = Severity.MEDIUM) -> Check:
    alert = OutsideAlert("Slow", f"f{number}", True, NOW_US + number, None, endpoint="heart", severity=severity)
    return check_of(alert, model="heart", endpoint="heart")


def ended(number: int) -> Check:
    alert = OutsideAlert("Slow", f"f{number}", False, NOW_US + number, NOW_US + 10_000 + number, endpoint="heart")
    return check_of(alert, model="heart", endpoint="heart")


def after(before: Joined, *checks: Check) -> Joined:
    return joined(before, {key_of(one): one for one in checks})


def test_a_storm_is_kept_up_to_a_bound_and_the_rest_by_its_marks() -> None:
    storm = [fired(number) for number in range(MOST_FROM_OUTSIDE + 30)]
    found = after(Joined(), *storm[:90])
    found = after(found, *storm[90:])
    assert [signal.check for signal in found.signals] == storm[:MOST_FROM_OUTSIDE]
    assert found.beyond == {mark_of(key_of(one)) for one in storm[MOST_FROM_OUTSIDE:]}
    assert after(found, *storm) == found, "the same again changes nothing"


def test_the_worst_is_kept_whenever_it_comes() -> None:
    found = after(Joined(), *(fired(number) for number in range(MOST_FROM_OUTSIDE)))
    loud = fired(999, Severity.CRITICAL)
    found = after(found, loud)
    assert found.signals[-1].check == loud
    assert len(found.signals) == MOST_FROM_OUTSIDE
    assert found.beyond == {mark_of(key_of(fired(MOST_FROM_OUTSIDE - 1)))}


def test_what_is_over_makes_room() -> None:
    found = after(Joined(), *(fired(number) for number in range(MOST_FROM_OUTSIDE)), check(BREACH))
    found = after(found, ended(3), fired(999))
    assert not found.beyond
    assert key_of(fired(3)) not in {signal.key for signal in found.signals}
    assert found.signals[-2].check == check(BREACH), "what monitors say is never let go"


def test_opened_again_what_is_not_named_is_past() -> None:
    before = after(after(Joined(), check(BREACH), check(BREACH, column="age")), check(OK, hour=1))
    before = after(before, check(OK, column="age", hour=1))
    again = opened_again(before, {key_of(check(BREACH)): check(BREACH, hour=3)})
    assert [(signal.key.part, signal.past) for signal in again.signals] == [("age", True), ("chol", False)]
    assert again.signals[1].first_us == check(BREACH, hour=3).window.start_us
    later = after(again, check(BREACH, column="age", hour=4))
    assert not later.signals[0].past
    assert later.signals[0].first_us == check(BREACH, hour=4).window.start_us


_TOLD = st.lists(st.tuples(st.integers(0, 2 * MOST_FROM_OUTSIDE), st.booleans(), st.sampled_from(Severity)))


@settings(max_examples=50, deadline=None)
@given(told=_TOLD, ends=st.permutations(range(2 * MOST_FROM_OUTSIDE + 1)))
def test_however_a_storm_comes_it_is_over_when_all_have_ended_and_not_before(
    told: Sequence[tuple[int, bool, Severity]], ends: Sequence[int]
) -> None:
    found = after(Joined(), *(fired(number) for number in range(MOST_FROM_OUTSIDE)))
    firing = set(range(MOST_FROM_OUTSIDE))
    over: set[int] = set()
    for number, fires, severity in told:
        if number in over:
            continue  # an end is final: whoever takes alerts leaves out what is told after it
        if fires:
            firing.add(number)
            found = after(found, fired(number, severity))
        elif number in firing:
            firing.discard(number)
            over.add(number)
            found = after(found, ended(number))
        assert sum(one.check.kind == "alert" for one in found.signals) <= MOST_FROM_OUTSIDE
        assert found.recovered is not bool(firing)
    for number in ends:
        assert found.recovered is not bool(firing)
        firing.discard(number)
        found = after(found, ended(number))
    assert found.recovered
