from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trimtab.rollout.way_back import way_back

PROMOTED = st.lists(st.integers(1, 6), max_size=30)


@given(PROMOTED)
def test_the_way_back_holds_each_earlier_version_once_and_not_the_one_that_serves(promoted: list[int]) -> None:
    back = way_back(promoted)
    assert len(set(back)) == len(back)
    assert set(back) <= set(promoted[:-1]) - set(promoted[-1:])


@given(PROMOTED)
def test_a_step_back_leaves_the_rest_of_the_way(promoted: list[int]) -> None:
    back = way_back(promoted)
    for place, number in enumerate(back):
        assert way_back([*promoted, number]) == back[place + 1 :]


@given(PROMOTED, st.integers(7, 9))
def test_a_new_version_can_be_taken_back(promoted: list[int], new: int) -> None:
    assert way_back([*promoted, new])[:1] == promoted[-1:]


@given(PROMOTED, st.integers(1, 6))
def test_what_a_reinstated_version_replaced_is_the_next_to_go_back_to(promoted: list[int], number: int) -> None:
    if not promoted or promoted[-1] == number:
        return
    back = way_back([*promoted, number], forth={len(promoted)})
    assert back[0] == promoted[-1]
    assert number not in back
    assert set(back) == ({*way_back(promoted), promoted[-1]} - {number})
