"""What is written reads back as the same, whatever the table holds."""

from __future__ import annotations

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.loop.starter.wording import comment, listed, scalar

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(TEXTS, TEXTS)
@example("yes", "null")
@example("1e3", ": #")
@example("<<", "~")
@example("2020-01-01", "12:30:45")
@example("\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}", "\U0001f600\x01")
@example("a\N{LINE SEPARATOR}b", "a\N{NEXT LINE}b")
@example("\N{ZERO WIDTH NO-BREAK SPACE}x", "&a !b *c")
def test_every_text_reads_back_from_yaml_as_itself(name: str, value: str) -> None:
    content = f"{scalar(name)}: {{values: {listed([value, name])}}}  {comment(value)}\n"

    assert yaml.safe_load(content) == {name: {"values": [value, name]}}
