"""Technical documentation tells of a version what was so when it was made, and of the platform what may happen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import update
from tests.unit.loop.projects import MODEL, POLICY, World, make_world

from trimtab.core.enums import Verdict
from trimtab.db.tables import model_version
from trimtab.loop.reporting.technical import technical_data


def filled(world: World, source: str) -> Sequence[str]:
    return technical_data(world.platform, MODEL).filled[source]


def made_with(world: World, config_hash: str) -> None:
    world.version(1)
    with world.platform.database.transaction() as connection:
        connection.execute(update(model_version).values(spec={"config_hash": config_hash, "git_commit": "abc1234"}))


def test_what_the_files_say_is_told_of_a_version_that_was_made_with_them(world: World) -> None:
    made_with(world, world.platform.files(MODEL).digest)
    assert "seed 42: the same data give the same version" in filled(world, "validation")[-1]
    assert filled(world, "columns") == filled(world, "inputs")
    assert "selected by accuracy" in filled(world, "objective")[0]
    assert "as the files say today" not in str(filled(world, "metrics"))


def test_files_that_were_changed_since_are_not_told_as_those_it_was_made_with(world: World) -> None:
    made_with(world, "0" * 64)
    data = technical_data(world.platform, MODEL)
    assert not data.filled["validation"]
    assert "configuration 0000000000000000… (commit abc1234)" in data.missing["validation"]
    assert "sex: category, never missing" in data.filled["columns"]
    assert "as its bundle names them" in data.filled["columns"][0]
    assert "selected by" not in str(data.filled["objective"])
    for source in ("inputs", "metrics", "monitors"):
        assert data.filled[source][0].startswith("as the files say today"), source
    assert str(data.filled["software"]).count("where this was written") == len(data.filled["software"])


def test_a_version_whose_configuration_is_not_on_record_gets_none(world: World) -> None:
    world.version(1)
    data = technical_data(world.platform, MODEL)
    assert not data.filled["validation"]
    assert "not on record" in data.missing["validation"]


def test_who_lets_a_version_go_out_follows_the_policy(tmp_path: Path, world: World) -> None:
    world.version(1)
    assert "only after a person has approved it" in str(filled(world, "automatic_changes"))
    policy = f"allow_automatic: [retrain, deploy]{POLICY}"
    lets = make_world(tmp_path / "lets", policy=policy)
    lets.version(1)
    assert "without a person (allow_automatic names deploy)" in str(filled(lets, "automatic_changes"))
    assert "only after a person" not in str(filled(lets, "automatic_changes"))
    lets.platform.database.close()


def test_what_is_answered_without_a_record_is_said(tmp_path: Path, world: World) -> None:
    world.version(1)
    assert "what cannot be recorded is not answered (on_full: refuse)" in filled(world, "logging")
    sheds = make_world(tmp_path / "sheds", deployment_config="on_full: shed\n")
    sheds.version(1)
    assert "WITHOUT a record" in str(filled(sheds, "logging"))
    sheds.platform.database.close()


def test_an_inconclusive_measure_is_no_figure_and_is_not_nothing(world: World) -> None:
    world.version(1)
    assert "nothing was measured" in technical_data(world.platform, MODEL).missing["live"]
    world.checked(world.check(Verdict.INCONCLUSIVE, kind="model_quality", detail={"metric": "accuracy"}))
    data = technical_data(world.platform, MODEL)
    assert not data.filled["live"]
    assert "decides nothing yet (2030-01-01" in data.missing["live"]
    assert "model_quality of all: inconclusive" in data.missing["live"]


def test_a_version_without_a_run_has_no_test_logs(world: World) -> None:
    world.version(1)
    data = technical_data(world.platform, MODEL)
    assert not data.filled["test_logs"]
    assert "no MLflow run is known of job j1" in data.missing["test_logs"]
    assert "unseen categories" not in str(data.filled["parity"])
