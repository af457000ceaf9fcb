"""Whose page a request comes from, and over which ways a cookie may go."""

from __future__ import annotations

import pytest
from fastapi import Request

from trimtab.api.origins import Origins
from trimtab.config.project import ApiConfig
from trimtab.core.errors import ConfigError, PermissionDeniedError


def sent(method: str = "POST", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": method, "path": "/api/keys", "headers": named})


def is_own(origins: Origins, request: Request, *, origin_needed: bool = True) -> bool:
    try:
        origins.require_own_page(request, origin_needed=origin_needed)
    except PermissionDeniedError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765"])
def test_on_loopback_a_page_is_ours_if_it_has_the_address_that_is_asked(host: str) -> None:
    origins = Origins("127.0.0.1")
    assert is_own(origins, sent(host=host, origin=f"http://{host}"))
    for foreign in (
        f"https://{host}",
        f"http://{host}0",
        "http://localhost",
        "null",
        "",
        f"http://{host}.evil.example",
    ):
        assert not is_own(origins, sent(host=host, origin=foreign)), foreign


def test_a_name_that_is_no_loopback_is_ours_only_if_it_was_said_so() -> None:
    ours = sent(host="ops.example.com", origin="https://ops.example.com")
    assert is_own(Origins("0.0.0.0", "https://ops.example.com"), ours)
    assert not is_own(Origins("0.0.0.0"), ours)
    plain = sent(host="ops.example.com", origin="http://ops.example.com")
    assert not is_own(Origins("0.0.0.0", "https://ops.example.com"), plain)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "", "SAME-ORIGIN"])
def test_what_a_browser_says_of_the_page_counts_though_the_origin_is_ours(site: str) -> None:
    request = sent(host="localhost:1", origin="http://localhost:1", sec_fetch_site=site)
    assert not is_own(Origins("127.0.0.1"), request)


def test_an_address_that_was_typed_may_be_read_and_changes_nothing() -> None:
    origins = Origins("127.0.0.1")
    assert is_own(origins, sent("GET", host="localhost:1", sec_fetch_site="none"), origin_needed=False)
    assert not is_own(origins, sent("DELETE", host="localhost:1", sec_fetch_site="none"), origin_needed=False)


@pytest.mark.parametrize(
    ("host", "public_url", "may"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("192.0.2.7", None, False),
        ("0.0.0.0", "https://ops.example.com", True),
        ("127.0.0.1", "http://ops.example.com", False),
        ("0.0.0.0", "http://localhost:8080", True),
    ],
)
def test_a_cookie_leaves_this_machine_only_over_https(host: str, public_url: str | None, may: bool) -> None:
    origins = Origins(host, public_url)
    if may:
        origins.require_private_way()
    else:
        with pytest.raises(ConfigError, match="public_url"):
            origins.require_private_way()


def test_a_public_address_is_kept_as_browsers_say_it() -> None:
    for written in ("https://ops.example.com", "https://ops.example.com:443"):
        assert ApiConfig(public_url=written).public_url == "https://ops.example.com"
    assert ApiConfig(public_url="http://localhost:8080").public_url == "http://localhost:8080"


@pytest.mark.parametrize(
    "written", ["ops.example.com", "ftp://x", "https://x/y", "https://X", "https://u:p@x", "https://"]
)
def test_what_is_no_public_address_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="public_url"):
        ApiConfig(public_url=written)
