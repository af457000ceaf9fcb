from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.unit.rollout.rollouts import MINUTE, READY, START, seen, spec

from trimtab.core.clock import to_micros
from trimtab.core.errors import ConflictError, DataContractError, NotFoundError
from trimtab.db.engine import Connection, Database
from trimtab.db.tables import rollout as rollout_table
from trimtab.rollout.answering import AnsweringConfig, BatchingConfig, FeaturesConfig
from trimtab.rollout.endpoint_store import (
    desire,
    desired,
    endpoint_generations,
    list_desired,
    next_generation,
)
from trimtab.rollout.machine import Operation, operate, step
from trimtab.rollout.phases import Phase
from trimtab.rollout.plan import production_spec, staging_spec
from trimtab.rollout.state import Observation, RolloutSpec, RolloutState
from trimtab.rollout.store import (
    active_rollout,
    create_rollout,
    list_rollouts,
    load_rollout,
    save_transition,
)
from trimtab.serving.spec import BatchingSpec, FeaturesSpec, OnFull

NOW_US = to_micros(START)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.transaction() as opened:
        yield opened


def test_a_rollout_comes_back_as_it_was_saved(connection: Connection) -> None:
    created = create_rollout(connection, "r1", spec(), now_us=NOW_US, action_id="a1")
    decided = step(created.spec, created.state, READY, START)
    saved = save_transition(connection, created, decided, at_us=NOW_US)
    assert load_rollout(connection, "r1") == saved
    assert [(entry["from"], entry["to"]) for entry in saved.log] == [("staging", "smoke")]


def test_only_one_rollout_is_active_on_an_endpoint(connection: Connection) -> None:
    created = create_rollout(connection, "r1", spec(), now_us=NOW_US)
    with pytest.raises(ConflictError, match="rollout r1 of v2 is staging"):
        create_rollout(connection, "r2", spec(), now_us=NOW_US)
    aborted = operate(created.spec, created.state, Operation.ABORT, START, "")
    save_transition(connection, created, aborted, at_us=NOW_US, actor="ann")
    assert active_rollout(connection, "bikes") is None
    create_rollout(connection, "r2", spec(), now_us=NOW_US + 1)
    assert [found.id for found in list_rollouts(connection, model="bikes")] == ["r2", "r1"]
    assert [found.id for found in list_rollouts(connection, active_only=True)] == ["r2"]


def _poison(connection: Connection, rollout_id: str, change: Callable[[Any], object]) -> Any:
    """Change the stored row, and return it."""
    where = rollout_table.c.id == rollout_id
    stored = connection.execute(select(rollout_table.c.spec).where(where)).scalar_one()
    change(stored)
    connection.execute(update(rollout_table).where(where).values(spec=stored))
    return stored


def _of_other(rollout: RolloutSpec) -> RolloutSpec:
    return replace(rollout, endpoint="other", staging_endpoint="other-staging", model="other")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda stored: stored["spec"]["strategy"]["limits"].update(max_degradation={"mape": None}), "mape"),
        (lambda stored: stored["spec"].update(smoke_max_abs_difference=None), "smoke_max_abs_difference"),
        (lambda stored: stored["spec"].update(strategy={"type": "guess"}, task="guess"), "strategy"),
        (lambda stored: stored["spec"]["answering"].update(max_rows=0), "answering.max_rows"),
    ],
)
def test_a_rollout_that_cannot_be_read_is_told_and_can_be_taken_back(
    connection: Connection, change: Callable[[Any], object], named: str
) -> None:
    create_rollout(connection, "good", _of_other(spec()), now_us=NOW_US)
    created = create_rollout(connection, "bad", spec(), now_us=NOW_US + 1)
    in_canary = step(spec(), step(spec(), created.state, READY, START).state, READY, START)
    save_transition(connection, created, in_canary, at_us=NOW_US)
    stored = _poison(connection, "bad", change)
    bad, good = list_rollouts(connection, active_only=True)
    assert (bad.id, good.id, good.unread) == ("bad", "good", None)
    assert bad.unread is not None
    assert named in bad.reason, "it says what cannot be read"
    assert bad == load_rollout(connection, "bad") == active_rollout(connection, "bikes")
    aborted = operate(bad.spec, bad.state, Operation.ABORT, START, "it cannot be read")
    assert aborted.weights == {"v1": Decimal(100)}
    after = save_transition(connection, bad, aborted, at_us=NOW_US)
    wanted = production_spec(after.spec, after.state, generation=9)
    assert wanted.variants == production_spec(spec(), after.state, generation=9).variants
    assert active_rollout(connection, "bikes") is None
    kept = connection.execute(select(rollout_table.c.spec).where(rollout_table.c.id == "bad")).scalar_one()
    assert kept["spec"] == stored["spec"], "whoever looks for the fault finds it"


def test_a_row_that_is_no_rollout_hides_no_other(connection: Connection) -> None:
    create_rollout(connection, "good", _of_other(spec()), now_us=NOW_US)
    create_rollout(connection, "bad", spec(), now_us=NOW_US + 1)
    _poison(connection, "bad", lambda stored: stored["spec"].pop("endpoint"))
    assert [found.id for found in list_rollouts(connection, active_only=True)] == ["good"]
    with pytest.raises(DataContractError, match=r"rollout bad on 'bikes': cannot be read .*endpoint"):
        load_rollout(connection, "bad")


