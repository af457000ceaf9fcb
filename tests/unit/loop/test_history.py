"""Which version served when, and what the registry shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest
from msgspec import structs
from sqlalchemy import update
from tests.conftest import BOTH
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, START, World

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.core.errors import ConfigError, NotFoundError
from trimtab.db.tables import endpoint_history
from trimtab.loop.actor import Actor
from trimtab.loop.arrivals import note_arrivals
from trimtab.loop.stages import stages_of
from trimtab.registry import store as registry
from trimtab.registry.projection import MlflowProjection
from trimtab.registry.versions import ModelVersion

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)
HOUR = timedelta(hours=1)
ANNE = Actor("anne", Role.APPROVER)


@pytest.fixture
def deploying(world: World) -> Deploying:
    return Deploying.on(world)


def _at(deploying: Deploying, moment: datetime) -> JsonObject:
    [served] = deploying.ask("endpoints.history", endpoint=MODEL, at=moment.isoformat())["generations"]
    return cast(JsonObject, served)


def _shares(served: JsonObject) -> dict[int, str]:
    return {one["version"]: one["weight_pct"] for one in served["versions"]}


def _stages(deploying: Deploying) -> tuple[dict[str, int], dict[int, str | None]]:
    with deploying.world.platform.database.reading() as connection:
        stages = stages_of(connection, MODEL)
    told = deploying.ask("versions.list", model=MODEL)["versions"]
    return dict(stages.aliases), {version["number"]: version["stage"] for version in told}


def test_who_approved_what_served_then_is_not_who_rejected_it_since(deploying: Deploying) -> None:
    deploying.world.version(1, approved=False)
    deploying.ask("versions.decide", model=MODEL, number=1, approve=True, reason="good")
    deploying.bring_in(1, 2)
    before = _at(deploying, START)
    deploying.ask("versions.decide", ANNE, model=MODEL, number=1, approve=False, reason="a leak")
    assert before["versions"] == _at(deploying, START)["versions"]
    assert [(one["state"], one["decided_by"]) for one in before["versions"]] == [("approved", "dana")]


def test_what_served_at_any_moment_is_known(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.roll_back(reason="too many chargebacks")
    deploying.settle()
    found = [_shares(_at(deploying, START + hours * HOUR)) for hours in (0, 0.9, 1, 1.9, 2, 99)]
    assert found == [{1: "100"}, {1: "100"}, {2: "100"}, {2: "100"}, {1: "100"}, {1: "100"}]
    served = _at(deploying, START + 1.5 * HOUR)
    [version] = served["versions"]
    digest = deploying.world.platform.database.read(lambda c: registry.get(c, MODEL, 2)).digest
    assert (version["digest"], version["dataset"], version["decided_by"]) == (digest, "d" * 32, "dana")
    assert (served["since_us"], served["until_us"]) == tuple(
        int((START + hours * HOUR).timestamp()) * 1_000_000 for hours in (1, 2)
    )
    last = _at(deploying, START + 5 * HOUR)
    assert (last["until_us"], last["is_seen"]) == (None, True)
    assert (last["actor"], last["started_by"], last["started_because"]) == ("conductor", "dana", "too many chargebacks")


def test_a_generation_counts_from_when_it_was_seen_to_be_served(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    deploying.roll_back()
    deploying.settle(look=False)
    assert deploying.weights() == {"v1": 100}
    deploying.world.clock.advance(HOUR)
    assert _shares(_at(deploying, START + 2.5 * HOUR)) == {2: "100"}, "it was asked for, and nobody saw it served"
    assert _stages(deploying)[0] == {"champion": 2}
    assert note_arrivals(deploying.world.platform)
    assert not note_arrivals(deploying.world.platform), "the first time counts"
    assert _shares(_at(deploying, START + 2.5 * HOUR)) == {2: "100"}
    assert _shares(_at(deploying, START + 3 * HOUR)) == {1: "100"}
    assert _stages(deploying)[0] == {"champion": 1}


def test_what_was_replaced_before_anybody_saw_it_never_served(deploying: Deploying) -> None:
    deploying.bring_in(1)
    deploying.by_canary()
    deploying.register(2)
    rollout_id = deploying.ask("rollouts.start", model=MODEL, number=2)["rollout_id"]
    deploying.settle(look=False)
    assert deploying.weights() == {"v1": 80, "v2": 20}
    deploying.ask("rollouts.operate", rollout_id=rollout_id, operation="abort", reason="a slip")
    deploying.settle()
    newest = deploying.ask("endpoints.history", endpoint=MODEL)["generations"]
    assert [(one["variants"], one["since_us"] is None) for one in newest] == [
        ({"v1": "100 %"}, False),
        ({"v1": "80 %", "v2": "20 %"}, True),
        ({"v1": "100 %"}, False),
    ]
    assert newest[2]["until_us"] == newest[0]["since_us"], "the first one served until the third did"
    assert _stages(deploying)[1] == {1: "Production", 2: None}


def test_what_an_endpoint_refuses_does_not_count_as_served(deploying: Deploying) -> None:
    deploying.bring_in(1)
    server = deploying.world.server
    deploying.register(2)
    deploying.ask("rollouts.start", model=MODEL, number=2)
    deploying.settle(look=False)
    told = server.serves[MODEL]
    server.serves[MODEL] = structs.replace(told, generation=told.generation - 1, error="variant 'v2': no memory")
    assert note_arrivals(deploying.world.platform), "staging has arrived"
    assert _shares(_at(deploying, START + 9 * HOUR)) == {1: "100"}


def test_what_is_older_than_the_column_counts_from_when_it_was_asked_for_and_says_so(deploying: Deploying) -> None:
    deploying.bring_in(1, 2)
    with deploying.world.platform.database.transaction() as connection:
        connection.execute(update(endpoint_history).values(served_us=None, rollout_id=None))
    assert not note_arrivals(deploying.world.platform), "it was served long before"
    served = _at(deploying, START + 0.5 * HOUR)
    assert (_shares(served), served["is_seen"], served["started_by"]) == ({1: "100"}, False, None)
    assert _stages(deploying) == ({"champion": 2}, {1: "Archived", 2: "Production"})


def test_what_was_never_served_is_told_in_a_sentence(deploying: Deploying) -> None:
    with pytest.raises(NotFoundError, match="endpoint 'tiny': never served anything"):
        deploying.ask("endpoints.history", endpoint=MODEL)
    deploying.bring_in(1)
    with pytest.raises(NotFoundError, match=r"served nothing yet at that moment; see 'trimtab history tiny'"):
        _at(deploying, START - HOUR)
    with pytest.raises(ConfigError, match="expected a time"):
        deploying.ask("endpoints.history", endpoint=MODEL, at="20300101")


def test_stages_follow_what_serves_and_has_served(deploying: Deploying) -> None:
    deploying.bring_in(1, 2, 3)
    deploying.register(4)
    deploying.register(5)
    deploying.ask("versions.decide", model=MODEL, number=5, approve=False, reason="a leak")
    archived = {1: "Archived", 2: "Archived", 4: None, 5: "Archived"}
    assert _stages(deploying) == ({"champion": 3}, {**archived, 3: "Production"})
    deploying.roll_back(1)
    assert _stages(deploying)[1] == {**archived, 1: "Staging", 3: "Production"}
    deploying.settle()
    assert _stages(deploying) == ({"champion": 1}, {**archived, 1: "Production", 3: "Archived"})
    deploying.by_canary()
    deploying.deploy(4)
    assert deploying.weights() == {"v1": 80, "v4": 20}
    tried = {**archived, 1: "Production", 3: "Archived", 4: "Staging"}
    assert _stages(deploying) == ({"champion": 1, "challenger": 4}, tried)
    deploying.roll_back()
    deploying.settle()
    assert _stages(deploying) == ({"champion": 1}, {**tried, 4: "Archived"}), "it had a share of the callers"


class _Registry:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.shown: dict[int, str | None] = {}
        self.aliases: dict[str, int] = {}

    def project(self, version: ModelVersion, *, aliases: Mapping[str, int], stage_shown: str | None = None) -> str:
        self.shown[version.number], self.aliases = stage_shown, dict(aliases)
        return str(version.number)


def test_the_registry_is_shown_a_version_as_champion_when_it_is_served(world: World) -> None:
    shown = _Registry()
    platform = replace(world.platform, projection=lambda: cast(MlflowProjection, shown))
    world = World(platform, world.clock, world.server, world.jobs)
    deploying = Deploying.on(world)
    deploying.bring_in(1, 2)
    world.deliver("projection")
    assert (shown.aliases, shown.shown) == ({"champion": 2}, {1: "Archived", 2: "Production"})
    deploying.roll_back()
    deploying.settle(look=False)
    world.deliver("projection")
    assert (shown.aliases, shown.shown) == ({"champion": 2}, {1: "Archived", 2: "Production"})
    note_arrivals(platform)
    world.deliver("projection")
    assert (shown.aliases, shown.shown) == ({"champion": 1}, {1: "Production", 2: "Archived"})
