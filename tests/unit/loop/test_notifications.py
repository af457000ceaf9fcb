"""Whether messages reach people can be seen and tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update
from tests.unit.loop.projects import make_world

from trimtab.core.enums import Role
from trimtab.core.errors import NotFoundError
from trimtab.db.tables import notification
from trimtab.loop.actor import Actor
from trimtab.loop.operation import perform

_DANA = Actor("dana", Role.OPERATOR)


def test_a_route_is_tried_listed_page_by_page_and_what_was_given_up_is_sent_again(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project")
    route = (world.platform.project.config.notifications or (None,))[0]
    name = "log" if route is None else route.name
    asked = [perform(world.platform, _DANA, "notifications.test", {"route": name}) for _ in range(3)]
    ids = {one["notification_id"] for one in asked}
    assert len(ids) == 3
    first = perform(world.platform, _DANA, "notifications.list", {"route": name, "limit": 2})
    rest = perform(world.platform, _DANA, "notifications.list", {"route": name, "limit": 2, "after": first["next"]})
    assert {one["notification_id"] for one in (*first["notifications"], *rest["notifications"])} == ids
    assert rest["next"] is None

    with world.platform.database.transaction() as connection:
        connection.execute(update(notification).values(state="dead", attempts=12))
    assert perform(world.platform, _DANA, "notifications.retry", {"route": "other"})["count"] == 0
    assert perform(world.platform, _DANA, "notifications.retry", {})["count"] == 3
    again = perform(world.platform, _DANA, "notifications.list", {"state": "pending"})["notifications"]
    assert {one["notification_id"] for one in again} == ids
    with pytest.raises(NotFoundError, match=f"route 'nobody': not in trimtab.yaml; it has: {name}"):
        perform(world.platform, _DANA, "notifications.test", {"route": "nobody"})
