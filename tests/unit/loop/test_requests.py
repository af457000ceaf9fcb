"""What a request may say: nothing that steers a terminal."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from trimtab.loop.requests import Reason

REASON: TypeAdapter[str] = TypeAdapter(Reason)


@pytest.mark.parametrize(
    "text", ["", "zu viele Rückbuchungen", "two\nlines\tand more", "رفض", "חזרה", "戻す", "é ≤ 5 %"]
)
def test_a_reason_in_any_script_is_taken(text: str) -> None:
    assert REASON.validate_python(text) == text


@pytest.mark.parametrize("place", ["", "a", "a\n"])
@pytest.mark.parametrize(
    "control",
    [
        *map(
            chr,
            (
                0,
                8,
                0x0D,
                0x1B,
                0x7F,
                0x80,
                0x85,
                0x9B,
                0x9F,
                0x61C,
                0x200E,
                0x200F,
                0x2028,
                0x202A,
                0x202E,
                0x2066,
                0x2069,
            ),
        )
    ],
    ids=ascii,
)
def test_a_control_character_of_a_terminal_or_of_the_direction_is_refused(place: str, control: str) -> None:
    with pytest.raises(ValidationError):
        REASON.validate_python(f"{place}{control}31mrolled back")
