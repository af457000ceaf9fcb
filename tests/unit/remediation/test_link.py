"""What a link's token proves, and what it does not."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.remediation.link import Link, hash_of, is_nonce, nonce_of, token_of
from trimtab.remediation.votes import Word

KEY = bytes(range(32))
LINK = Link("0197c0de-0000-7000-8000-000000000001", "a1", "dana", Word.APPROVE, 0, 1_000)


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(LINK, id="0197c0de-0000-7000-8000-000000000002"),
        dataclasses.replace(LINK, action_id="a2"),
        dataclasses.replace(LINK, person="emil"),
        dataclasses.replace(LINK, word=Word.REJECT),
        dataclasses.replace(LINK, expires_us=1_001),
        dataclasses.replace(LINK, action_id="a", person="1dana"),
    ],
)
def test_a_token_is_of_one_link_alone(other: Link) -> None:
    assert token_of(KEY, other) != token_of(KEY, LINK)
    assert token_of(bytes(32), LINK) != token_of(KEY, LINK)
    assert token_of(KEY, dataclasses.replace(LINK, used_us=5)) == token_of(KEY, LINK)


def test_a_token_can_stand_in_an_address_and_is_not_what_is_stored() -> None:
    token = token_of(KEY, LINK)
    assert len(token) == 64
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert token not in hash_of(token)


def test_a_link_is_good_until_it_is_used_voided_or_late() -> None:
    assert LINK.is_good(999)
    assert not LINK.is_good(1_000)
    assert not dataclasses.replace(LINK, used_us=5).is_good(6)
    assert not dataclasses.replace(LINK, voided_us=5).is_good(6)


HOUR_US = 3_600_000_000


def test_a_page_may_answer_within_the_hour_it_was_shown() -> None:
    nonce = nonce_of(KEY, "token", HOUR_US)
    assert is_nonce(KEY, "token", nonce, HOUR_US)
    assert is_nonce(KEY, "token", nonce, 2 * HOUR_US - 1)
    assert not is_nonce(KEY, "token", nonce, 2 * HOUR_US)
    assert not is_nonce(KEY, "token", nonce, HOUR_US - 1)
    assert not is_nonce(KEY, "other", nonce, HOUR_US)
    assert not is_nonce(bytes(32), "token", nonce, HOUR_US)


@given(st.text(max_size=200))
def test_what_is_no_nonce_is_none(text: str) -> None:
    assert not is_nonce(KEY, "token", text, HOUR_US)
