"""Signing in at the console: what a browser sends, what a page of another origin makes it send, what a thief has."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.office import is_problem, served
from tests.integration.small_project import FILES, make_project

from trimtab import bootstrap
from trimtab.config.project import ProjectFolder
from trimtab.loop.platform import Platform

COOKIE = "trimtab_session"
KEY = {"name": "made-within", "role": "viewer"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform_with("", tmp_path_factory.mktemp("plain")) as built:
        yield built


@pytest.fixture(scope="module")
def admin(platform: Platform) -> Iterator[httpx.Client]:
    with served(platform) as client:
        yield client


@contextlib.contextmanager
def platform_with(api: str, folder: Path) -> Iterator[Platform]:
    """Build a platform over a small project whose ``api`` holds ``api`` too."""
    make_project(folder)
    (folder / "trimtab.yaml").write_text(FILES["trimtab.yaml"].replace("api: {", f"api: {{{api}", 1))
    built = bootstrap.build_platform(ProjectFolder.open(folder))
    yield built
    built.database.close()


@contextlib.contextmanager
def browser(admin: httpx.Client) -> Iterator[httpx.Client]:
    """Return a browser on a page of the control plane: it keeps cookies and says where its requests come from."""
    headers = {"Origin": str(admin.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=admin.base_url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


def key_of(admin: httpx.Client) -> str:
    return admin.headers["authorization"].removeprefix("Bearer ")


def signed_in(client: httpx.Client, key: str) -> dict[str, str]:
    """Sign in, and return the headers that changes need."""
    answer = client.post("/api/session", json={"key": key})
    assert answer.status_code == 200, answer.text
    return {"X-CSRF-Token": answer.json()["csrf_token"]}


def made(admin: httpx.Client, name: str, role: str = "viewer") -> str:
    answer = admin.post("/api/keys", json={"name": name, "role": role})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["key"])


def entries(admin: httpx.Client, action: str) -> list[dict[str, Any]]:
    listed = admin.get("/api/audit", params={"limit": 1000}).json()["entries"]
    return [one for one in listed if one["action"] == action]


def test_whoever_signs_in_may_what_their_key_may_until_they_sign_out(admin: httpx.Client) -> None:
    key = made(admin, "dana", "operator")
    with browser(admin) as client:
        csrf = signed_in(client, key)
        who = client.get("/api/session").json()
        assert (who["name"], who["role"], who["csrf_token"]) == ("dana", "operator", csrf["X-CSRF-Token"])
        assert client.get("/api/status").status_code == 200
        assert is_problem(client.get("/api/keys"), 403)
        retry = {"reason": "mended"}
        assert client.post("/api/events/retry", json=retry, headers=csrf).status_code == 200
        token = client.cookies[COOKIE]
        assert client.delete("/api/session", headers=csrf).json() == {"ended": True}
        assert COOKIE not in client.cookies
        client.cookies.set(COOKIE, token)
        assert is_problem(client.get("/api/status"), 401)
    assert [one["actor"] for one in entries(admin, "session.begun")][-1] == "dana"
    assert [one["actor"] for one in entries(admin, "session.ended")][-1] == "dana"


def test_the_cookie_is_kept_from_scripts_and_other_sites(admin: httpx.Client) -> None:
    with browser(admin) as client:
        answer = client.post("/api/session", json={"key": key_of(admin)})
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith(f"{COOKIE}=")
    assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=strict", f"Max-Age={12 * 3600}"}
    assert key_of(admin) not in answer.headers["set-cookie"] + answer.text


def test_a_cookie_that_was_planted_before_is_not_the_session(admin: httpx.Client) -> None:
    """Session fixation: the attacker knows the cookie's value before the victim signs in."""
    with browser(admin) as attacker, browser(admin) as victim:
        signed_in(attacker, made(admin, "mallory"))
        planted = attacker.cookies[COOKIE]
        for value in (planted, "x" * 43):
            victim.cookies.clear()
            victim.cookies.set(COOKIE, value)
            answer = victim.post("/api/session", json={"key": key_of(admin)})
            assert value not in answer.headers["set-cookie"]
        assert is_problem(attacker.get("/api/session"), 401)


def test_a_stolen_cookie_is_worth_nothing_once_the_key_is_revoked(admin: httpx.Client) -> None:
    key = made(admin, "leaver")
    with browser(admin) as client, browser(admin) as thief:
        signed_in(client, key)
        thief.cookies.set(COOKIE, client.cookies[COOKIE])
        assert thief.get("/api/status").status_code == 200
        assert admin.post("/api/keys/leaver/revoke", json={}).status_code == 200
        assert is_problem(thief.get("/api/status"), 401)
        assert is_problem(client.get("/api/session"), 401)


def test_an_admin_sees_who_is_signed_in_and_signs_them_out(admin: httpx.Client) -> None:
    with browser(admin) as client, browser(admin) as other:
        signed_in(client, made(admin, "vera"))
        signed_in(other, made(admin, "otto"))
        listed = {one["name"]: one for one in admin.get("/api/sessions").json()["sessions"]}
        assert listed["vera"]["address"] == "127.0.0.1"
        assert client.cookies[COOKIE] not in str(listed)
        ended = admin.post("/api/sessions/end", json={"session_id": listed["vera"]["session_id"], "reason": "lost it"})
        assert ended.json() == {"ended": 1}
        assert is_problem(client.get("/api/status"), 401)
        assert other.get("/api/status").status_code == 200
        assert admin.post("/api/sessions/end", json={"name": "otto"}).json() == {"ended": 1}
        assert is_problem(other.get("/api/status"), 401)
    assert is_problem(admin.post("/api/sessions/end", json={"session_id": listed["vera"]["session_id"]}), 404)
    assert entries(admin, "session.ended")[-1]["actor"] == "tester"


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=str,
)
def test_a_page_of_another_origin_changes_nothing_though_it_had_the_token(
    admin: httpx.Client, sent: dict[str, str]
) -> None:
    """Another port of this machine is the same site: the browser sends a SameSite=Strict cookie with its requests."""
    with browser(admin) as client:
        csrf = signed_in(client, key_of(admin))
        foreign = httpx.Request(
            "POST",
            f"{admin.base_url}/api/keys",
            json=KEY,
            headers={**sent, **csrf, "Cookie": f"{COOKIE}={client.cookies[COOKIE]}"},
        )
        assert is_problem(client.send(foreign), 403)
    assert KEY["name"] not in {one["name"] for one in admin.get("/api/keys").json()["keys"]}


