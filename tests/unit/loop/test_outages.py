"""A candidate whose server dies or falls silent goes back, whatever production says."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.conftest import BOTH
from tests.unit.loop.going import Going
from tests.unit.loop.projects import MODEL, World

from trimtab.loop.outages import MOST_DEATHS, SILENT_S
from trimtab.loop.rollouts import operate_rollout
from trimtab.rollout.machine import Operation
from trimtab.rollout.phases import Phase
from trimtab.serving.lives import Lives

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)

MINUTE = timedelta(minutes=1)


def generation(going: Going) -> int:
    return [spec.generation for spec in going.world.server.applied if spec.endpoint == MODEL][-1]


def test_three_deaths_while_the_candidate_is_served_take_it_back(world: World) -> None:
    going = Going(world)
    before, first = generation(going) - 1, generation(going)
    going.counted.deaths = {before: 7, first: MOST_DEATHS - 1}
    assert going.advance(after=MINUTE) is Phase.CANARY, "of the version before nothing is held against it"
    going.counted.deaths[first] = MOST_DEATHS
    assert going.advance(after=MINUTE) is Phase.ROLLED_BACK
    assert "3 processes of the server died while they served v2" in going.now.log[-1]["reason"]


def test_deaths_count_over_all_steps_and_also_while_a_person_has_paused_it(world: World) -> None:
    going = Going(world)
    first = generation(going)
    going.busy()
    assert going.advance(after=timedelta(hours=2)) is Phase.CANARY
    assert generation(going) == first + 1
    with world.platform.database.transaction() as connection:
        operate_rollout(connection, world.platform, going.now, Operation.PAUSE, by="dana", reason="lunch")
    going.counted.deaths = {first: 1, first + 1: 1}
    assert going.advance() is Phase.PAUSED
    going.counted.deaths = {first: 1, first + 1: 2}
    assert going.advance() is Phase.ROLLED_BACK


def test_a_server_that_never_comes_to_say_so_is_known_to_have_died(world: World) -> None:
    going = Going(world)
    going.counted.answers = False
    del world.server.serves[MODEL]
    for _ in range(MOST_DEATHS):
        Lives(world.platform.project.serving, lambda: 0).serves(MODEL, generation(going))
    assert going.advance() is Phase.CANARY, "the last one lives"
    Lives(world.platform.project.serving, lambda: 0)
    assert going.advance() is Phase.ROLLED_BACK


def silent_for(going: Going, seconds: float) -> Phase:
    for _ in range(int(seconds) // 5):
        going.now_s += 5.0
        going.advance()
    return going.now.state.phase


HANGS = "the server does not answer (timed out)"


def test_where_no_server_runs_that_could_tell_nothing_is_held_against_the_candidate(world: World) -> None:
    going = Going(world)
    going.busy()
    going.counted.answers = False
    going.advance()
    assert silent_for(going, 10 * SILENT_S) is Phase.CANARY, "it was stopped, or serves on another machine"
    found = going.evidence()["counts"]
    assert (found.verdict, found.required) == ("inconclusive", True), "nor is it promoted"


def test_a_server_that_tells_nothing_for_a_minute_loses_the_candidate(world: World) -> None:
    going = Going(world)
    going.busy()
    going.counted.hindered = HANGS
    going.advance()
    assert silent_for(going, SILENT_S - 5) is Phase.CANARY
    assert silent_for(going, 10) is Phase.ROLLED_BACK
    reason = going.now.log[-1]["reason"]
    assert "production has told nothing of its variants for 60 s" in reason
    assert HANGS in reason


def test_silence_counts_from_the_last_word_and_only_while_somebody_listens(world: World) -> None:
    going = Going(world)
    for _ in range(3):
        going.counted.hindered = HANGS
        going.advance()
        assert silent_for(going, SILENT_S - 10) is Phase.CANARY
        going.counted.hindered = None
        assert silent_for(going, 5) is Phase.CANARY
    going.counted.hindered = HANGS
    going.advance()
    going.now_s += 3_600
    assert going.advance() is Phase.CANARY, "this process slept as well"


SHADOW = """
sticky_key: {sticky}
strategy: {{type: shadow, min_rows: 50, min_agreement: 0.9}}
"""


def test_copies_that_a_shadow_fails_on_count_as_disagreement(world: World) -> None:
    going = Going(world, SHADOW)
    assert going.now.state.phase is Phase.SHADOW
    going.counted.copied("v2", failed=200)
    assert going.advance() is Phase.WAITING_FOR_PERSON
    assert "0.00% of the answers to 200 requests agree" in going.now.log[-1]["reason"]
    assert "200 failed" in going.evidence()["copies"].why


def test_a_shadow_of_whose_copies_many_were_dropped_is_held(world: World) -> None:
    going = Going(world, SHADOW)
    going.counted.copied("v2", answered=89, dropped=11)
    assert going.advance() is Phase.SHADOW
    found = going.evidence()["copies"]
    assert (found.verdict, found.required, found.value) == ("inconclusive", True, 0.11)
    going.counted.copied("v2", answered=100)
    assert going.evidence()["copies"].verdict == "ok"


def test_a_shadow_is_not_judged_by_the_lake_alone_while_nobody_tells_of_its_failures(world: World) -> None:
    going = Going(world, SHADOW)
    going.counted.answers = False
    found = going.evidence()["counts"]
    assert (found.verdict, found.required) == ("inconclusive", True)
