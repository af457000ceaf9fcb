"""Versions are numbered, registered once a job, and decided once."""

from itertools import product

import pytest

from trimtab.core.errors import ConflictError, DataContractError, IllegalTransitionError, NotFoundError
from trimtab.db.engine import Connection, Database
from trimtab.registry.store import decide, get, latest, listing, mark_projected, register
from trimtab.registry.versions import TRANSITIONS, ModelVersion, VersionState


def _register(
    connection: Connection, job: str = "j1", model: str = "bike", metrics: dict[str, float] | None = None
) -> ModelVersion:
    return register(
        connection,
        model=model,
        digest=job[-1] * 64,
        bundle_path=f"/bundles/{model}/{job}",
        algorithm="lightgbm",
        snapshot_id="s1",
        job_id=job,
        created_us=int(job[-1]),
        metrics=metrics or {"rmse": 41.5},
        spec={"dataset_hash": "d" * 32},
    )


def test_versions_of_a_model_count_up_and_start_pending(database: Database) -> None:
    with database.transaction() as connection:
        first, second, other = (
            _register(connection),
            _register(connection, "j2"),
            _register(connection, "j3", model="heart"),
        )
    assert [(v.model, v.number) for v in (first, second, other)] == [("bike", 1), ("bike", 2), ("heart", 1)]
    assert (first.state, first.metrics, first.spec) == (
        VersionState.PENDING,
        {"rmse": 41.5},
        {"dataset_hash": "d" * 32},
    )
    assert first.subject == "version:bike/1"
    with database.reading() as connection:
        assert get(connection, "bike", 1) == first
        assert [v.number for v in listing(connection, model="bike")] == [2, 1]
        assert {v.id for v in listing(connection)} == {first.id, second.id, other.id}
        assert latest(connection, "bike") == second
        assert latest(connection, "bike", state=VersionState.APPROVED) is None


def test_a_job_registers_once(database: Database) -> None:
    with database.transaction() as connection:
        first = _register(connection)
        assert _register(connection) == first
        with pytest.raises(ConflictError, match="a job registers one bundle"):
            _register(connection, model="heart")
    assert len(database.read(listing)) == 1


def test_an_unknown_job_or_snapshot_is_a_conflict_and_not_a_traceback(database: Database) -> None:
    with pytest.raises(ConflictError, match="known job"), database.transaction() as connection:
        _register(connection, "j9")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_no_number_is_refused(database: Database, value: float) -> None:
    with pytest.raises(DataContractError, match="'roc_auc'"), database.transaction() as connection:
        _register(connection, metrics={"roc_auc": value})


def test_a_decision_is_kept_with_its_reason_and_repeating_it_changes_nothing(database: Database) -> None:
    with database.transaction() as connection:
        _register(connection)
        decided = decide(connection, "bike", 1, approved=True, by="ada", reason="better on recent rows", at_us=9)
        assert decide(connection, "bike", 1, approved=True, by="ada", reason="again", at_us=10) == decided
    assert (decided.state, decided.decided_by, decided.decided_us, decided.version) == (
        VersionState.APPROVED,
        "ada",
        9,
        2,
    )
    assert (decided.reason, decided.metrics) == ("better on recent rows", {"rmse": 41.5})


def test_a_second_opinion_cannot_approve_what_was_rejected(database: Database) -> None:
    with database.transaction() as connection:
        _register(connection)
        decide(connection, "bike", 1, approved=False, by="ada", reason="too slow", at_us=9)
        with pytest.raises(IllegalTransitionError, match=r"is rejected \(by ada\), cannot become approved"):
            decide(connection, "bike", 1, approved=True, by="bob", reason="", at_us=10)
        with pytest.raises(IllegalTransitionError, match="it can become: nothing"):
            decide(connection, "bike", 1, approved=False, by="bob", reason="", at_us=12)


def test_an_unknown_version_says_which_there_are(database: Database) -> None:
    with database.transaction() as connection:
        _register(connection)
        with pytest.raises(NotFoundError, match="version 7 of 'bike': not registered; its newest is 1"):
            get(connection, "bike", 7)
        with pytest.raises(NotFoundError, match="it has none"):
            decide(connection, "heart", 1, approved=True, by="ada", reason="", at_us=0)


def test_a_change_made_while_the_tracking_server_was_told_stays_to_be_told(database: Database) -> None:
    with database.transaction() as connection:
        seen = _register(connection)
        changed = decide(connection, "bike", 1, approved=True, by="ada", reason="", at_us=1)
        mark_projected(connection, seen)
        assert get(connection, "bike", 1).projected_version == seen.version < changed.version
        mark_projected(connection, changed)
        mark_projected(connection, seen)
        assert get(connection, "bike", 1).projected_version == changed.version


def test_a_rejected_version_stays_rejected_and_none_becomes_pending_again() -> None:
    reachable = {(a, b) for a, b in product(VersionState, VersionState) if b in TRANSITIONS[a]}
    assert set(TRANSITIONS) == set(VersionState)
    assert not {(a, b) for a, b in reachable if a is VersionState.REJECTED or b is VersionState.PENDING or a is b}
