"""A kept version serves again when that pays at once, and a new one is judged before it is replaced."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.unit.retraining.ledgers import ledger_of, standing_of

from trimtab.core.enums import Task
from trimtab.retraining.gain import Costs, Standing, Training
from trimtab.retraining.judged_rows import Judge, JudgedRows
from trimtab.retraining.ledger import PeriodLoss, VersionLosses
from trimtab.retraining.loss_store import FEWEST_ROWS
from trimtab.retraining.pool import best_kept, kept_versions
from trimtab.retraining.twins import Rows

LENGTH = 7 * 86_400 * 1_000_000


def beside(*others: float, champion: float = 100.0) -> Standing:
    """Return a champion, version 9, beside versions 1, 2 … that lose so much in each period."""
    ledgers = [ledger_of(number, dict.fromkeys(range(4), lost)) for number, lost in enumerate(others, start=1)]
    return standing_of(ledger_of(9, dict.fromkeys(range(4), champion)), *ledgers)


def test_the_best_of_the_kept_versions_is_named_with_what_it_saves() -> None:
    back = best_kept(beside(95.0, 70.0, 80.0), Costs(), (3, 2, 1))
    assert back is not None
    assert (back.version, round(back.saves), round(back.lower), round(back.needed)) == (2, 30, 30, 10)
    assert back.why == (
        "version 2 would have saved 30 a period (30.0%) in the last two labelled periods, 30 less its standard error, "
        "10 needed"
    )


@pytest.mark.parametrize(("lost", "release"), [(91.0, None), (50.0, 60.0), (100.0, 0.0), (120.0, 0.0)])
def test_what_does_not_pay_for_its_release_stays_where_it_is(lost: float, release: float | None) -> None:
    assert best_kept(beside(lost), Costs(release=release), (1,)) is None


def test_a_free_release_needs_a_gain_all_the_same_and_of_equals_the_newer_one_is_taken() -> None:
    back = best_kept(beside(99.0, 99.0), Costs(release=0.0), (2, 1))
    assert back is not None
    assert back.version == 2


def test_one_good_period_is_not_enough() -> None:
    lucky = ledger_of(1, {0: 100.0, 1: 100.0, 2: 130.0, 3: 55.0})
    standing = standing_of(ledger_of(9, dict.fromkeys(range(4), 100.0)), lucky)
    assert best_kept(standing, Costs(), (1,)) is None


def test_blocks_that_differ_in_sign_are_no_gain_however_large_their_sum() -> None:
    champion, lucky = ledger_of(9, dict.fromkeys(range(2), 100.0)), ledger_of(1, dict.fromkeys(range(2), 100.0))
    blocks = (100.0, -60.0, 20.0, -10.0, 5.0, 90.0, -75.0)
    answers = {start: dataclasses.replace(one, blocks=blocks) for start, one in lucky.answers.items()}
    assert sum(blocks) == pytest.approx(70.0)
    assert best_kept(standing_of(champion, dataclasses.replace(lucky, answers=answers)), Costs(), (1,)) is None


@pytest.mark.parametrize(("rows", "most"), [(FEWEST_ROWS, 8), (30, 4), (60, 2)])
def test_of_versions_that_are_alike_none_is_brought_back_but_by_rare_chance(rows: int, most: int) -> None:
    rng, judge = np.random.default_rng(rows), Judge(Task.REGRESSION, "mae")
    champion, switches = 1, 0
    seen: list[tuple[int, dict[int, PeriodLoss]]] = []
    line: dict[int, int] = {}
    for start in range(0, 200 * LENGTH, LENGTH):
        truth = rng.normal(size=rows)
        at_us = np.sort(rng.integers(start, start + LENGTH, size=rows))
        error = rng.normal(size=rows)
        answers = {number: truth + error + 0.4 * rng.normal(size=rows) for number in range(1, 5)}
        losses = {
            one: judge.period(JudgedRows(Rows(found, truth, {}), at_us, start, start + LENGTH), found)
            for one, found in answers.items()
        }
        line[start], seen = champion, [*seen, (start, losses)][-2:]
        ledgers = {one: VersionLosses(one, {at: losses[one] for at, losses in seen}) for one in answers}
        back = best_kept(Standing(champion, ledgers, line), Costs(), (4, 3, 2, 1))
        if back is not None:
            champion, switches = back.version, switches + 1
    assert switches <= most


def test_what_brought_a_version_back_does_not_take_it_away_again() -> None:
    standing = beside(10.0)
    newly = dataclasses.replace(standing, line={0: 9, 1: 9, 2: 1, 3: 9})
    assert best_kept(newly, Costs(), (1,)) is None
    settled = dataclasses.replace(standing, line={0: 9, 1: 1, 2: 9, 3: 9})
    assert best_kept(settled, Costs(), (1,)) is not None


def test_a_period_that_one_of_them_was_judged_on_by_other_blocks_is_not_compared() -> None:
    other = ledger_of(1, dict.fromkeys(range(4), 10.0))
    cut = {start: dataclasses.replace(one, blocks=one.blocks[:3]) for start, one in other.answers.items()}
    standing = standing_of(ledger_of(9, dict.fromkeys(range(4), 100.0)), dataclasses.replace(other, answers=cut))
    assert best_kept(standing, Costs(), (1,)) is None


def test_a_version_that_is_not_kept_or_did_not_answer_both_periods_is_not_considered() -> None:
    standing = beside(10.0)
    assert best_kept(standing, Costs(), ()) is None
    young = standing_of(ledger_of(9, dict.fromkeys(range(4), 100.0)), ledger_of(1, {3: 1.0}))
    assert best_kept(young, Costs(), (1,)) is None


@pytest.mark.parametrize(("trained", "named"), [(2, True), (3, False)])
def test_a_champion_is_judged_on_two_periods_of_its_own_first(trained: int, named: bool) -> None:
    standing = dataclasses.replace(beside(10.0), trainings=(Training(trained, before=1, after=9),))
    assert (best_kept(standing, Costs(), (1,)) is not None) is named


def test_the_newest_versions_are_kept_however_often_they_served() -> None:
    assert kept_versions([], None, 4) == ()
    assert kept_versions([1, 2, 1, 2, 3], champion=3, keep=2) == (2,)
    assert kept_versions([1, 2, 3, 4, 5, 2], champion=2, keep=4) == (5, 4, 3)
    assert kept_versions([1, 2, 3], champion=3, keep=1) == ()
