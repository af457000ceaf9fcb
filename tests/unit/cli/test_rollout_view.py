"""What a person sees of a rollout under way says who gets which share, and what is known of each limit."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from rich.console import Console

from trimtab.cli.rollout_view import Got, drawn_rollout, line_of, next_moves

PIECE = {
    "name": "degradation:accuracy",
    "verdict": "breach",
    "value": 0.6,
    "limit": 0.15,
    "candidate_n": 61,
    "alpha": 0.001,
}
LOADED = {
    "name": "production",
    "verdict": "inconclusive",
    "value": None,
    "limit": None,
    "candidate_n": 0,
    "alpha": None,
}


def rollout(**changes: Any) -> dict[str, Any]:
    usual = {
        "model": "heart",
        "candidate": 2,
        "stable": 1,
        "phase": "canary",
        "weight_pct": "10",
        "reason": "step 1 of 3 at 10 %",
        "started_us": 5_000_000,
        "log": [{"at_us": 7_500_000, "to": "canary", "state": {"weight_pct": "10"}}],
        "last": {"evidence": [LOADED, PIECE, {**PIECE, "name": "errors", "verdict": "inconclusive", "value": None}]},
    }
    return {**usual, **changes}


def drawn(told: Mapping[str, Any], got: Mapping[int, Got] | None = None) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=110).print(drawn_rollout(dict(told), got or {}))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_bars_are_as_long_as_the_shares() -> None:
    bars = [line for line in drawn(rollout(weight_pct="25")) if "█" in line]
    assert [line.count("█") for line in bars] == [22, 8]
    assert bars[0].endswith("75 %")
    assert bars[1].endswith("25 %")


@pytest.mark.parametrize(("share", "length"), [("0.5", 1), ("0", 0)])
def test_a_small_share_is_seen_and_none_is_not(share: str, length: int) -> None:
    [line] = [line for line in drawn(rollout(weight_pct=share)) if "version 2 (" in line]
    assert line.count("█") == length


def test_each_limit_says_what_was_seen_and_whether_it_is_kept() -> None:
    lines = drawn(rollout())
    [accuracy] = [line.split() for line in lines if line.startswith("degradation:accuracy")]
    assert accuracy == ["degradation:accuracy", "60.0", "%", "15.0", "%", "61", "broken"]
    [errors] = [line.split() for line in lines if line.startswith("errors")]
    assert errors == ["errors", "–", "0.15", "×", "61", "open"]
    assert not [line for line in lines if line.startswith("production")]


def test_a_shift_of_predictions_is_told_in_points_of_a_hundred() -> None:
    shift = {**PIECE, "name": "prediction_shift", "value": 0.216, "limit": 0.1}
    [line] = [line.split() for line in drawn(rollout(last={"evidence": [shift]})) if line.startswith("prediction_")]
    assert line == ["prediction_shift", "21.6", "%", "10.0", "%", "61", "broken"]


def test_it_says_how_it_came_here() -> None:
    assert "0 s staging 0 % → 2.5 s canary 10 %" in drawn(rollout())


def test_one_that_just_started_and_a_first_version_can_be_drawn() -> None:
    lines = drawn(rollout(last=None, log=[], stable=None, weight_pct="0", phase="staging"))
    assert "staging" in lines[0]
    assert not [line for line in lines if "before" in line]


def test_a_line_says_the_same_where_there_is_no_terminal() -> None:
    told = line_of(rollout(), {1: Got(900, right=750), 2: Got(100, 4, 20), 3: Got()})
    assert told == (
        "canary: v1 90 %, v2 10 % [v1: 900 answers, 83 % of them right; "
        "v2: 100 answers, 20 % of them right, 4 failed]; step 1 of 3 at 10 %"
    )


def test_one_that_is_held_shows_what_was_seen_since_the_decision_that_held_it() -> None:
    since = {"at_us": 9_000_000, "evidence": [{**PIECE, "candidate_n": 1900, "verdict": "ok"}]}
    [row] = [line.split() for line in drawn(rollout(newest=since)) if line.startswith("degradation")]
    assert row[-2:] == ["1900", "kept"]
    decided = {"at_us": 9_000_001, "evidence": [PIECE]}
    [row] = [line.split() for line in drawn(rollout(newest=since, last=decided)) if line.startswith("degradation")]
    assert row[-2:] == ["61", "broken"], "a later decision is newer than a look"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"phase": "waiting_for_person"}, "resume | promote | abort"),
        ({"phase": "waiting_for_person", "last": {"verdict": "breach"}}, "abort | promote | resume"),
        ({"phase": "paused", "promotable": False}, "resume | abort"),
        ({"phase": "canary"}, None),
        ({"phase": "promoted"}, None),
    ],
)
def test_who_is_asked_is_told_what_to_do_and_never_first_to_promote_what_is_breached(
    changes: dict[str, Any], expected: str | None
) -> None:
    moves = next_moves(rollout(**{"promotable": True, "rollout_id": "01a", **changes}))
    assert moves == (None if expected is None else f"decide: trimtab rollouts {expected} 01a --reason WHY")
