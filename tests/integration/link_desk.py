"""A platform whose people decide by links, and what its tests send and read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from tests.integration.office import served
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.core.canonical import JsonObject
from trimtab.core.enums import Role
from trimtab.db.engine import machine_us
from trimtab.loop import keys
from trimtab.loop.actor import Actor
from trimtab.loop.approval_links import LinkWriter
from trimtab.loop.operation import perform
from trimtab.notify.messenger import Messenger
from trimtab.notify.sender import Outgoing

__all__ = ["CONFIG", "DANA", "EMIL", "OTTO", "Desk", "Post", "open_desk"]


DANA, EMIL, OTTO = Actor("dana", Role.APPROVER), Actor("emil", Role.APPROVER), Actor("otto", Role.OPERATOR)
CONFIG = """
project: tiny
api: {port: 0, public_url: "http://127.0.0.1:1"}
serving: {port: 0}
notifications:
  - {name: dana-direct, url: "json://127.0.0.1:9/dana", approver: dana, fallback: team}
  - {name: emil-direct, url: "json://127.0.0.1:9/emil", approver: emil}
  - {name: team, url: "json://127.0.0.1:9/team"}
"""


@dataclass
class Post:
    """Takes what leaves, in the place of all channels; what is told to fail does."""

    taken: list[tuple[str, str]] = field(default_factory=list)

    def send(self, url: str, message: Outgoing) -> None:
        self.taken.append((url.rpartition("/")[2], message.body))


@dataclass
class Desk:
    """A platform whose people decide by links, and a browser."""

    world: World
    browser: httpx.Client

    def ask(self, name: str, actor: Actor = OTTO, /, **fields: object) -> JsonObject:
        return perform(self.world.platform, actor, name, fields)

    def wanted(self) -> str:
        """Have something wait for approval, and people told; return the request's id."""
        action_id = str(self.ask("retraining.trigger", model=MODEL, reason="the world has changed")["action_id"])
        self.world.deliver()
        return action_id

    def mail(self) -> dict[str, str]:
        """Send what waits; return the newest text of each route that asks for a decision, else the newest."""
        platform, post = self.world.platform, Post()
        messenger = Messenger(
            platform.database,
            platform.project.config.notifications,
            now_us=machine_us,
            sender=post,
            complete=LinkWriter(platform.project, platform.database).complete,
        )
        messenger.run()
        while messenger.busy:
            messenger.run()
        # Messages that ask leave before others: of a kind, they leave in the order in which they were written.
        return dict(sorted(post.taken, key=lambda told: "reject: " in told[1]))

    def links(self, body: str) -> dict[str, str]:
        """Return the path of each word's link."""
        return {word: path for word, path in re.findall(r"(approve|reject): http://127\.0\.0\.1:1(/links/\S+)", body)}

    def wait_and_links(self, person: str = "dana") -> tuple[str, dict[str, str]]:
        action_id = self.wanted()
        return action_id, self.links(self.mail()[person])

    def press(self, path: str, **fields: str) -> httpx.Response:
        """Open the page, and send its form."""
        page = self.browser.get(path)
        found = re.search(r'name="nonce" value="([^"]+)"', page.text)
        return self.browser.post(path, data={"nonce": "" if found is None else found[1], **fields})

    def state(self, action_id: str) -> str:
        return str(self.ask("approvals.show", action_id=action_id)["state"])

    def rows(self, table: Any) -> list[Any]:
        return list(self.world.platform.database.read(lambda connection: connection.execute(select(table)).all()))


@contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    """Serve a platform in ``folder`` with a key for each person."""
    world = make_world(folder, trimtab=CONFIG)
    with world.platform.database.transaction() as connection:
        for person in (DANA, EMIL, OTTO):
            keys.create_key(connection, person.name, person.role, at_us=1)
    with (
        served(world.platform) as client,
        httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as browser,
    ):
        yield Desk(world, browser)
    world.platform.database.close()
