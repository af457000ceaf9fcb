"""Technical documentation counts what is there and what is open, and fills nothing by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.reports.pages import read

from trimtab.reports.documentation import DocumentationConfig
from trimtab.reports.technical import TechnicalReportData, technical_report
from trimtab.reports.technical_points import ARTICLES, CHAPTERS, REQUIREMENTS, Requirement

_EMPTY = TechnicalReportData("clinic", "heart", 2, "", 1_772_000_000_000_000, {}, {})


def test_each_requirement_stands_in_a_chapter_and_is_filled_from_one_place() -> None:
    nothing = DocumentationConfig()
    assert {one.chapter for one in REQUIREMENTS} == set(CHAPTERS)
    for one in REQUIREMENTS:
        if one.entry is not None:
            assert nothing.text_of(one.entry) == ""
    entries = [one.entry for one in REQUIREMENTS if one.entry is not None]
    sources = [one.source for one in REQUIREMENTS if one.source is not None]
    assert len(entries) == len(set(entries))
    assert len(sources) == len(set(sources))
    with pytest.raises(ValueError, match="give source or entry"):
        Requirement("1(a)", "both", source="versions", entry="limitations")


def test_every_article_asked_for_has_its_row() -> None:
    assert [one.number for one in ARTICLES] == ["9", "10", "11", "12", "13", "14", "15", "19", "72"]


def test_an_article_is_not_answered_by_one_part_of_it() -> None:
    names = {one.entry for one in REQUIREMENTS}
    assert all(entry in names for one in ARTICLES for entry in one.entries)
    data = replace(_EMPTY, filled={"accuracy": ("f1 0.8",)}, missing={"security": "nobody looked"})
    html = technical_report(data)
    [(at, _)] = [(at, one) for at, one in enumerate(ARTICLES) if one.number == "15"]
    rows = html[html.rindex(ARTICLES[at].duty) : html.rindex(ARTICLES[at + 1].duty)]
    assert "f1 0.8" in rows
    assert "OPEN: nobody looked" in rows
    assert "OPEN: write it in documentation.yaml, testing.procedures" in rows


def test_nothing_on_record_is_all_gaps() -> None:
    html = technical_report(_EMPTY)
    text = read(html).text
    assert f"0 of {len(REQUIREMENTS)} entries are filled from records, 0 by you; {len(REQUIREMENTS)} are open." in text
    gaps = len(REQUIREMENTS) + sum(len(one.sources) + len(one.entries) for one in ARTICLES)
    assert text.count("OPEN:") == gaps
    assert html.count('<td class="gap">') == gaps
    assert "no legal advice" in text


def test_what_is_filled_and_what_is_written_is_counted_apart() -> None:
    some = replace(
        _EMPTY,
        filled={"versions": ("version 2 of 3", "before it: version 1"), "live": (), "accuracy": ("f1 0.8",)},
        written={"purpose.intended": "A second opinion.", "limitations": ""},
        missing={"live": "nothing was measured yet"},
    )
    assert some.counts == (2, 1, len(REQUIREMENTS) - 3)
    text = read(technical_report(some)).text
    for told in ("version 2 of 3", "before it: version 1", "A second opinion.", "OPEN: nothing was measured yet"):
        assert told in text, told
    assert "OPEN: write it in documentation.yaml, limitations" in text


def test_all_of_it_filled_leaves_nothing_open() -> None:
    full = replace(
        _EMPTY,
        filled={name: ("told",) for one in REQUIREMENTS if (name := one.source)}
        | {name: ("told",) for one in ARTICLES for name in one.sources},
        written={entry: "written" for one in REQUIREMENTS if (entry := one.entry)},
    )
    text = read(technical_report(full)).text
    assert "nothing open" in text
    assert "OPEN" not in text
