"""What people who look on are told: numbers, drift, versions, answers, and rows that wait for a label."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.loop.acting import Acting
from tests.unit.loop.deploying import Deploying
from tests.unit.loop.projects import MODEL, World
from tests.unit.loop.shipping import Asked, Shipping

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role, Verdict
from trimtab.core.errors import ConflictError, NotFoundError, PermissionDeniedError
from trimtab.loop.actor import Actor


class Answered(Asked):
    """A row with an id as the server gives them: only such a one can be labelled."""

    @property
    def id(self) -> str:
        return f"{self.at_s:08x}-0000-7000-8000-000000000000"


VERA, OTTO = Actor("vera", Role.VIEWER), Actor("otto", Role.OPERATOR)


@pytest.fixture
def acting(world: World) -> Acting:
    return Acting.on(world)


def ask(world: World, name: str, /, actor: Actor = VERA, **fields: object) -> JsonObject:
    return Deploying(world).ask(name, actor, **fields)


def only(answer: JsonObject) -> JsonObject:
    [model] = answer["models"]
    assert model["model"] == MODEL
    return dict(model)


def test_numbers_and_drift_are_those_of_the_newest_looks(acting: Acting) -> None:
    world = acting.world
    assert only(ask(world, "metrics.show"))["metrics"] == []
    assert only(ask(world, "metrics.drift"))["drift_share"] is None
    world.checked(*world.drift(Verdict.OK, quality=0.9))
    world.clock.advance(timedelta(hours=1))
    world.checked(*world.drift(Verdict.BREACH, quality=0.7))
    [quality] = only(ask(world, "metrics.show", model=MODEL))["metrics"]
    assert (quality["kind"], quality["part"], quality["value"]) == ("model_quality", "accuracy", 0.7)
    moved = only(ask(world, "metrics.drift"))
    assert [one["kind"] for one in moved["drift"]] == ["data_drift"]
    world.clock.advance(timedelta(hours=1))
    judged = {"age": Verdict.OK, "chol": Verdict.BREACH, "sex": Verdict.OK, "note": Verdict.INCONCLUSIVE}
    world.checked(*[world.check(verdict, column=name) for name, verdict in judged.items()])
    moved = only(ask(world, "metrics.drift"))
    assert (moved["drift_share"], moved["columns_judged"], moved["columns"]) == (pytest.approx(1 / 3), 3, 4)
    assert moved["far_out"] == ["note"], "beyond its limit, and no alarm yet"


def test_a_model_says_which_version_serves_and_which_is_the_newest(acting: Acting) -> None:
    acting.world.version(2)
    status = only(ask(acting.world, "models.status"))
    assert status["serves"] == {"v1": "100 %"}
    assert (status["champion"]["number"], status["champion"]["stage"]) == (1, "Production")
    assert (status["newest"]["number"], status["newest"]["stage"]) == (2, None)
    assert status["primary_metric"] in status["champion"]["metrics"]


def test_a_model_whose_file_is_broken_hides_no_other(acting: Acting) -> None:
    folder = acting.world.platform.project.root / "models"
    (folder / "broken").mkdir()
    (folder / "broken" / "model.yaml").write_text("name: other\n")
    for name in ("metrics.show", "metrics.drift", "models.status"):
        broken, whole = ask(acting.world, name)["models"]
        assert "models/broken/model.yaml" in broken["error"]
        assert "error" not in whole
    with pytest.raises(NotFoundError, match="'nobody'"):
        ask(acting.world, "metrics.show", model="nobody")


def test_answers_are_listed_newest_first_across_segments(acting: Acting) -> None:
    world = acting.world
    assert "no answer of it is in the lake" in ask(world, "inspections.list")["why_none"]
    shipping = Shipping(world)
    shipping.rows(*[Asked(at, age=40.0 + at) for at in (0, 10, 20)])
    shipping.rows(*[Asked(at, age=40.0 + at) for at in (5, 15)])
    shipping.rows(Asked(7_200))
    world.clock.advance(timedelta(hours=1))
    told = ask(world, "inspections.list", model=MODEL, limit=4)
    assert [one["prediction_id"] for one in told["inspections"]] == ["1-20-0", "1-15-0", "1-10-0", "1-5-0"]
    assert told["inspections"][0]["features"] == {"age": 60.0, "chol": 200.0, "sex": "male"}
    assert told["why_none"] is None


def test_a_campaign_whose_file_is_gone_hides_no_other(acting: Acting) -> None:
    world, shipping = acting.world, Shipping(acting.world)
    shipping.rows(*[Answered(at, probability=0.5 + at / 100) for at in range(10)])
    world.clock.advance(timedelta(hours=1))
    opened = []
    for reason in ("quality fell", "and fell"):
        opened.append(ask(world, "labelling.open", OTTO, model=MODEL, rows=4, reason=reason)["campaign_id"])
        acting.settle()
    lake = world.platform.lake
    (lake.root / "labelling" / MODEL / f"{opened[0]}.json").unlink()
    waiting = ask(world, "labelling.queue")
    assert {task["campaign_id"] for task in waiting["tasks"]} == {opened[1]}
    assert ask(world, "labelling.label", OTTO, task_id=waiting["tasks"][0]["task_id"], label="yes")["accepted"]
    with pytest.raises(NotFoundError, match="is not in the lake"):
        ask(world, "labelling.campaign", OTTO, campaign_id=opened[0])


def test_rows_of_a_campaign_wait_until_each_is_labelled_once(acting: Acting) -> None:
    world, shipping = acting.world, Shipping(acting.world)
    assert "open_labelling" in ask(world, "labelling.queue")["why_none"]
    shipping.rows(*[Answered(at, probability=0.5 + at / 100) for at in range(10)])
    world.clock.advance(timedelta(hours=1))
    ask(world, "labelling.open", OTTO, model=MODEL, rows=4, reason="quality fell")
    acting.settle()
    waiting = ask(world, "labelling.queue")
    assert (waiting["waiting"], waiting["labelled"], waiting["why_none"]) == (4, 0, None)
    first = waiting["tasks"][0]
    assert (first["task_id"], first["model"], first["campaign_why"]) == (Answered(0).id, MODEL, "quality fell")
    assert len(ask(world, "labelling.queue", limit=2)["tasks"]) == 2
    with pytest.raises(PermissionDeniedError):
        ask(world, "labelling.label", VERA, task_id=first["task_id"], label="yes")
    world.clock.advance(timedelta(minutes=1))
    for task in waiting["tasks"]:
        assert ask(world, "labelling.label", OTTO, task_id=task["task_id"], label="yes")["accepted"]
    shipping.process()
    world.clock.advance(timedelta(minutes=1))
    done = ask(world, "labelling.queue")
    assert (done["waiting"], done["labelled"]) == (0, 4)
    assert "has an outcome" in done["why_none"]
    with pytest.raises(ConflictError, match="has an outcome already"):
        ask(world, "labelling.label", OTTO, task_id=first["task_id"], label="no")
    with pytest.raises(NotFoundError, match="see /api/labeling-queue"):
        ask(world, "labelling.label", OTTO, task_id="../../etc/passwd", label="no")