def test_a_page_of_another_origin_reads_nothing_by_a_session_either(admin: httpx.Client) -> None:
    with browser(admin) as client:
        signed_in(client, key_of(admin))
        assert is_problem(client.get("/api/audit/verify", headers={"Sec-Fetch-Site": "same-site"}), 403)
        # Whoever types the address, or a program that says nothing, is no page.
        assert client.get("/api/status", headers={"Sec-Fetch-Site": "none"}).status_code == 200
        assert is_problem(client.post("/api/keys", json=KEY, headers={"Sec-Fetch-Site": "none"}), 403)


def test_a_change_needs_the_token_of_its_own_session(admin: httpx.Client) -> None:
    with browser(admin) as client, browser(admin) as other:
        signed_in(client, key_of(admin))
        foreign = signed_in(other, key_of(admin))
        assert is_problem(client.post("/api/keys", json=KEY), 403)
        assert is_problem(client.post("/api/keys", json=KEY, headers=foreign), 403)
        assert is_problem(client.delete("/api/session"), 403)
        assert client.get("/api/session").status_code == 200


def test_a_page_of_another_origin_signs_nobody_in(admin: httpx.Client) -> None:
    """Login CSRF: the victim would work in the attacker's account."""
    sent = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    key = key_of(admin)
    answer = httpx.post(f"{admin.base_url}/api/session", json={"key": key}, headers=sent, trust_env=False)
    assert is_problem(answer, 403)
    assert "set-cookie" not in answer.headers
    form = httpx.post(f"{admin.base_url}/api/session", data={"key": key}, trust_env=False)
    assert is_problem(form, 422)
    assert "set-cookie" not in form.headers


def test_a_request_that_brings_both_key_and_session_is_refused(admin: httpx.Client) -> None:
    with browser(admin) as client:
        signed_in(client, made(admin, "both"))
        answer = client.get("/api/status", headers={"Authorization": admin.headers["authorization"]})
        assert is_problem(answer, 403)
        assert "send one of the two" in answer.text


def test_whoever_guesses_keys_does_not_wait_for_the_one_writer_nor_have_others_wait(
    platform: Platform, admin: httpx.Client
) -> None:
    # The writer's turn is taken here: whoever needs it, is not answered in this time.
    with platform.database.transaction(), browser(admin) as client:
        assert is_problem(client.post("/api/session", json={"key": "tt_guess"}, timeout=20), 401)


def test_wrong_keys_are_counted_and_told_at_once(platform: Platform, admin: httpx.Client) -> None:
    platform.refusals.taken()
    with browser(admin) as client:
        for guess in ("tt_a", "tt_b"):
            assert is_problem(client.post("/api/session", json={"key": guess}), 401)
        assert is_problem(client.get("/api/status", headers={"Authorization": "Bearer tt_c"}), 401)
    assert entries(admin, "access.refused") == []
    assert platform.refusals.tell(platform.database, at_us=platform.now_us())
    assert not platform.refusals.tell(platform.database, at_us=platform.now_us())
    [told] = entries(admin, "access.refused")
    assert told["spec"]["detail"] == {"attempts": 3, "addresses": {"127.0.0.1": 3}}
    assert "tt_" not in str(told)


def test_behind_a_proxy_with_tls_the_cookie_goes_over_https_only(tmp_path: Path) -> None:
    with platform_with('public_url: "https://ops.example.com", ', tmp_path) as built, served(built) as admin:
        sent = {"Host": "ops.example.com", "Origin": "https://ops.example.com", "Sec-Fetch-Site": "same-origin"}
        with httpx.Client(base_url=admin.base_url, headers=sent, timeout=30, trust_env=False) as client:
            answer = client.post("/api/session", json={"key": key_of(admin)})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-trimtab=")
            assert {"Secure", "HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
            assert "max-age" in answer.headers["strict-transport-security"]
            within = {"Cookie": cookie.partition(";")[0], "X-CSRF-Token": answer.json()["csrf_token"]}
            assert client.post("/api/keys", json=KEY, headers=within).status_code == 200
            plain = {**within, "Origin": "http://ops.example.com"}
            assert is_problem(client.post("/api/keys", json=KEY, headers=plain), 403)
            # The name that a cookie has over plain http is nobody's here.
            named = {"Cookie": f"{COOKIE}={within['Cookie'].partition('=')[2]}"}
            assert is_problem(client.get("/api/status", headers=named), 401)


def test_over_plain_http_that_leaves_the_machine_nobody_is_signed_in(tmp_path: Path) -> None:
    with platform_with('public_url: "http://ops.example.com", ', tmp_path) as built, served(built) as admin:
        answer = admin.post("/api/session", json={"key": key_of(admin)})
        assert is_problem(answer, 422)
        assert "api.public_url" in answer.text
        assert "set-cookie" not in answer.headers
