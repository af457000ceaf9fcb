"""What we ship for Prometheus, held against the code and against Debian's real Prometheus and Alertmanager."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from tests.debian import unpacked
from tests.integration.office import is_problem, upload
from tests.integration.processes import ControlPlane, control_plane, eventually
from tests.integration.small_project import FILES, make_project, write_rows
from tests.unit.serving.running import ROW, Running, variant, write_spec

from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.db.engine import Database, machine_us
from trimtab.db.tables import delivery
from trimtab.loop.control_metrics import CONTENT_TYPE, FAMILIES
from trimtab.loop.number_sources import PromqlNumbers
from trimtab.monitoring.check import Window
from trimtab.monitoring.sources import PromqlSource, Question
from trimtab.serving.metrics import ServingMetrics
from trimtab.serving.spec import EndpointSpec

DEPLOY = Path(__file__).parents[2] / "deploy"
SHIPPED = sorted([*DEPLOY.glob("prometheus/*.yml"), *DEPLOY.glob("grafana/*.json")])
THREE_DAYS_US = 259_200_000_000
LABELS = {"trimtab_family", "trimtab_own"}
"""What the control plane reads of an alert, and no metric."""
SECRET = "what-alertmanager-and-we-know"
WEBHOOK = """
webhooks:
  - name: alertmanager
    auth: {type: bearer, secrets: ["${ALERTMANAGER_SECRET}"]}
"""
POLICY = """
rules:
  - name: What a feed sent since it broke is left out, once somebody agrees
    when: {origin: incident, diagnosis: data_outage}
    then: {actions: [quarantine_feed], tier: approval}
"""


@pytest.fixture(scope="session")
def programs() -> Path:
    return unpacked("prometheus", "prometheus-alertmanager") / "usr/bin"


def names_told() -> set[str]:
    metrics = ServingMetrics()
    metrics.variant("", "", 1).shadow.same.inc()
    metrics.endpoint("")
    names = set(FAMILIES)
    for family in metrics.registry.collect():
        names |= {f"{family.name}_total"} if family.type == "counter" else {family.name}
        names |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count") if family.type == "histogram"}
    return names


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_what_is_shipped_names_only_metrics_that_are_told(path: Path) -> None:
    used = set(re.findall(r"\btrimtab_\w+", path.read_text("utf-8"))) - LABELS
    assert used <= names_told()
    assert used or path.name in {"alertmanager.yml", "prometheus.yml"}


@pytest.mark.parametrize("path", sorted(DEPLOY.glob("grafana/*.json")), ids=lambda path: path.name)
def test_a_dashboard_asks_in_every_panel_and_leaves_the_source_open(path: Path) -> None:
    board = json.loads(path.read_bytes())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) >= 8
    variables = {one["name"] for one in board["templating"]["list"]}
    for panel in panels:
        assert panel["targets"]
        assert {panel["datasource"]["uid"], *(one["datasource"]["uid"] for one in panel["targets"])} == {"${source}"}
        for target in panel["targets"]:
            named = set(re.findall(r"\$(?!__)(\w+)", target["expr"]))
            assert named <= variables
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24


def ran(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_tools_of_prometheus_find_nothing_wrong(programs: Path, tmp_path: Path) -> None:
    for path in DEPLOY.glob("prometheus/*.yml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "trimtab.key").write_text("tt_key")
    (tmp_path / "trimtab-webhook.secret").write_text(SECRET)
    ran(programs / "promtool", "check", "rules", tmp_path / "rules.yml")
    ran(programs / "promtool", "check", "config", tmp_path / "prometheus.yml")
    ran(programs / "promtool", "test", "rules", tmp_path / "rules.test.yml")
    ran(programs / "amtool", "check-config", tmp_path / "alertmanager.yml")


@pytest.mark.parametrize(
    ("told", "to"),
    [
        ("alertname=TrimtabServerDown", "trimtab"),
        ("alertname=TrimtabControlPlaneDown", "on-call"),
        ("trimtab_own=true", "on-call"),
        ("alertname=TrimtabGivenUp", "on-call,trimtab"),
        ("alertname=TrimtabQueueGrows", "on-call,trimtab"),
    ],
)
def test_what_the_control_plane_may_be_unable_to_tell_goes_to_people_too(programs: Path, told: str, to: str) -> None:
    shipped = DEPLOY / "prometheus/alertmanager.yml"
    ran(programs / "amtool", "config", "routes", "test", f"--config.file={shipped}", f"--verify.receivers={to}", told)


def test_every_expression_of_a_dashboard_can_be_parsed(programs: Path, tmp_path: Path) -> None:
    asked = []
    for path in DEPLOY.glob("grafana/*.json"):
        for panel in json.loads(path.read_bytes())["panels"]:
            asked += [target["expr"] for target in panel["targets"]]
    plain = [re.sub(r"\$__(range|rate_interval)", "5m", one) for one in asked]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(plain)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    said = ran(programs / "promtool", "check", "rules", tmp_path / "panels.yml")
    assert f"{len(rules)} rules found" in said


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    project = make_project(tmp_path_factory.mktemp("project"))
    (project / "trimtab.yaml").write_text(FILES["trimtab.yaml"] + WEBHOOK)
    (project / "policy.yaml").write_text(POLICY)
    with control_plane(project, env={"ALERTMANAGER_SECRET": SECRET}) as running:
        yield running


def test_metrics_are_told_to_who_may_look_and_to_nobody_else(plane: ControlPlane) -> None:
    assert is_problem(httpx.get(f"{plane.url}/metrics", trust_env=False), 401)
    with plane.client() as admin:
        keys = {
            role: admin.post("/api/keys", json={"name": f"m-{role}", "role": role}).json()["key"]
            for role in (Role.VIEWER, Role.SERVICE)
        }
    with plane.client(keys[Role.VIEWER]) as viewer:
        answer = viewer.get("/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, CONTENT_TYPE)
    assert "trimtab_process_heartbeat_timestamp_seconds" in answer.text
    with plane.client(keys[Role.SERVICE]) as service:
        assert (service.get("/metrics").status_code == 200) is Role.SERVICE.reaches(Role.VIEWER)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def running(log: Path, *command: str | Path) -> Iterator[None]:
    with log.open("w") as stream:
        child = subprocess.Popen(list(map(str, command)), stdout=stream, stderr=stream, cwd=log.parent)
    try:
        yield
    finally:
        child.terminate()
        child.wait(60)


def changed(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    """Write the file that we ship with other ports, and with waits as short as a test's; nothing else is changed."""
    text = (DEPLOY / "prometheus" / name).read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / name).write_text(text)


