"""Who asks too much is turned away for as long as told, and nobody else is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.integration.office import is_problem, served
from tests.integration.small_project import FILES, make_project

from trimtab.bootstrap import build_platform
from trimtab.cli.http_client import HttpClient
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.loop.keys import replace_key
from trimtab.loop.platform import Platform

RATES = """
  requests: {per_second: 2, burst: 4}
  writes: {per_second: 0.001, burst: 2}
  failures: {per_second: 0.001, burst: 3}
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    project = make_project(tmp_path)
    rates = " ".join(line.strip() + "," for line in RATES.strip().splitlines())
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("rate: null", f"rate: {{{rates}}}"))
    built = build_platform(ProjectFolder.open(project))
    yield built
    built.database.close()


@pytest.fixture
def client(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform) as serving:
        yield serving


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def key_of(platform: Platform, name: str) -> str:
    with platform.database.transaction() as connection:
        return replace_key(connection, name, Role.OPERATOR, at_us=0)


def until_refused(client: httpx.Client, path: str, headers: dict[str, str], most: int = 200) -> httpx.Response:
    """Ask until it is too much, however slow this machine is."""
    for _ in range(most):
        answer = client.get(path, headers=headers)
        if answer.status_code == 429:
            return answer
    raise AssertionError(f"{most} requests were all answered")


def test_one_key_that_asks_too_much_waits_and_others_do_not(platform: Platform, client: httpx.Client) -> None:
    ann, bob = bearer(key_of(platform, "ann")), bearer(key_of(platform, "bob"))
    refused = until_refused(client, "/api/incidents", ann)
    assert is_problem(refused, 429)
    assert "'ann': too many requests; ask again in 1 s" in refused.json()["detail"]
    assert client.get("/api/incidents", headers=bob).status_code == 200
    time.sleep(int(refused.headers["retry-after"]))
    assert client.get("/api/incidents", headers=ann).status_code == 200
    assert client.get("/api/health").status_code == 200


def test_what_changes_something_is_counted_besides(platform: Platform, client: httpx.Client) -> None:
    ann = bearer(key_of(platform, "ann"))
    answers = [client.post("/api/incidents/x/close", json={"reason": "y"}, headers=ann).status_code for _ in range(3)]
    assert answers == [422, 422, 429]
    assert client.get("/api/incidents", headers=ann).status_code == 200


def test_wrong_keys_are_counted_by_address_and_lock_nobody_out(platform: Platform, client: httpx.Client) -> None:
    answers = [client.get("/api/status", headers=bearer(f"tt_{number}")) for number in range(4)]
    assert [one.status_code for one in answers] == [401, 401, 401, 429]
    assert is_problem(answers[-1], 429)
    assert client.get("/api/incidents", headers=bearer(key_of(platform, "ann"))).status_code == 200
    told = client.get("/metrics").text
    assert 'trimtab_refused_total{door="api",why="wrong key"} 4.0' in told


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer tt_made-up"}, {"Cookie": "trimtab_session=x"}])
@pytest.mark.parametrize("content", [b'{"name":', b"\xff", b"{}"])
def test_whatever_a_stranger_sends_is_counted_and_nothing_is_said_of_it(
    client: httpx.Client, headers: dict[str, str], content: bytes
) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False) as stranger:
        as_json = {**headers, "Content-Type": "application/json"}
        answers = [stranger.post("/api/keys", content=content, headers=as_json).status_code for _ in range(12)]
    assert set(answers) <= {401, 403, 429}
    assert answers[-1] == 429


@pytest.mark.parametrize("headers", [{}, {"Cookie": "anything=1"}, {"Authorization": "Bearer x"}])
def test_whoever_brings_nothing_is_counted_by_address(client: httpx.Client, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False) as stranger:
        assert is_problem(until_refused(stranger, "/docs", headers), 429)
        assert stranger.get("/api/health").status_code == 200


def test_another_address_that_somebody_claims_to_have_makes_no_difference(client: httpx.Client) -> None:
    with httpx.Client(base_url=client.base_url, trust_env=False) as stranger:
        told = (stranger.get("/docs.css", headers={"X-Forwarded-For": f"192.0.2.{number}"}) for number in range(250))
        assert any(answer.status_code == 429 for answer in told)


def test_a_command_waits_as_long_as_it_is_told(platform: Platform, client: httpx.Client) -> None:
    key = key_of(platform, "ann")
    asking = HttpClient(str(client.base_url), key)
    assert asking.ask("incidents.list")["incidents"] == []
    until_refused(client, "/api/incidents", bearer(key))
    assert asking.ask("incidents.list")["incidents"] == []
    asking.close()