def test_whoever_read_an_older_state_cannot_save(connection: Connection) -> None:
    created = create_rollout(connection, "r1", spec(), now_us=NOW_US)
    save_transition(connection, created, step(spec(), created.state, READY, START), at_us=NOW_US)
    paused = operate(spec(), created.state, Operation.PAUSE, START, "")
    with pytest.raises(ConflictError, match="changed since version 1"):
        save_transition(connection, created, paused, at_us=NOW_US)


def test_a_decision_that_says_the_same_again_writes_nothing(connection: Connection) -> None:
    created = create_rollout(connection, "r1", spec(), now_us=NOW_US)
    held = step(spec(), created.state, seen(created.state), START)
    once = save_transition(connection, created, held, at_us=NOW_US)
    again = save_transition(connection, once, step(spec(), once.state, seen(once.state), START + MINUTE), at_us=NOW_US)
    assert (again.version, again.log) == (2, ())


def test_a_rollout_that_waits_for_a_person_keeps_saying_why(connection: Connection) -> None:
    created = create_rollout(connection, "r1", spec(), now_us=NOW_US)
    unheard = Observation(staging=None)
    asked = step(spec(), created.state, unheard, START + 300 * MINUTE)
    waiting = save_transition(connection, created, asked, at_us=NOW_US)
    later = save_transition(connection, waiting, step(spec(), waiting.state, unheard, START), at_us=NOW_US + 1)
    assert later.state.phase is Phase.WAITING_FOR_PERSON
    assert "no server answers" in str((later.last or {})["reason"])


def test_an_unknown_rollout_is_named(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="'r9'"):
        load_rollout(connection, "r9")


def test_each_change_of_an_endpoint_is_a_generation_with_its_reason(connection: Connection) -> None:
    rollout = spec(stable=None)
    state = RolloutState.initial(NOW_US)
    first = production_spec(rollout, state, generation=next_generation(connection, "bikes"))
    desire(connection, first, model="bikes", actor="trimtab", reason="created", at_us=NOW_US)
    smoke = step(rollout, state, READY, START).state
    promoted = step(rollout, smoke, READY, START)
    second = production_spec(rollout, promoted.state, generation=next_generation(connection, "bikes"))
    desire(connection, second, model="bikes", actor="ann", reason=promoted.reason, at_us=NOW_US + 1)
    assert desired(connection, "bikes") == second
    assert [variant.weight_pct for variant in second.variants] == [Decimal(100)]
    history = endpoint_generations(connection, "bikes")
    assert [(one.spec.generation, one.actor) for one in history] == [(2, "ann"), (1, "trimtab")]
    assert list_desired(connection, model="bikes") == [second]
    assert list_desired(connection, model="other") == []


def test_production_is_told_what_becomes_of_answers_that_cannot_be_recorded() -> None:
    state = RolloutState.initial(NOW_US)
    assert production_spec(spec(), state, generation=1).log.on_full is OnFull.REFUSE
    shedding = RolloutSpec.from_json({**spec().to_json(), "on_full": "shed"})
    assert production_spec(shedding, state, generation=1).log.on_full is OnFull.SHED
    stored = {name: value for name, value in shedding.to_json().items() if name != "on_full"}
    assert RolloutSpec.from_json(stored).on_full is OnFull.REFUSE, "of a version that did not know it"


def test_production_and_staging_answer_as_the_deployment_says() -> None:
    state = RolloutState.initial(NOW_US)
    answering = AnsweringConfig(
        batching=BatchingConfig(max_rows=64, max_wait_ms=0.5),
        features=FeaturesConfig(source="store", entity_keys=("id",), names=("age",)),
        variant_choice=False,
        pinned=True,
        max_rows=5,
        max_body_bytes=2_000_000,
    )
    wanted = RolloutSpec.from_json(replace(spec(), answering=answering).to_json())
    assert wanted.answering == answering, "as it comes back from the database"
    production, staging = (plan(wanted, state, generation=1) for plan in (production_spec, staging_spec))
    for made in (production, staging):
        assert made.batching == BatchingSpec(max_rows=64, max_wait_ms=0.5)
        assert made.features == FeaturesSpec(source="store", entity_keys=("id",), names=("age",))
        assert (made.max_rows, made.max_body_bytes) == (5, 2_000_000)
    assert (production.variant_choice, production.pinned, production.record) == (False, True, True)
    assert (staging.pinned, staging.record) == (False, False), "what is served for minutes holds no memory for good"
    stored = {name: value for name, value in wanted.to_json().items() if name != "answering"}
    assert RolloutSpec.from_json(stored).answering == AnsweringConfig(), "of a version that did not know it"


def test_desiring_the_same_again_makes_no_new_generation(connection: Connection) -> None:
    wanted = production_spec(spec(), RolloutState.initial(NOW_US), generation=1)
    desire(connection, wanted, model="bikes", actor="trimtab", reason="first", at_us=NOW_US)
    again = production_spec(spec(), RolloutState.initial(NOW_US), generation=2)
    assert desire(connection, again, model="bikes", actor="trimtab", reason="again", at_us=NOW_US) == wanted
    assert len(endpoint_generations(connection, "bikes")) == 1


@pytest.mark.parametrize("generation", [1, 3])
def test_a_generation_that_is_not_the_next_one_is_refused(connection: Connection, generation: int) -> None:
    state = RolloutState.initial(NOW_US)
    desire(connection, production_spec(spec(), state, generation=1), model="bikes", actor="a", reason="b", at_us=NOW_US)
    other = production_spec(spec(stable=3), state, generation=generation)
    with pytest.raises(ConflictError, match="is not the next one, 2"):
        desire(connection, other, model="bikes", actor="a", reason="b", at_us=NOW_US)
    assert desired(connection, "nowhere") is None
