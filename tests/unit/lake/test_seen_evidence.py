"""What is remembered of labelled rows is what reading all of them would give, whatever came in between."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.unit.loop.projects import MODEL, make_world
from tests.unit.loop.shipping import SECOND_US, Asked, Shipping

from trimtab.lake.evidence import period_evidence
from trimtab.lake.seen_evidence import SeenEvidence

DAY_S = 86_400
Spans = list[tuple[int, int]]


def spans_of(shipping: Shipping, first: int, last: int) -> Spans:
    length = DAY_S * SECOND_US
    return [(shipping.start_us + day * length, shipping.start_us + (day + 1) * length) for day in range(first, last)]


def row(day: int, place: int) -> Asked:
    return Asked(day * DAY_S + 60 * place, place=place)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_in_whatever_order_it_is_what_a_full_pass_gives(tmp_path: Path, seed: int) -> None:
    shipping, seen, lot = Shipping(make_world(tmp_path / "project")), SeenEvidence(), random.Random(seed)
    for step in range(12):
        day = lot.randrange(8)
        rows = [row(day, lot.randrange(40)) for _ in range(5)]
        if lot.random() < 0.5:
            shipping.rows(*{one.id: one for one in rows}.values())
        known_s = {one: lot.randrange(16) * DAY_S // 2 for one in rows}
        shipping.outcomes_at(lot.choice(["yes", "no"]), known_s)
        if lot.random() < 0.2:
            lost = lot.choice(
                shipping.world.platform.lake.truth_files(
                    MODEL, start_us=-(1 << 62), end_us=1 << 62, known_until_us=None
                )
            )
            lost.path.unlink()
        now_us = shipping.start_us + (step + lot.randrange(-1, 2)) * DAY_S // 2 * SECOND_US
        spans = spans_of(shipping, lot.randrange(3), 8)
        lake = shipping.world.platform.lake
        assert seen.of(lake, MODEL, spans, known_until_us=now_us) == period_evidence(
            lake, MODEL, spans, known_until_us=now_us
        )


def test_only_what_new_files_are_about_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipping, seen, read = Shipping(make_world(tmp_path / "project")), SeenEvidence(), []
    for day in range(6):
        shipping.rows(*(row(day, place) for place in range(5)))
        shipping.outcomes("yes", *(row(day, place) for place in range(5)), known_s=(day + 1) * DAY_S)
    lake, spans = shipping.world.platform.lake, spans_of(shipping, 0, 6)

    def counted(*place: object, **how: object) -> object:
        read.append(place[2])
        return period_evidence(*place, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("trimtab.lake.seen_evidence.period_evidence", counted)

    def asked(after_days: float) -> list[object]:
        read.clear()
        seen.of(lake, MODEL, spans, known_until_us=shipping.start_us + int(after_days * DAY_S) * SECOND_US)
        return list(read)

    assert asked(6) == [spans]
    assert asked(6) == [], "nothing is new"
    shipping.outcomes("no", row(2, 0), row(4, 0), known_s=int(6.5 * DAY_S))
    assert asked(6) == [], "that is not known yet"
    assert asked(7) == [[spans[2]], [spans[4]]]
    shipping.rows(row(1, 30))
    assert asked(8) == [[spans[1]]]
    assert asked(5) == [spans], "of an earlier moment nothing is remembered"
