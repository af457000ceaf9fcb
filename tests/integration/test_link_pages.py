"""The pages that links of approval lead to: their form alone decides, and they let nothing in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.link_desk import Desk, open_desk
from tests.unit.loop.projects import MODEL


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "project") as opened:
        yield opened


def test_what_is_no_token_opens_nothing(desk: Desk) -> None:
    for token in ("x", "A" * 64, "%00" * 21, "..%2f..%2fetc%2fpasswd", "ä" * 20, "A" * 4000):
        assert desk.browser.get(f"/links/{token}").status_code == 404
        assert desk.browser.post(f"/links/{token}", data={"nonce": "1.2"}).status_code == 404


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NO_FORMS: list[dict[str, Any]] = [
    {},
    {"data": {"nonce": ""}},
    {"data": {"nonce": "1.abc", "word": "approve"}},
    {"json": {"nonce": "1"}},
    {"content": b"nonce=" + b"1" * 20_000, "headers": FORM},
    {"content": b"\xff\xfe&&&=%", "headers": FORM},
    {"content": b"&".join([b"nonce=1"] * 50), "headers": FORM},
]


def test_only_the_form_of_its_page_decides(desk: Desk) -> None:
    action_id, links = desk.wait_and_links()
    for form in NO_FORMS:
        answer = desk.browser.post(links["approve"], **form)
        assert (answer.status_code, "Nothing was decided" in answer.text) == (409, True)
    other = re.search(r'name="nonce" value="([^"]+)"', desk.browser.get(links["reject"]).text)
    assert other is not None
    assert desk.browser.post(links["approve"], data={"nonce": other[1]}).status_code == 409
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
        assert desk.browser.request(method, links["approve"]).status_code == 405
    assert desk.state(action_id) == "waiting_approval"
    assert "Approved" in desk.press(links["approve"]).text, "and the link is as good as before"


def test_a_page_lets_nothing_in_and_says_nothing_of_itself_to_others(desk: Desk) -> None:
    _, links = desk.wait_and_links()
    headers = desk.browser.get(links["approve"]).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert (headers["referrer-policy"], headers["cache-control"]) == ("no-referrer", "no-store")
    assert "<script" not in desk.browser.get(links["approve"]).text
    assert desk.browser.get("/links/style.css").headers["content-type"].startswith("text/css")


def test_what_others_wrote_is_text_on_the_page(desk: Desk) -> None:
    action_id, links = desk.wait_and_links()
    desk.ask("approvals.comment", action_id=action_id, text="<script>alert(1)</script><img src=x>")
    page = desk.browser.get(links["approve"]).text
    assert "&lt;script&gt;alert(1)" in page
    assert "<img" not in page


def test_the_page_shows_each_value_that_would_change(desk: Desk) -> None:
    values = {"monitors.1.limits.accuracy": "0.4", "monitors.0.severity": "low"}
    desk.ask("config.change", model=MODEL, file="monitoring_config.yaml", values=values, reason="agreed with sales")
    desk.world.deliver()
    mail = desk.mail()["dana"]
    page = desk.browser.get(desk.links(mail)["approve"]).text
    for path, old, new in (("monitors.1.limits.accuracy", "0.6", '"0.4"'), ("monitors.0.severity", "high", '"low"')):
        assert f"monitoring_config.yaml: {path}: {old} → {new}" in mail
        assert f"<dt>{path}</dt><dd><code>{old}</code> → <code>{new.replace(chr(34), '&#34;')}</code>" in page
