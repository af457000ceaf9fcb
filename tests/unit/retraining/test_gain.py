"""A retraining is advised when staleness has cost more than it costs, and by nothing else."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.retraining.ledgers import ledger_of, period, standing_of

from trimtab.retraining.gain import Advice, Cause, Costs, Standing, Training, weigh
from trimtab.retraining.ledger import PeriodLoss, VersionLosses, block_sums, spread

USUAL = Costs()


def stale(periods: int, lost: float = 100.0, twin: float = 80.0) -> Standing:
    answers = dict.fromkeys(range(periods), lost)
    return standing_of(ledger_of(1, answers, {"level": dict.fromkeys(range(periods), twin)}))


def test_what_twins_would_have_saved_adds_up_until_it_exceeds_the_cost() -> None:
    readings = [weigh(stale(periods), USUAL) for periods in (1, 2, 4)]
    assert [round(one.saved) for one in readings] == [20, 40, 80]
    assert [round(one.needed, 9) for one in readings] == [60.0] * 3
    assert [one.advice for one in readings] == [Advice.WAIT, Advice.WAIT, Advice.RETRAIN]
    assert readings[-1].cause is Cause.STALE
    assert "a fresher version would have saved 80 since the last training, 60 needed" in readings[-1].why


def test_an_abrupt_break_pays_in_one_period() -> None:
    reading = weigh(stale(1, lost=300.0, twin=100.0), Costs(retrain=100.0, release=20.0))
    assert reading.advice is Advice.RETRAIN
    assert reading.share_last == pytest.approx(2 / 3)


@pytest.mark.parametrize("twin", [100.0, 130.0])
def test_where_corrections_do_not_help_nothing_adds_up(twin: float) -> None:
    reading = weigh(stale(50, twin=twin), USUAL)
    assert (reading.advice, reading.saved) == (Advice.WAIT, 0.0)


def test_gains_before_a_loss_are_not_forgotten_until_they_are_used_up() -> None:
    twins = {"level": {0: 70.0, 1: 120.0, 2: 70.0, 3: 100.0, 4: 300.0}}
    answers = dict.fromkeys(range(5), 100.0)
    upto = [
        weigh(
            standing_of(
                ledger_of(1, {s: 100.0 for s in range(n)}, {"level": {s: twins["level"][s] for s in range(n)}})
            ),
            USUAL,
        ).saved
        for n in range(1, len(answers) + 1)
    ]
    assert [round(saved) for saved in upto] == [30, 10, 40, 40, 0]


def test_a_gain_within_its_own_noise_is_none() -> None:
    noisy = PeriodLoss(0, 1, 700, (200.0, -100.0, 200.0, -100.0, 200.0, -100.0, 100.0), 100.0)
    quiet = period(0, 330.0)
    ledger = VersionLosses(1, {0: quiet}, {"level": {0: noisy}})
    assert weigh(standing_of(ledger), Costs(0.0, 0.0)).saved == 0.0


def test_periods_before_the_last_training_say_nothing_and_at_first_nothing_is_known() -> None:
    standing = stale(10)
    trained = dataclasses.replace(standing, trainings=(Training(8, before=1, after=1),))
    assert weigh(trained, USUAL).periods == 2
    reading = weigh(dataclasses.replace(standing, trainings=(Training(10, before=1, after=1),)), USUAL)
    assert (reading.advice, reading.why) == (Advice.UNKNOWN, "no labelled period since the last training")
    assert weigh(standing_of(ledger_of(1, {})), USUAL).advice is Advice.UNKNOWN


def test_why_nothing_is_known_at_first_is_told() -> None:
    replayed = dataclasses.replace(stale(10), line={})
    expected = "no labelled period since version 1 began to serve; 'trimtab simulate' plays older rows"
    assert (weigh(replayed, USUAL).advice, weigh(replayed, USUAL).why) == (Advice.UNKNOWN, expected)
    first = standing_of(ledger_of(1, {0: 100.0}))
    assert weigh(first, USUAL).why == "no labelled period yet that has labelled rows before it"


def test_a_twin_that_was_good_before_is_trusted_and_not_one_that_is_by_chance() -> None:
    answers = dict.fromkeys(range(20), 100.0)
    good = dict.fromkeys(range(20), 90.0)
    lucky = {**dict.fromkeys(range(19), 200.0), 19: 10.0}
    reading = weigh(standing_of(ledger_of(1, answers, {"level": good, "by age": lucky})), Costs(1e9, 0.0))
    assert reading.share_last == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("costs", "needed"), [(Costs(), 60.0), (Costs(30.0), 40.0), (Costs(0.0, 0.0), 0.0), (Costs(None, 0.0), 50.0)]
)
def test_costs_that_nobody_wrote_follow_from_the_usual_loss_and_zero_means_free(costs: Costs, needed: float) -> None:
    assert weigh(stale(2), costs).needed == pytest.approx(needed)


def test_free_retraining_needs_a_gain_still() -> None:
    assert weigh(stale(3, twin=100.0), Costs(0.0, 0.0)).advice is Advice.WAIT
    free = weigh(stale(3), Costs(0.0, 0.0))
    assert (free.advice, free.over_cost) == (Advice.RETRAIN, float("inf"))


def test_fits_that_disappointed_make_the_next_one_wait() -> None:
    periods = range(10)
    twins = {"level": dict.fromkeys(periods, 60.0)}
    old, new = ledger_of(1, dict.fromkeys(periods, 100.0), twins), ledger_of(2, dict.fromkeys(periods, 100.0), twins)
    better = ledger_of(2, dict.fromkeys(periods, 60.0), {"level": dict.fromkeys(periods, 20.0)})
    trainings = (Training(0, before=1, after=2),)
    in_vain = weigh(dataclasses.replace(standing_of(new, old), trainings=trainings), USUAL)
    fruitful = weigh(dataclasses.replace(standing_of(better, old), trainings=trainings), USUAL)
    assert in_vain.kept == pytest.approx(60 / (60 + 8 * 40))
    assert fruitful.kept == pytest.approx(1.0)


def harder(calm: int, hard: int, trainings: tuple[Training, ...] = ()) -> Standing:
    wobble = [100.0 + (-1) ** place for place in range(calm)] + [400.0 + (-1) ** place for place in range(hard)]
    answers = dict(enumerate(wobble))
    return standing_of(ledger_of(1, answers, {"level": answers}), trainings=trainings)


def test_a_probe_is_weighed_against_the_cost_and_dated_like_everything_else() -> None:
    standing = harder(6, 3)
    usual, dear = weigh(standing, Costs(60.0, 0.0)), weigh(standing, Costs(600.0, 0.0))
    assert usual.excess is not None
    assert usual.probe == pytest.approx(usual.excess / 120.0)
    assert dear.probe == pytest.approx(usual.probe / 10)
    assert [usual.cause, dear.cause] == [Cause.PROBE, None]
    assert weigh(harder(6, 0), USUAL).probe == 0.0
    assert usual.as_of_us == 9, "the end of the latest period"


def test_a_loss_that_no_twin_explains_is_probed_once_and_then_ever_more_rarely() -> None:
    assert weigh(harder(6, 0), USUAL).advice is Advice.WAIT
    probe = weigh(harder(6, 3), USUAL)
    assert (probe.advice, probe.cause) == (Advice.RETRAIN, Cause.PROBE)
    assert "which no correction explains" in probe.why
    fruitless: tuple[Training, ...] = ()
    asked = []
    for hard in range(3, 60):
        if weigh(harder(6, hard, fruitless), USUAL).advice is Advice.RETRAIN:
            asked.append(hard)
            fruitless = (*fruitless, Training(6 + hard, before=1, after=None))
    assert asked == [3], "after a probe that brought nothing, the loss as it is counts as usual"


def probed(fruitless: tuple[int, ...], breaks: int, until: int = 200, *, since: int = 60) -> list[int]:
    """Return when probes are asked for where trainings ended in vain and the loss rises for good at ``breaks``."""
    answers = {start: (400.0 if start >= breaks else 100.0) + (-1) ** start for start in range(until)}
    trainings = tuple(Training(end, before=1, after=None) for end in fruitless)

    def at(now: int) -> Standing:
        return standing_of(ledger_of(1, {s: answers[s] for s in range(now)}, {"level": answers}), trainings=trainings)

    return [now for now in range(since, until) if weigh(at(now), USUAL).cause is Cause.PROBE]


@pytest.mark.parametrize("breaks", [70, 100, 115, 130, 170])
def test_a_break_long_after_a_training_in_vain_is_probed(breaks: int) -> None:
    assert probed((52,), breaks)[:1] == [breaks + 3]


@pytest.mark.parametrize(("in_vain", "wait"), [(1, 8), (2, 16), (3, 32), (4, 32), (9, 32)])
def test_the_wait_after_trainings_in_vain_doubles_up_to_a_bound(in_vain: int, wait: int) -> None:
    ends = tuple(40 + place for place in range(in_vain))
    assert probed(ends, breaks=ends[-1] + 1)[:1] == [max(ends[-1] + wait, 60)]


def test_a_training_in_vain_before_anything_was_usual_does_not_silence_probes() -> None:
    assert probed((2,), breaks=20, until=40, since=3)[:1] == [23]


def test_an_open_training_is_neither_fruitless_nor_a_promise_broken() -> None:
    standing = harder(6, 30)
    done = Training(10, before=1, after=None)
    waiting = dataclasses.replace(done, concluded=False)
    in_vain, open_ = (dataclasses.replace(standing, trainings=(one,)) for one in (done, waiting))
    assert (in_vain.fruitless, open_.fruitless) == ((10,), ())
    assert open_.since_us == 10, "what it has learnt, it would not be trained for again"
    assert weigh(in_vain, USUAL).kept == pytest.approx(0.5)
    assert weigh(open_, USUAL).kept == 1.0


def test_harder_rows_are_no_reason_where_a_constant_would_lose_as_much_more() -> None:
    answers = {start: period(start, 100.0 + start % 2, hardness=100.0) for start in range(6)}
    answers |= {start: period(start, 400.0 + start % 2, hardness=400.0) for start in range(6, 9)}
    ledger = VersionLosses(1, answers, {"level": answers})
    reading = weigh(standing_of(ledger), USUAL)
    assert reading.advice is Advice.WAIT
    assert reading.excess is not None
    assert reading.excess < 0


totals = st.floats(0, 1e4)


@given(st.lists(st.tuples(totals, totals, totals), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_reading_hangs_on_what_is_in_the_ledger_and_not_on_its_order(
    losses: list[tuple[float, float, float]], shuffler: random.Random
) -> None:
    def made(order: list[int]) -> Standing:
        answers = {start: losses[start][0] for start in order}
        twins = {"level": {s: losses[s][1] for s in order}, "by age": {s: losses[s][2] for s in reversed(order)}}
        return standing_of(ledger_of(1, answers, twins))

    order = list(range(len(losses)))
    first = weigh(made(order), USUAL)
    shuffler.shuffle(order)
    assert weigh(made(order), USUAL) == first
    assert first.saved >= 0
    assert 0.1 <= first.kept <= 1


@given(st.lists(st.tuples(st.integers(0, 99), st.floats(-1e6, 1e6)), max_size=60), st.randoms(use_true_random=False))
def test_block_sums_are_the_same_to_the_last_bit_in_any_order(
    rows: list[tuple[int, float]], shuffler: random.Random
) -> None:
    def summed(order: list[tuple[int, float]]) -> list[float]:
        at_us = np.array([at for at, _ in order], dtype=np.int64)
        losses = np.array([loss for _, loss in order], dtype=np.float64)
        return [float(one) for one in block_sums(losses, at_us, start_us=0, end_us=100, blocks=7)]

    first = summed(rows)
    shuffler.shuffle(rows)
    assert summed(rows) == first


def test_one_block_tells_nothing_of_the_spread() -> None:
    assert spread(np.array([5.0])) == float("inf")
    assert spread(np.array([5.0, 5.0, 5.0])) == 0.0
