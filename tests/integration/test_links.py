"""Links by which one person decides: one word about one request, once, and nothing by looking."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.integration.link_desk import CONFIG, DANA, EMIL, Desk, open_desk
from tests.integration.office import served
from tests.unit.loop.projects import MODEL, make_world

from trimtab.core.errors import ConfigError, IllegalTransitionError
from trimtab.db.engine import machine_us
from trimtab.db.tables import action_grant, api_key, approval_link, audit_entry, event_delivery, notification
from trimtab.db.tables import vote as vote_table
from trimtab.loop import keys
from trimtab.loop.approval_links import LinkWriter, link_key
from trimtab.remediation.link import nonce_of


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "project") as opened:
        yield opened


def test_no_link_is_sent_where_it_would_go_over_plain_http(tmp_path: Path) -> None:
    config = CONFIG.replace("http://127.0.0.1:1", "http://ops.example.com")
    world = make_world(tmp_path / "project", trimtab=config)
    with world.platform.database.transaction() as connection:
        keys.create_key(connection, DANA.name, DANA.role, at_us=1)
    with httpx.Client() as nobody:
        desk = Desk(world, nobody)
        action_id = desk.wanted()
        told = desk.mail()["dana"]
    world.platform.database.close()
    assert "/links/" not in told
    assert action_id in told, "the command is told in their place"


def test_a_link_shows_what_is_asked_decides_by_its_form_and_is_good_once(desk: Desk) -> None:
    action_id, links = desk.wait_and_links()
    page = desk.browser.get(links["approve"])
    assert page.status_code == 200
    assert "retrain tiny on the data up to now" in page.text
    assert "the world has changed" in page.text
    assert "Approve as dana" in page.text
    assert desk.state(action_id) == "waiting_approval", "looking decides nothing"
    done = desk.press(links["approve"], comment="seen\x1b[31m on the train\r\nX-Evil: 1")
    assert (done.status_code, "Recorded for dana" in done.text) == (200, True)
    shown = desk.ask("approvals.show", action_id=action_id)
    assert (shown["state"], shown["decided_by"]) == ("approved", "dana")
    [vote] = shown["votes"]
    assert (vote["person"], vote["word"], vote["via"]) == ("dana", "approve", "link")
    assert vote["comment"] == "seen [31m on the train X-Evil: 1"
    for path in links.values():
        assert desk.browser.get(path).status_code == desk.press(path).status_code == 404


def test_a_link_that_rejects_rejects(desk: Desk) -> None:
    action_id, links = desk.wait_and_links()
    assert "Reject as dana" in desk.browser.get(links["reject"]).text
    assert "Rejected" in desk.press(links["reject"], comment="not now").text
    assert desk.state(action_id) == "rejected"
    assert desk.press(links["approve"]).status_code == 404


def test_links_stand_first_on_their_persons_route_and_nowhere_else(desk: Desk) -> None:
    desk.wanted()
    told = desk.mail()
    assert told["dana"].lstrip().startswith("approve: http://127.0.0.1:1/links/")
    assert desk.links(told["dana"]).keys() == desk.links(told["emil"]).keys() == {"approve", "reject"}
    assert not set(desk.links(told["dana"]).values()) & set(desk.links(told["emil"]).values())
    assert "links" not in told["team"]
    assert "trimtab approvals approve" in told["team"]


def test_no_token_is_stored_or_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    action_id, links = desk.wait_and_links()
    tokens = [path.rpartition("/")[2] for path in links.values()]
    desk.press(links["approve"])
    desk.browser.put(links["approve"])
    desk.browser.post(f"{links['approve']}/more")
    # The browser of this test has a log of its own; the server's log of accesses is off, but pytest listens to it.
    theirs = ("httpx", "httpcore", "uvicorn.access")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(theirs)]
    logged = "".join([*ours, *capfd.readouterr()])
    assert "/links/…" in logged
    folder = desk.world.platform.project.state
    kept = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    for token in tokens:
        assert token not in logged
        assert token.encode() not in kept
    assert action_id.encode() in kept
    assert (folder / "link-key").stat().st_mode & 0o777 == 0o600


def test_a_message_that_another_route_takes_over_brings_no_link(desk: Desk) -> None:
    desk.wanted()
    body = next(row.body for row in desk.rows(notification) if row.route == "dana-direct")
    platform = desk.world.platform
    routes = {route.name: route for route in platform.project.config.notifications}
    writer = LinkWriter(platform.project, platform.database)
    assert "/links/" in writer.complete(routes["dana-direct"], body)
    for other in ("team", "emil-direct"):
        assert "/links/" not in writer.complete(routes[other], body)


def _late(desk: Desk, _action_id: str) -> None:
    desk.world.clock.advance(timedelta(hours=24))


def _revoked(desk: Desk, _action_id: str) -> None:
    with desk.world.platform.database.transaction() as connection:
        keys.revoke_key(connection, "dana", at_us=2)


def _demoted(desk: Desk, _action_id: str) -> None:
    with desk.world.platform.database.transaction() as connection:
        connection.execute(api_key.update().where(api_key.c.name == "dana").values(role="operator"))


def _expired_key(desk: Desk, _action_id: str) -> None:
    with desk.world.platform.database.transaction() as connection:
        connection.execute(api_key.update().where(api_key.c.name == "dana").values(expires_us=machine_us() - 1))


def _cancelled(desk: Desk, action_id: str) -> None:
    desk.ask("approvals.cancel", EMIL, action_id=action_id, reason="no")


def _decided(desk: Desk, action_id: str) -> None:
    desk.ask("approvals.decide", EMIL, action_id=action_id, approve=False)


def _row_changed(desk: Desk, _action_id: str) -> None:
    """Whoever writes the database makes a link that rejects one that approves, and moves its end."""
    with desk.world.platform.database.transaction() as connection:
        connection.execute(approval_link.update().values(word="approve", expires_us=approval_link.c.expires_us + 1))


def _key_changed(desk: Desk, _action_id: str) -> None:
    (desk.world.platform.project.state / "link-key").write_bytes(bytes(32))


@pytest.mark.parametrize(
    "given",
    [_late, _revoked, _demoted, _expired_key, _cancelled, _decided, _row_changed, _key_changed],
)
def test_a_link_is_of_no_use(desk: Desk, given: Callable[[Desk, str], None]) -> None:
    action_id, links = desk.wait_and_links()
    token = links["approve"].rpartition("/")[2]
    nonce = nonce_of(link_key(desk.world.platform.project), token, machine_us())
    given(desk, action_id)
    before = desk.state(action_id)
    unknown = desk.browser.get("/links/" + "A" * 64)
    for path in links.values():
        looked, pressed = desk.browser.get(path), desk.browser.post(path, data={"nonce": nonce})
        assert looked.status_code == 404
        assert pressed.status_code == 404
        assert looked.text == unknown.text, "nobody learns why"
    assert desk.state(action_id) == before
    assert [row for row in desk.rows(vote_table) if row.via == "link"] == []


def test_whoever_asked_gets_no_link_to_agree(desk: Desk) -> None:
    action_id = str(desk.ask("retraining.trigger", DANA, model=MODEL, reason="I want it")["action_id"])
    desk.world.deliver()
    told = desk.mail()
    assert desk.links(told["dana"]).keys() == {"reject"}
    assert "You have agreed" not in desk.press(desk.links(told["emil"])["approve"]).text
    assert desk.state(action_id) == "approved"


def test_where_two_have_to_agree_each_uses_their_own_link(desk: Desk) -> None:
    policy = desk.world.platform.project.root / "policy.yaml"
    policy.write_text(
        "rules: [{name: Two people, when: {action: retrain}, then: {tier: approval, approval: {approvers: 2}}}]\n"
    )
    action_id = desk.wanted()
    told = desk.mail()
    dana, emil = desk.links(told["dana"]), desk.links(told["emil"])
    assert "You have agreed" in desk.press(dana["approve"]).text
    assert desk.browser.get(dana["reject"]).status_code == 404
    assert desk.state(action_id) == "waiting_approval"
    assert "1 of 2: dana" in desk.browser.get(emil["approve"]).text
    assert "Approved" in desk.press(emil["approve"]).text
    assert desk.state(action_id) == "approved"
    assert len(desk.rows(action_grant)) == 1


def test_a_link_and_a_command_at_the_same_time_are_one_grant(desk: Desk) -> None:
    for _ in range(3):
        action_id, links = desk.wait_and_links()
        answer, refused = _at_the_same_time(desk, action_id, links["approve"])
        grants = [row for row in desk.rows(action_grant) if row.action_id == action_id]
        votes = [row for row in desk.rows(vote_table) if row.action_id == action_id]
        assert (len(grants), len(votes)) == (1, 1)
        assert (answer, refused) in ((200, True), (404, False))
        said = [row.action for row in desk.rows(audit_entry) if row.subject == f"action:{action_id}"]
        assert said.count("action.approved") == 1
        desk.ask("approvals.cancel", EMIL, action_id=action_id, reason="once more")


def _at_the_same_time(desk: Desk, action_id: str, path: str) -> tuple[int, bool]:
    """Approve by a link and by a command at once; return the link's answer, and whether the command was refused."""
    found = re.search(r'name="nonce" value="([^"]+)"', desk.browser.get(path).text)
    assert found is not None
    start = threading.Barrier(2)

    def by_link() -> int:
        start.wait(30)
        return desk.browser.post(path, data={"nonce": found[1]}).status_code

    def by_command() -> bool:
        start.wait(30)
        try:
            desk.ask("approvals.decide", EMIL, action_id=action_id, approve=True)
        except IllegalTransitionError:
            return True
        return False

    with ThreadPoolExecutor(2) as pool:
        link, command = pool.submit(by_link), pool.submit(by_command)
        return link.result(60), command.result(60)


