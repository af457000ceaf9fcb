from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from trimtab.serving.variants import Assigner, sticky_hash

NAMES = ("stable", "canary", "v3", "v4", "v5")
WEIGHTS = st.lists(st.integers(0, 100), min_size=1, max_size=5).filter(any)
HASHES = st.integers(0, 2**64 - 1)


def _assigner(weights: list[int]) -> Assigner:
    return Assigner({name: Decimal(weight) for name, weight in zip(NAMES, weights, strict=False)}, Random(1))


@given(weights=WEIGHTS, value=HASHES)
def test_a_variant_of_weight_zero_is_never_drawn(weights: list[int], value: int) -> None:
    assigner = _assigner(weights)
    assert weights[assigner.by_hash(value)] > 0
    assert weights[assigner.at_random()] > 0
    assert abs(sum(assigner.probabilities) - 1) < 1e-12


@given(weights=WEIGHTS, value=HASHES)
def test_the_order_of_variants_moves_nobody(weights: list[int], value: int) -> None:
    by_name = {name: Decimal(weight) for name, weight in zip(NAMES, weights, strict=False)}
    turned = dict(reversed(by_name.items()))
    here = list(by_name)[Assigner(by_name, Random(1)).by_hash(value)]
    assert list(turned)[Assigner(turned, Random(2)).by_hash(value)] == here


@given(pairs=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=2, max_size=5), value=HASHES)
def test_a_key_moves_only_to_a_variant_that_gained_in_relation_to_its_own(
    pairs: list[tuple[int, int]], value: int
) -> None:
    before, after = [old for old, _ in pairs], [new for _, new in pairs]
    if not any(before) or not any(after):
        return
    left, entered = _assigner(before).by_hash(value), _assigner(after).by_hash(value)
    if left != entered:
        assert after[entered] * before[left] > before[entered] * after[left]


@given(first=st.integers(0, 100), second=st.integers(0, 100), keys=st.lists(st.text(max_size=20), max_size=20))
def test_of_two_variants_only_the_one_that_was_raised_is_entered(first: int, second: int, keys: list[str]) -> None:
    low, high = sorted((first, second))
    few, many = _assigner([100 - low, low]), _assigner([100 - high, high])
    for key in keys:
        value = sticky_hash("heart", key)
        assert many.by_hash(value) >= few.by_hash(value), "a canary that is raised lets nobody go"


def test_as_many_move_as_must() -> None:
    hashes = [sticky_hash("heart", str(key)) for key in range(20_000)]
    before, after = _assigner([50, 10, 10, 30]), _assigner([40, 8, 8, 44])
    moved = Counter((before.by_hash(value), after.by_hash(value)) for value in hashes)
    changed = {pair: count for pair, count in moved.items() if pair[0] != pair[1]}
    assert {to for _, to in changed} == {3}, "only the fourth gained in relation to any"
    assert abs(sum(changed.values()) / 20_000 - 0.14) < 0.01


def test_shares_follow_the_weights() -> None:
    assigner = Assigner({"stable": Decimal("99.5"), "canary": Decimal("0.5")}, Random(7))
    drawn = Counter(assigner.at_random() for _ in range(20_000))
    assert 60 < drawn[1] < 140
    hashed = Counter(assigner.by_hash(sticky_hash("heart", str(key))) for key in range(20_000))
    assert 60 < hashed[1] < 140
    several = Counter(_assigner([50, 25, 15, 7, 3]).by_hash(sticky_hash("heart", str(key))) for key in range(20_000))
    for place, share in enumerate((0.5, 0.25, 0.15, 0.07, 0.03)):
        assert abs(several[place] / 20_000 - share) < 0.01


def test_endpoints_draw_independently() -> None:
    assigner = _assigner([50, 50])
    same = sum(
        assigner.by_hash(sticky_hash("a", str(key))) == assigner.by_hash(sticky_hash("b", str(key)))
        for key in range(2_000)
    )
    assert 850 < same < 1150


def test_a_salt_hides_which_keys_go_where_and_none_is_what_it_was() -> None:
    keys = [str(key) for key in range(2_000)]
    assigner = _assigner([90, 10])
    plain = {key for key in keys if assigner.by_hash(sticky_hash("heart", key)) == 1}
    salted = {key for key in keys if assigner.by_hash(sticky_hash("heart", key, "5f3a")) == 1}
    assert {key for key in keys if assigner.by_hash(sticky_hash("heart", key, "")) == 1} == plain
    assert 0.06 < len(salted) / len(keys) < 0.14
    assert 0.05 < len(plain & salted) / len(plain) < 0.16, "whoever chooses by the one hash has none by the other"
    assert sticky_hash("churn", "customer 7") == 13841406359518134318, "callers of older specs must not move"
