from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trimtab.serving.variants import Assigner, sticky_hash

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=5).filter(any)


@given(weights=WEIGHTS, value=st.integers(0, 2**64 - 1))
def test_a_variant_of_weight_zero_is_never_drawn(weights: list[int], value: int) -> None:
    place = Assigner([Decimal(weight) for weight in weights], Random(1)).by_hash(value)
    assert weights[place] > 0


@given(weights=WEIGHTS)
def test_the_extremes_go_to_the_first_and_the_last_that_have_weight(weights: list[int]) -> None:
    assigner = Assigner([Decimal(weight) for weight in weights], Random(1))
    having = [place for place, weight in enumerate(weights) if weight]
    assert assigner.by_hash(0) == having[0]
    assert assigner.by_hash(2**64 - 1) == having[-1]
    assert sum(assigner.probabilities) == 1 or abs(sum(assigner.probabilities) - 1) < 1e-12


def test_shares_follow_the_weights() -> None:
    assigner = Assigner([Decimal("99.5"), Decimal("0.5")], Random(7))
    drawn = Counter(assigner.at_random() for _ in range(40_000))
    assert 140 < drawn[1] < 260
    hashed = Counter(assigner.by_hash(sticky_hash("heart", str(key))) for key in range(40_000))
    assert 140 < hashed[1] < 260


def test_raising_a_weight_moves_nobody_out_of_the_canary() -> None:
    few = Assigner([Decimal(90), Decimal(10)], Random(1))
    many = Assigner([Decimal(50), Decimal(50)], Random(1))
    hashes = [sticky_hash("heart", str(key)) for key in range(2_000)]
    assert all(many.by_hash(value) == 1 for value in hashes if few.by_hash(value) == 1)


def test_endpoints_draw_independently() -> None:
    assigner = Assigner([Decimal(50), Decimal(50)], Random(1))
    same = sum(
        assigner.by_hash(sticky_hash("a", str(key))) == assigner.by_hash(sticky_hash("b", str(key)))
        for key in range(2_000)
    )
    assert 850 < same < 1150
