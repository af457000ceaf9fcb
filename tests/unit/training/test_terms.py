import numpy as np
import pytest

from trimtab.training.memory import TEXT_BYTES, terms_that_fit
from trimtab.training.terms import choose_terms

RNG = np.random.default_rng(3)
FILLER = [f"word{place}" for place in range(40)]


def texts_with(signal: list[str]) -> list[str | None]:
    """Each text has a word of its own, some of the filler, and its part of the signal."""
    return [f"unique{row} {' '.join(RNG.choice(FILLER, 4))} {word} the" for row, word in enumerate(signal)]


def test_terms_that_tell_the_class_are_chosen_before_common_ones() -> None:
    target = RNG.integers(0, 2, 200)
    texts = texts_with(["awful" if value else "lovely stay" for value in target])
    assert {"awful", "lovely", "lovely stay"} <= set(choose_terms(texts, target, 6, classes=2))


def test_terms_that_move_the_value_are_chosen_for_regression() -> None:
    luxury = RNG.random(200) < 0.3
    texts = texts_with(["penthouse" if value else "flat" for value in luxury])
    assert {"penthouse", "flat"} <= set(choose_terms(texts, np.where(luxury, 900.0, 100.0), 4, classes=0))


def test_neither_rare_nor_ubiquitous_terms_are_counted() -> None:
    target = RNG.integers(0, 2, 100)
    chosen = choose_terms(texts_with([""] * 100), target, 5000, classes=2)
    assert "the" not in chosen
    assert not [term for term in chosen if "unique" in term]


def test_order_of_rows_does_not_change_the_choice() -> None:
    target = RNG.integers(0, 3, 150)
    texts = texts_with([["red", "green", "blue"][value] for value in target])
    order = RNG.permutation(150)
    assert choose_terms(texts, target, 7, classes=3) == choose_terms(
        [texts[row] for row in order], target[order], 7, classes=3
    )


@pytest.mark.parametrize("texts", [[], [None] * 5, ["", "", "", ""], ["a", "b", "c", "d"]])
def test_texts_without_common_words_give_no_terms(texts: list[str | None]) -> None:
    assert choose_terms(texts, np.arange(len(texts)) % 2, 10, classes=2) == ()


def test_counts_of_terms_stay_within_the_stated_memory() -> None:
    for rows in (1, 1_000, 10**6, 10**9):
        for texts in (1, 3):
            count = terms_that_fit(300, rows, texts)
            assert 0 <= count <= 300
            assert 4 * rows * texts * count <= TEXT_BYTES
