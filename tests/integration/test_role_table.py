"""Every way into the control plane, and who may take it. A route that stands in no line of it fails the tests."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import httpx
import pytest
from tests.integration.office import SOME_ID, SOME_VALUES, Office, is_problem, opened_office, platform_at

from trimtab.api.app import make_app
from trimtab.core.enums import Role
from trimtab.loop.operation import OPERATIONS

ORDER = [Role.VIEWER, Role.OPERATOR, Role.APPROVER, Role.ADMIN]
CALLERS = [None, *ORDER, Role.SERVICE]


class Needs(StrEnum):
    """What a way in needs that is no role."""

    NOTHING = "nothing"
    ANY_KEY = "a key of any role"
    SESSION = "a session"
    SENDERS_SECRET = "the secret of a webhook"
    LINK = "a link that was sent"


Way = tuple[str, str]
OTHERS: dict[Way, Needs | Role] = {
    ("GET", "/api/health"): Needs.NOTHING,
    ("GET", "/docs"): Needs.NOTHING,
    ("GET", "/docs.css"): Needs.NOTHING,
    ("GET", "/openapi.json"): Needs.NOTHING,
    ("HEAD", "/openapi.json"): Needs.NOTHING,
    ("GET", "/metrics"): Role.VIEWER,
    ("GET", "/api/stream"): Role.VIEWER,
    ("POST", "/api/session"): Needs.NOTHING,
    ("GET", "/api/session"): Needs.ANY_KEY,
    ("DELETE", "/api/session"): Needs.SESSION,
    ("POST", "/v1/webhooks/{name}"): Needs.SENDERS_SECRET,
    ("GET", "/links/style.css"): Needs.NOTHING,
    ("GET", "/links/{token}"): Needs.LINK,
    ("POST", "/links/{token}"): Needs.LINK,
}
"""All that is no operation."""
TABLE: dict[Way, Needs | Role] = {**{(asked.method, asked.path): asked.role for asked in OPERATIONS.values()}, **OTHERS}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened_office(tmp_path_factory.mktemp("project")) as opened:
        yield opened


def ways_of(routes: Iterable[Any]) -> set[Way]:
    found: set[Way] = set()
    for route in routes:
        within = getattr(route, "original_router", None)
        if within is not None:
            found |= ways_of(within.routes)
        else:
            found |= {(method, route.path) for method in route.methods}
    return found


def test_every_route_stands_in_the_table_and_nothing_else_does(tmp_path_factory: pytest.TempPathFactory) -> None:
    with platform_at(tmp_path_factory.mktemp("here")) as platform:
        assert ways_of(make_app(platform).routes) == set(TABLE)


def asked_status(office: Office, way: Way, role: Role | None) -> httpx.Response:
    """Ask with nothing that could succeed; what would go on for ever is left after its first line."""
    method, template = way
    path = re.sub(r"{(\w+)}", lambda match: SOME_VALUES.get(match[1], SOME_ID), template)
    headers = {"Authorization": "" if role is None else f"Bearer {office.keys[role]}"}
    body: dict[str, str] | None = None if method in {"GET", "HEAD"} else {}
    with office.client.stream(method, path, headers=headers, json=body) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer


@pytest.mark.parametrize("way", sorted(TABLE), ids=" ".join)
def test_each_way_in_is_open_to_those_who_may_and_closed_to_all_others(office: Office, way: Way) -> None:
    needed = TABLE[way]
    for role in CALLERS:
        answer = asked_status(office, way, role)
        assert answer.status_code < 500, (role, answer.text)
        if needed is Needs.NOTHING or (role is not None and _may(role, needed)):
            assert answer.status_code not in {401, 403}, (role, answer.text)
        elif needed is Needs.LINK:
            assert answer.status_code == 404, (role, answer.text)
        elif role is None or isinstance(needed, Needs):
            assert is_problem(answer, 401), (role, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            # Role before request: whoever may not ask learns nothing of what there is.
            assert is_problem(answer, 403), (role, answer.text)


def _may(role: Role, needed: Needs | Role) -> bool:
    return needed is Needs.ANY_KEY if isinstance(needed, Needs) else role.reaches(needed)


def test_each_role_reaches_those_below_it() -> None:
    for low, high in itertools.combinations(ORDER, 2):
        assert high.reaches(low)
        assert not low.reaches(high)