def delivered(plane: ControlPlane, rows: Path, *, ago_us: int) -> None:
    """Have the shop deliver a file, and have it be one of that time."""
    with plane.client() as client:
        came = upload(
            client, write_rows(rows, first=int(ago_us == 0) * 1_000).read_bytes(), filename="rows.csv", feed="shop"
        ).json()["delivery_id"]
        eventually(
            lambda: client.get(f"/api/deliveries/{came}").json()["state"] == "processed",
            within_s=60,
            wanted="a file that is judged",
        )
    database = Database.at(ProjectFolder.open(plane.project).database)
    with database.transaction() as connection:
        connection.execute(
            update(delivery).where(delivery.c.id == came).values(received_us=delivery.c.received_us - ago_us)
        )
    database.close()


def test_a_stopped_feed_is_found_by_prometheus_answered_after_approval_verified_and_closed_when_it_recovers(
    programs: Path, plane: ControlPlane, tmp_path: Path
) -> None:
    delivered(plane, tmp_path / "old.csv", ago_us=THREE_DAYS_US)
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v1", "100"),)))
    server = Running(tmp_path)
    at = {"prometheus": free_port(), "alertmanager": free_port()}
    try:
        for _ in range(5):
            server.predict({"row": ROW})
        ours = plane.url.removeprefix("http://")
        changed(tmp_path, "alertmanager.yml", ("127.0.0.1:8765", ours), ("10s", "1s"), ("5m", "1s"))
        changed(tmp_path, "rules.yml", ("for: 5m", "for: 0s"))
        changed(
            tmp_path,
            "prometheus.yml",
            ("15s", "1s"),
            ("127.0.0.1:9093", f"127.0.0.1:{at['alertmanager']}"),
            ("127.0.0.1:8765", ours),
            ("127.0.0.1:8766", f"127.0.0.1:{server.info.port}"),
        )
        (tmp_path / "trimtab.key").write_text(plane.key)
        (tmp_path / "trimtab-webhook.secret").write_text(SECRET)
        with (
            running(tmp_path / "alertmanager.log", *_alertmanager(programs, tmp_path, at["alertmanager"])),
            running(tmp_path / "prometheus.log", *_prometheus(programs, tmp_path, at["prometheus"])),
            plane.client() as client,
        ):
            _is_scraped(f"http://127.0.0.1:{at['prometheus']}")
            case = _is_answered(client)
            delivered(plane, tmp_path / "new.csv", ago_us=0)
            closed = eventually(
                lambda: _shown(client, case["incident_id"], state="resolved"),
                within_s=90,
                wanted="word that it delivers again",
            )
            assert closed["diagnosis"] == case["diagnosis"]
            assert client.get("/api/audit/verify").json()["ok"]
            told = client.get("/metrics").text
            assert 'trimtab_webhook_alerts_total{result="opened",webhook="alertmanager"} 1.0' in told
            assert 'trimtab_webhook_alerts_total{result="recovered",webhook="alertmanager"} 1.0' in told
    finally:
        server.stop()


