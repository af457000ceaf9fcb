"""MLflow shows what our table says, however often it is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion as MlflowVersion

from trimtab.core.errors import BackendError
from trimtab.registry.projection import MlflowProjection
from trimtab.registry.versions import ModelVersion, VersionState


def _version(number: int, run_id: str | None = None, state: VersionState = VersionState.PENDING) -> ModelVersion:
    return ModelVersion(
        id=f"v{number}",
        model="bike",
        number=number,
        digest=f"{number:064x}",
        bundle_path=f"/bundles/bike/{number}",
        state=state,
        algorithm="lightgbm",
        snapshot_id="s1",
        job_id=f"j{number}",
        run_id=run_id,
        created_us=0,
        decided_us=None,
        decided_by=None,
        metrics={"rmse": 41.5},
        spec={"dataset_hash": "d" * 32},
        version=1,
    )


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One real MLflow store for all tests here: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


def _all(client: MlflowClient) -> list[MlflowVersion]:
    return sorted(client.search_model_versions("name = 'bike'"), key=lambda entry: int(entry.version))


def _shown(client: MlflowClient) -> list[tuple[str, str, str, Mapping[str, str], int]]:
    return [(str(e.version), e.current_stage, e.source, dict(e.tags), e.last_updated_timestamp) for e in _all(client)]


def test_projecting_shows_version_tags_aliases_and_stage_and_twice_changes_nothing(uri: str, tmp_path: Path) -> None:
    projection = MlflowProjection(uri)
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    run = client.create_run(client.create_experiment("bike", artifact_location=str(tmp_path / "artifacts")))
    first, second = _version(1, run.info.run_id), _version(2)

    shown = projection.project(first, aliases={"champion": 1}, stage_shown="Production")
    projection.project(second, aliases={"champion": 1, "challenger": 2}, stage_shown="Staging")
    client.set_registered_model_alias("bike", "theirs", shown)

    old, new = _all(client)
    assert (old.source, old.run_id, old.current_stage) == (
        f"{run.info.artifact_uri}/bundle",
        run.info.run_id,
        "Production",
    )
    assert {key: old.tags[key] for key in ("trimtab.digest", "trimtab.version", "trimtab.state", "staging_ready")} == {
        "trimtab.digest": first.digest,
        "trimtab.version": "1",
        "trimtab.state": "pending",
        "staging_ready": "true",
    }
    assert old.tags["trimtab.dataset_hash"] == "d" * 32
    assert (new.source, new.current_stage) == ("/bundles/bike/2", "Staging")
    assert client.get_model_version_by_alias("bike", "champion").version == old.version
    assert client.get_model_version_by_alias("bike", "challenger").version == new.version

    before = _shown(client)
    projection.project(first, aliases={"champion": 1, "challenger": 2}, stage_shown="Production")
    projection.project(second, aliases={"champion": 1, "challenger": 2}, stage_shown="Staging")
    assert _shown(client) == before

    # The rollout is through: the alias moves, the challenger is gone, what others set stays.
    rejected = _version(1, run.info.run_id, VersionState.REJECTED)
    projection.project(rejected, aliases={"champion": 2}, stage_shown="Archived")
    projection.project(second, aliases={"champion": 2, "challenger": 77}, stage_shown="Production")
    aliases = client.get_registered_model("bike").aliases
    assert {alias: str(version) for alias, version in aliases.items()} == {"champion": "2", "theirs": "1"}
    assert [(e.current_stage, e.tags["staging_ready"]) for e in _all(client)] == [
        ("Archived", "false"),
        ("Production", "true"),
    ]


def test_an_entry_that_was_made_before_a_crash_is_found_again(uri: str) -> None:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    MlflowProjection(uri).project(_version(3), aliases={})
    count = len(_all(client))
    MlflowProjection(uri).project(_version(3), aliases={})
    assert len(_all(client)) == count


def test_a_run_that_is_gone_is_a_backend_error_in_one_sentence(uri: str) -> None:
    with pytest.raises(BackendError, match=r"MLflow at sqlite:///.*not found"):
        MlflowProjection(uri).project(_version(9, run_id="0" * 32), aliases={})


def test_a_server_that_is_away_is_told_without_the_password_of_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(BackendError, match=r"^MLflow at http://127\.0\.0\.1:9/: .+; check that it runs") as told:
        MlflowProjection("http://ada:s3cret@127.0.0.1:9/").project(_version(1), aliases={})
    assert "s3cret" not in str(told.value)
    assert "ada" not in str(told.value)
