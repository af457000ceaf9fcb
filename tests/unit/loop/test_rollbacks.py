"""Going back: at once, to what may serve again, and to nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.conftest import BOTH
from tests.unit.loop.deploying import DANA, Deploying
from tests.unit.loop.projects import MODEL, World

from trimtab.audit import log as audit
from trimtab.core.enums import Role
from trimtab.core.errors import (
    ApprovalRequiredError,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    TrimtabError,
)
from trimtab.db.tables import rollout as rollout_table
from trimtab.loop.actor import Actor
from trimtab.registry import store as registry
from trimtab.rollout.phases import Phase
from trimtab.rollout.store import active_rollout


@pytest.fixture
def deploying(world: World) -> Deploying:
    return Deploying.on(world)


def _reject(deploying: Deploying, number: int) -> None:
    deploying.ask("versions.decide", model=MODEL, number=number, approve=False, reason="a leak")


def _damage(deploying: Deploying, number: int) -> None:
    found = deploying.world.platform.database.read(lambda connection: registry.get(connection, MODEL, number))
    (Path(found.bundle_path) / "model.onnx").unlink()


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_each_rollback_goes_further_back_and_never_forth_again(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    for expected in ({"v2": 100}, {"v1": 100}):
        deploying.roll_back()
        deploying.settle()
        assert deploying.weights() == expected
    with pytest.raises(NotFoundError, match=r"no earlier version; .* again: --to 3, 2; .* deploy tiny@N"):
        deploying.roll_back()


@pytest.mark.parametrize("world", BOTH, indirect=True)
@pytest.mark.parametrize("midway", [False, True])
def test_a_broken_file_of_the_model_keeps_no_bad_version_in_front_of_callers(
    deploying: Deploying, midway: bool
) -> None:
    deploying.bring_in(1, 2)
    if midway:
        deploying.by_canary()
        deploying.bring_in(3)
    folder = deploying.world.platform.project.root / "models" / MODEL
    (folder / "monitoring_config.yaml").write_text("nonsense: 1\n")
    (folder / "deployment_config.yaml").write_text("strategie: {}\n")
    [told] = deploying.ask("status.show")["models"]
    assert told["serves"] == ({"v2": "80 %", "v3": "20 %"} if midway else {"v2": "100 %"}), "and it is seen"
    deploying.roll_back()
    deploying.settle()
    assert deploying.weights() == {"v2" if midway else "v1": 100}


def test_a_rollback_to_a_version_passes_over_those_between(deploying: Deploying) -> None:
    deploying.by_canary()
    deploying.bring_in(1)
    deploying.on(deploying.world)
    deploying.bring_in(2, 3)
    deploying.by_canary()
    answer = deploying.roll_back(1)
    assert (answer["number"], answer["done"]) == (1, None)
    assert deploying.weights() == {"v3": 100}, "not before it has loaded and answered its golden rows"
    deploying.settle()
    assert deploying.weights() == {"v1": 100}, "without the canary that the model's strategy has"


def test_what_was_brought_out_again_after_a_rollback_can_be_rolled_back_again(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.roll_back()
    deploying.settle()
    deploying.deploy(2)
    deploying.roll_back()
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_a_rollout_under_way_is_aborted_at_once(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.bring_in(2)
    assert deploying.weights() == {"v1": 80, "v2": 20}
    answer = deploying.roll_back()
    assert (answer["done"], answer["rollout_id"]) == ("the rollout of version 2 was aborted", None)
    assert (deploying.weights(), answer["serves"]) == ({"v1": 100}, {"v1": "100 %"})


def test_the_stable_version_of_a_rollout_under_way_may_be_named(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.bring_in(2)
    deploying.roll_back(1)
    assert (deploying.weights(), deploying.running()) == ({"v1": 100}, None)


def test_a_rollback_beyond_the_stable_version_aborts_and_starts_in_one_transaction(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.by_canary()
    deploying.bring_in(3)
    deploying.roll_back(1)
    running = deploying.running()
    assert running is not None
    assert (running.spec.candidate.number, deploying.weights()) == (1, {"v2": 100})
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_asking_twice_leaves_a_rollback_to_go_on(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    first = deploying.roll_back()
    for again in (deploying.roll_back(), deploying.roll_back(2)):
        assert again["rollout_id"] == first["rollout_id"]
        assert "version 2 is on its way back already" in again["done"]
    other = deploying.roll_back(1)
    assert other["rollout_id"] != first["rollout_id"], "another version is another wish"
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_versions_that_may_not_or_cannot_serve_are_passed_over(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3, 4)
    _reject(deploying, 3)
    _damage(deploying, 2)
    deploying.roll_back()
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


def test_where_nothing_before_can_serve_each_reason_is_told(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    _reject(deploying, 2)
    _damage(deploying, 1)
    with pytest.raises(NotFoundError, match=r"version 2: was rejected; version 1: .*model\.onnx"):
        deploying.roll_back()


def _nothing(_deploying: Deploying) -> None:
    pass


@pytest.mark.parametrize(
    ("given", "to", "error", "told"),
    [
        (_nothing, 9, NotFoundError, r"version 9 of 'tiny': not registered; its newest is 4"),
        (_nothing, 4, NotFoundError, r"never had all traffic .* --to: 2, 1, or .* 'trimtab deploy tiny@4'"),
        (_nothing, 3, ConflictError, r"serves 'tiny' already; nothing to go back to; name another with --to: 2, 1"),
        (lambda d: _reject(d, 2), 2, ApprovalRequiredError, r"rejected by dana; .* name another with --to: 1"),
        (lambda d: _damage(d, 1), 1, NotFoundError, r"bundle cannot be served .*model\.onnx.*; restore it, or name"),
    ],
    ids=["unknown", "never promoted", "serves already", "rejected", "damaged"],
)
def test_what_cannot_be_gone_back_to_is_refused_with_the_next_move(
    deploying: Deploying, given: Callable[[Deploying], None], to: int, error: type[TrimtabError], told: str
) -> None:
    deploying.bring_in(1, 2, 3)
    deploying.register(4)
    given(deploying)
    with pytest.raises(error, match=told):
        deploying.roll_back(to)
    assert (deploying.weights(), deploying.running()) == ({"v3": 100}, None)


def test_a_version_that_is_refused_leaves_the_rollout_under_way_alone(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.bring_in(2)
    with pytest.raises(ConflictError, match=r"is what rollout .* is trying .* 'trimtab rollouts promote"):
        deploying.roll_back(2)
    assert deploying.weights() == {"v1": 80, "v2": 20}


def test_a_version_that_does_not_load_any_more_never_replaces_what_serves(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.world.server.refuses = "variant 'v1': golden rows answered otherwise"
    rollout_id = deploying.roll_back()["rollout_id"]
    deploying.settle()
    assert deploying.ask("rollouts.show", rollout_id=rollout_id)["phase"] == Phase.FAILED
    assert deploying.weights() == {"v2": 100}


def test_who_went_back_and_why_stands_in_the_audit_log(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    rollout_id = deploying.roll_back(reason="too many chargebacks")["rollout_id"]
    with deploying.world.platform.database.reading() as connection:
        [entry] = audit.show(connection, subject=f"endpoint:{MODEL}")
        [started] = audit.show(connection, subject=f"rollout:{MODEL}/{rollout_id}")
    assert (entry.actor, entry.action, entry.reason) == (DANA.name, "rollback.started", "too many chargebacks")
    assert (entry.before, entry.after) == ({"version": 2}, {"version": 1})
    assert (started.action, started.reason) == ("rollout.started", "too many chargebacks")


def test_only_who_may_approve_may_go_back(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    with pytest.raises(PermissionDeniedError):
        deploying.ask("rollouts.rollback", Actor("otto", Role.OPERATOR), model=MODEL)
    assert deploying.running() is None


def test_a_rollback_stops_what_goes_forth_again_at_once(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.roll_back()
    deploying.settle()
    deploying.ask("rollouts.start", model=MODEL, number=2)
    assert deploying.roll_back()["done"] == "the rollout of version 2 was aborted"
    deploying.settle()
    assert deploying.weights() == {"v1": 100}


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_clock_that_was_set_back_does_not_turn_the_way_back_round(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.world.clock.advance(timedelta(hours=1))
    deploying.bring_in(2)
    deploying.world.clock.advance(timedelta(minutes=-30))
    deploying.bring_in(3)
    deploying.roll_back()
    deploying.settle()
    assert deploying.weights() == {"v2": 100}


@pytest.mark.parametrize("world", BOTH, indirect=True)
def test_a_rollout_whose_limits_cannot_be_read_is_rolled_back_as_any_other(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.bring_in(2)
    with deploying.world.platform.database.transaction() as connection:
        running = active_rollout(connection, MODEL)
        assert running is not None
        where = rollout_table.c.id == running.id
        stored = connection.execute(select(rollout_table.c.spec).where(where)).scalar_one()
        stored["spec"]["strategy"]["limits"]["max_degradation"] = {"accuracy": None}
        connection.execute(update(rollout_table).where(where).values(spec=stored))
    deploying.roll_back()
    deploying.settle()
    assert deploying.weights() == {"v1": 100}
