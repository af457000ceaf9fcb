"""What we ship for Prometheus, held against the code and against Debian's real Prometheus and Alertmanager."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert
from tests.debian import unpacked
from tests.integration.office import is_problem
from tests.integration.processes import ControlPlane, control_plane, eventually
from tests.integration.small_project import make_project
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
TWO_HOURS_US = 7_200_000_000


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
    used = set(re.findall(r"\btrimtab_\w+", path.read_text("utf-8")))
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
    ran(programs / "promtool", "check", "rules", tmp_path / "rules.yml")
    ran(programs / "promtool", "check", "config", tmp_path / "prometheus.yml")
    ran(programs / "promtool", "test", "rules", tmp_path / "rules.test.yml")
    ran(programs / "amtool", "check-config", tmp_path / "alertmanager.yml")


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
    with control_plane(make_project(tmp_path_factory.mktemp("project"))) as running:
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


@contextlib.contextmanager
def webhook() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Something that takes Alertmanager's messages: its port, and the alerts that came."""
    came: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.extend(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], came
    server.shutdown()
    thread.join()
    server.server_close()


def changed(folder: Path, name: str, *changes: tuple[str, str]) -> None:
    """Write the file that we ship with other ports, and with waits as short as a test's; nothing else is changed."""
    text = (DEPLOY / "prometheus" / name).read_text("utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / name).write_text(text)


def stopped_feed(plane: ControlPlane, *, ago_us: int) -> None:
    database = Database.at(ProjectFolder.open(plane.project).database)
    at_us = machine_us() - ago_us
    made = insert(delivery).values(
        id=f"d{at_us}",
        digest=f"d{at_us}",
        kind="records",
        endpoint="churn",
        raw_path="x",
        state="processed",
        received_us=at_us,
        processed_us=at_us,
        spec={},
        version=1,
    )
    with database.transaction() as connection:
        connection.execute(made)
    database.close()


def test_a_stopped_feed_fires_and_recovers_over_real_programs(
    programs: Path, plane: ControlPlane, tmp_path: Path
) -> None:
    stopped_feed(plane, ago_us=TWO_HOURS_US)
    write_spec(tmp_path, EndpointSpec(endpoint="heart", generation=1, variants=(variant(tmp_path, "v1", "100"),)))
    server = Running(tmp_path)
    at = {"prometheus": free_port(), "alertmanager": free_port()}
    url = f"http://127.0.0.1:{at['prometheus']}"
    try:
        for _ in range(5):
            server.predict({"row": ROW})
        with webhook() as (port, came):
            changed(tmp_path, "alertmanager.yml", ("127.0.0.1:5001", f"127.0.0.1:{port}"), ("10s", "1s"), ("5m", "1s"))
            changed(tmp_path, "rules.yml", ("for: 5m", "for: 0s"))
            changed(
                tmp_path,
                "prometheus.yml",
                ("15s", "1s"),
                ("127.0.0.1:9093", f"127.0.0.1:{at['alertmanager']}"),
                ("127.0.0.1:8765", plane.url.removeprefix("http://")),
                ("127.0.0.1:8766", f"127.0.0.1:{server.info.port}"),
            )
            (tmp_path / "trimtab.key").write_text(plane.key)
            with (
                running(tmp_path / "alertmanager.log", *_alertmanager(programs, tmp_path, at["alertmanager"])),
                running(tmp_path / "prometheus.log", *_prometheus(programs, tmp_path, at["prometheus"])),
            ):
                _is_scraped(url)
                fired = eventually(lambda: _named(came, "firing"), within_s=90, wanted="the alert at the webhook")
                assert fired[0]["labels"] == {
                    "alertname": "TrimtabFeedStopped",
                    "endpoint": "churn",
                    "kind": "records",
                    "severity": "medium",
                }
                assert fired[0]["annotations"]["summary"].startswith("records of churn : nothing came for 2h")
                stopped_feed(plane, ago_us=0)
                eventually(lambda: _named(came, "resolved"), within_s=90, wanted="word that it delivers again")
    finally:
        server.stop()


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


def _named(came: list[dict[str, Any]], status: str) -> list[dict[str, Any]]:
    return [one for one in came if one["status"] == status and one["labels"]["alertname"] == "TrimtabFeedStopped"]
