"""Failed copies are held against a shadow once each, and in step with the answers that they stand beside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.core.enums import Verdict
from trimtab.rollout.copies import CopyCursor, judge_copies, missed_beside, with_copies
from trimtab.rollout.draws_reader import CountCursor
from trimtab.serving.shadow_counts import ShadowCounts, ShadowLedgers


def counts(
    answered: int, failed: int, *, series: str = "a", generation: int = 2, variant: str = "v2", dropped: int = 0
) -> ShadowCounts:
    return ShadowCounts(
        series=series, generation=generation, variant=variant, answered=answered, failed=failed, dropped=dropped
    )


def read(cursor: CopyCursor, *told: ShadowCounts) -> CopyCursor:
    cursor = with_copies(cursor, told, variant="v2", after_generation=1)
    return CountCursor.from_json(CountCursor(1, copies=cursor).to_json()).copies


@given(
    steps=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(0, 60)), max_size=20),
    again=st.lists(st.integers(0, 19), max_size=10),
)
def test_each_failure_counts_once_however_readings_come_and_never_ahead_of_the_answers(
    steps: list[tuple[int, int, int]], again: list[int]
) -> None:
    cursor, told, answered, failed, compared, missed = CopyCursor(), list[ShadowCounts](), 0, 0, 0, 0
    for more, fewer, found in steps:
        answered, failed = answered + more, failed + fewer
        told.append(counts(answered, failed))
        cursor = read(cursor, told[-1])
        found = min(found, answered - compared)
        cursor, fresh = missed_beside(cursor, found)
        compared, missed = compared + found, missed + fresh
        assert missed <= failed
        if compared < answered:
            assert missed * answered <= max(failed * compared, (missed - fresh) * answered)
    for place in again:
        cursor = read(cursor, *told[place : place + 1])
    cursor, fresh = missed_beside(cursor, answered - compared)
    assert (cursor.answered, cursor.failed, missed + fresh) == (answered, failed, failed)


def test_processes_and_generations_of_the_rollout_add_up_and_others_do_not() -> None:
    cursor = read(
        CopyCursor(),
        counts(10, 1),
        counts(20, 2, series="b"),
        counts(30, 3, generation=3),
        counts(99, 99, generation=1),
        counts(99, 99, variant="v1"),
    )
    assert (cursor.answered, cursor.failed) == (60, 6)
    assert read(cursor, counts(5, 0)).answered == 60, "a reading that comes late"


def test_a_few_dropped_copies_are_told_and_many_hold() -> None:
    assert judge_copies(CopyCursor()) == judge_copies(read(CopyCursor(), counts(9, 0))) == ()
    [few] = judge_copies(read(CopyCursor(), counts(90, 0, dropped=10)))
    [many] = judge_copies(read(CopyCursor(), counts(89, 0, dropped=11)))
    assert (few.verdict, many.verdict) == (Verdict.OK, Verdict.INCONCLUSIVE)
    assert many.why == (
        "of 100 copies 0 failed, which count as disagreement; 11 were dropped for want of room, more than 10%: "
        "what it would have answered is not known"
    )


def test_a_server_keeps_the_newest_generations_of_each_endpoint() -> None:
    ledgers = ShadowLedgers("a")
    for generation in range(20):
        ledgers.of("heart", generation, "v2").failed.inc()
    ledgers.of("other", 1, "v2").answered.inc()
    assert [one.generation for one in ledgers.counts("heart")] == list(range(12, 20))
    assert ledgers.by_endpoint().keys() == {"heart", "other"}