def test_links_outlive_a_restart(desk: Desk) -> None:
    action_id, links = desk.wait_and_links()
    with served(desk.world.platform) as client:
        again = httpx.Client(base_url=client.base_url, trust_env=False)
        with again:
            page = again.get(links["approve"])
            found = re.search(r'name="nonce" value="([^"]+)"', page.text)
            assert found is not None
            assert again.post(links["approve"], data={"nonce": found[1]}).status_code == 200
            assert again.post(links["approve"], data={"nonce": found[1]}).status_code == 404
    assert desk.browser.get(links["approve"]).status_code == 404
    assert desk.state(action_id) == "approved"


def test_the_same_event_again_makes_no_other_links(desk: Desk) -> None:
    desk.wanted()
    before = len(desk.rows(approval_link))
    with desk.world.platform.database.transaction() as connection:
        connection.execute(event_delivery.update().values(state="pending", available_us=0, leased_until_us=None))
    desk.world.deliver("messages")
    assert len(desk.rows(approval_link)) == before


def test_a_key_in_the_environment_is_used_if_it_is_long_enough(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    project = desk.world.platform.project
    monkeypatch.setenv("TRIMTAB_LINK_KEY", "k" * 32)
    assert len(link_key(project)) == 32
    assert not (project.state / "link-key").exists()
    monkeypatch.setenv("TRIMTAB_LINK_KEY", "short")
    with pytest.raises(ConfigError, match="has 5 characters"):
        link_key(project)