def _is_answered(client: httpx.Client) -> dict[str, Any]:
    """The alert makes a case, the case a request, somebody agrees, it is done, and it is looked whether it helped."""
    opened = eventually(
        lambda: client.get("/api/incidents", params={"open_only": True}).json()["incidents"],
        within_s=90,
        wanted="a case of the alert",
    )
    [case] = [one["incident_id"] for one in opened]
    asked = eventually(lambda: _shown(client, case)["actions"], within_s=60, wanted="a request for approval")
    [action] = asked
    assert (action["kind"], action["state"]) == ("quarantine_feed", "waiting_approval")
    agreed = client.post(f"/api/approvals/{action['action_id']}/decision", json={"approve": True, "reason": "seen"})
    assert agreed.status_code == 200, agreed.text

    def verified() -> bool:
        entries = client.get("/api/audit", params={"incident": case}).json()["entries"]
        return any(one["action"] == "action.verified" and one["spec"]["detail"]["verdict"] == "ok" for one in entries)

    eventually(verified, within_s=60, wanted="an action that was verified")
    shown = _shown(client, case)
    assert shown["diagnosis"]["kind"] == "data_outage"
    assert [one["state"] for one in shown["actions"]] == ["succeeded"]
    [breach] = shown["breaches"]
    assert breach.startswith("TrimtabFeedStopped: table of churn shop: nothing came for 3d")
    return shown


def _shown(client: httpx.Client, case: str, *, state: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/api/incidents/{case}").json()
    return found if state in {None, found["state"]} else {}


def _prometheus(programs: Path, folder: Path, port: int) -> tuple[str | Path, ...]:
    listen, data = f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder / 'prometheus'}"
    return programs / "prometheus", f"--config.file={folder / 'prometheus.yml'}", listen, data


def _alertmanager(programs: Path, folder: Path, port: int) -> tuple[str | Path, ...]:
    # Debian's build wants its templates where the package would be installed: they are put where it runs.
    place = b"/usr/share/prometheus/alertmanager"
    here = b"./" * (len(place) // 2)
    ours = folder / "alertmanager-here"
    ours.write_bytes((programs / "prometheus-alertmanager").read_bytes().replace(place, here))
    ours.chmod(0o755)
    for found in (programs.parent / "share/prometheus/alertmanager").glob("*.tmpl"):
        (folder / found.name).write_bytes(found.read_bytes())
    listen, data = f"--web.listen-address=127.0.0.1:{port}", f"--storage.path={folder / 'alertmanager'}"
    return ours, f"--config.file={folder / 'alertmanager.yml'}", listen, data, "--cluster.listen-address="


def _is_scraped(url: str) -> None:
    """Both programs are, without an error; and a number is had of it as monitors ask for one."""

    def number(query: str) -> float | None:
        now_us = machine_us()
        question = Question("churn", "heart", "v1", 1, Window(now_us - 60_000_000, now_us))
        return PromqlNumbers(PromqlSource(url=url, query=query)).read(question).value

    eventually(lambda: number("sum(up)") == 2, within_s=90, wanted="both programs scraped")
    asked = 'sum(trimtab_requests_total{endpoint="$endpoint",variant="$variant",version="$version",status="2xx"})'
    eventually(lambda: number(asked) == 5, within_s=60, wanted="five answers counted")
