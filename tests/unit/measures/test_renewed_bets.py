from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from trimtab.measures.betting import BetProcess
from trimtab.measures.label_process import LabelProcess
from trimtab.measures.renewed_bets import RenewedBets

WEIGHTS = (0.05, 0.05, 0.1, 0.25, 0.25, 0.5, 0.5, 0.9)


def _cuts(count: int) -> Iterator[list[int]]:
    """Every way of cutting ``count`` into blocks, as their sizes."""
    for ends in itertools.product((False, True), repeat=count - 1):
        sizes = [1]
        for ended in ends:
            if ended:
                sizes.append(1)
            else:
                sizes[-1] += 1
        yield sizes


def _labels_seen(labels: tuple[int, ...], sizes: list[int], units_each: int) -> list[float]:
    """The e-value after each block of labels, with ratio 1.5 allowed."""
    start, place, values = LabelProcess.start(1.5), 0, []
    bets = RenewedBets.start(len(start.ratios))
    for size in sizes:
        process = start
        for label, weight in list(zip(labels, WEIGHTS, strict=True))[place : place + size]:
            process = process.with_counts(weight, label, 1 - label)
        bets = bets.with_gains(process.log_wealth, size * units_each)
        values.append(math.exp(float(bets.log_e)))
        place += size
    return values


@pytest.mark.parametrize("sizes", [[1] * 8, [8], [3, 5], [1, 1, 6], [5, 2, 1]])
@pytest.mark.parametrize("true_ratio", [0.3, 1.5])
def test_the_expected_e_value_is_at_most_one_after_each_block_however_labels_are_cut(
    sizes: list[int], true_ratio: float
) -> None:
    # Many units a label, so that much of what is kept is freed within these few.
    expected = np.zeros(len(sizes))
    for labels in itertools.product((0, 1), repeat=len(WEIGHTS)):
        shares = [true_ratio * weight / (true_ratio * weight + 1 - weight) for weight in WEIGHTS]
        chance = math.prod(q if label else 1 - q for q, label in zip(shares, labels, strict=True))
        expected += chance * np.array(_labels_seen(labels, sizes, 5_000))

    assert (expected <= 1 + 1e-9).all()
    if true_ratio == 1.5:
        assert expected == pytest.approx(np.ones(len(sizes)))


def test_it_is_at_most_one_also_when_what_was_seen_tells_how_long_the_next_block_is() -> None:
    limit, total = 0.3, 0.0
    start = BetProcess.start(-limit, 1 - limit)
    for hits in itertools.product((0, 1), repeat=10):
        bets, place = RenewedBets.start(20), 0
        while place < len(hits):
            size = 3 if place and hits[place - 1] else 1
            part = hits[place : place + size]
            gains = start.with_counts([(1 - limit, sum(part)), (-limit, len(part) - sum(part))]).log_wealth
            bets, place = bets.with_gains(gains, len(part) * 4_000), place + size
        total += math.prod(limit if hit else 1 - limit for hit in hits) * math.exp(float(bets.log_e))

    assert total == pytest.approx(1)


def test_however_blocks_are_cut_almost_all_of_what_one_start_wins_is_won() -> None:
    labels = (1, 0, 1, 1, 0, 1, 1, 0)
    whole = LabelProcess.start(1.5)
    for label, weight in zip(labels, WEIGHTS, strict=True):
        whole = whole.with_counts(weight, label, 1 - label)

    ends = [_labels_seen(labels, sizes, 100)[-1] for sizes in _cuts(len(labels))]
    assert min(ends) >= 0.85 * math.exp(float(whole.log_e))


@pytest.mark.parametrize("calm", [1_000, 50_000, 1_000_000])
def test_what_was_lost_before_a_fault_is_not_to_be_won_back(calm: int) -> None:
    start = BetProcess.start(-0.01, 0.99)

    def until_found(bets: RenewedBets) -> int:
        gains = start.with_counts([(0.99, 2), (-0.01, 18)]).log_wealth
        for requests in range(20, 5_000, 20):
            bets = bets.with_gains(gains, 20)
            if bets.log_e > math.log(1_000):
                return requests
        return 5_000

    fresh = RenewedBets.start(20)
    late = fresh
    for _ in range(50):
        late = late.with_gains(start.with_counts([(-0.01, calm // 50)]).log_wealth, calm // 50)
    assert late.log_e < -1
    assert until_found(late) <= 3 * until_found(fresh)


def test_several_runs_side_by_side_are_what_each_is_alone() -> None:
    gains, units = np.log([[1.5, 0.5], [0.2, 3.0]]), np.array([10, 4_000])
    together = RenewedBets.start(2, shape=(2,)).with_gains(gains, units).with_gains(gains[::-1], units)
    alone = [
        RenewedBets.start(2).with_gains(gains[run], units[run]).with_gains(gains[1 - run], units[run]) for run in (0, 1)
    ]

    assert together.log_e.tolist() == pytest.approx([float(bets.log_e) for bets in alone])
    assert RenewedBets.start(2).log_e == 0
