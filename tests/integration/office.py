"""A control plane with one key a role, and what its tests send and read."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.integration.processes import ControlPlane, control_plane
from tests.integration.small_project import make_project

from trimtab import bootstrap
from trimtab.api.app import make_app
from trimtab.api.door import Limits
from trimtab.api.server import listen
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.loop.keys import replace_key
from trimtab.loop.operation import Operation
from trimtab.loop.platform import Platform

__all__ = [
    "AS_JSON",
    "SOME_ID",
    "SOME_VALUES",
    "Office",
    "is_problem",
    "opened_office",
    "platform_at",
    "served",
    "upload",
]

AS_JSON = {"Content-Type": "application/json"}
SOME_ID = "0197c0de-0000-7000-8000-000000000000"
SOME_VALUES = {
    "model": "nobody",
    "endpoint": "nobody",
    "feed": "nobody",
    "name": "nobody",
    "number": "7",
}


@dataclass(frozen=True)
class Office:
    """A control plane and one key a role."""

    plane: ControlPlane
    keys: dict[Role, str]
    client: httpx.Client

    def ask(self, asked: Operation, key: str | None) -> httpx.Response:
        """Ask for an operation in an empty project, with nothing that could succeed."""
        path = re.sub(r"{(\w+)}", lambda match: SOME_VALUES.get(match[1], SOME_ID), asked.path)
        headers = {"Authorization": "" if key is None else f"Bearer {key}"}
        return self.client.request(asked.method, path, headers=headers, json=None if asked.method == "GET" else {})


@contextlib.contextmanager
def opened_office(folder: Path) -> Iterator[Office]:
    """Run a control plane over a small project in ``folder``."""
    with control_plane(make_project(folder)) as plane, plane.client() as admin:
        keys = {role: admin.post("/api/keys", json={"name": f"a-{role}", "role": role}).json()["key"] for role in Role}
        yield Office(plane, keys, admin)


@contextlib.contextmanager
def platform_at(folder: Path) -> Iterator[Platform]:
    """Build a platform in this process, for what needs other limits."""
    built = bootstrap.build_platform(ProjectFolder.open(make_project(folder)))
    yield built
    built.database.close()


@contextlib.contextmanager
def served(platform: Platform, limits: Limits | None = None) -> Iterator[httpx.Client]:
    """Serve the platform from a thread of this process; what is accepted is not worked on."""
    with platform.database.transaction() as connection:
        key = replace_key(connection, "tester", Role.ADMIN, at_us=0)
    app = make_app(platform, limits=limits)
    config = uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False, lifespan="off")
    server = uvicorn.Server(config)
    app.state.streams.broadcast.is_stopping = lambda: server.should_exit
    with listen("127.0.0.1", 0) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{bound.getsockname()[1]}",
                headers={"Authorization": f"Bearer {key}"},
                timeout=30,
                trust_env=False,
            ) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(20)


def is_problem(answer: httpx.Response, status: int) -> bool:
    document = answer.json()
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    assert set(document) == {"type", "title", "status", "detail"}
    assert document["status"] == answer.status_code
    return answer.status_code == status


def upload(client: httpx.Client, content: Any, model: str = "churn", **query: str) -> httpx.Response:
    return client.post(f"/api/models/{model}/deliveries", params=query, content=content)
