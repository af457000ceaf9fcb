"""The whole loop with nothing on its defaults: PostgreSQL, MLflow on PostgreSQL, a lake in a bucket; real processes."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql
from tests.integration.processes import Ended, eventually, process, trimtab
from tests.integration.small_project import MODEL, make_project, write_rows
from tests.object_store import BUCKET, ObjectStore, object_store
from tests.postgres import PASSWORD, PostgresServer

from trimtab.cli.http_client import HttpClient

pytestmark = pytest.mark.timeout(600)

PREFIX = "teams/risk"
LONG_S = 150.0
ANSWERS = 400

CHANGES = {
    "policy.yaml": """\
rules:
  - name: Somebody agrees to a retraining, and so to the release of a better version
    when: {origin: trigger, action: retrain}
    then: {tier: approval, covers: [deploy]}
""",
    "models/churn/monitoring_config.yaml": """\
window: 7d
monitors:
  - {type: model_quality, severity: high, max_degradation: 0.2, min_labels: 50}
""",
    "models/churn/retrain_config.yaml": """\
when:
  performance: {metric: accuracy, below: 0.6}
""",
}


@dataclass(frozen=True)
class OnServers:
    """A project, and what a process must know to find its servers."""

    project: Path
    env: dict[str, str]
    objects: ObjectStore

    def command(self, *arguments: str | Path, project: Path | None = None) -> Ended:
        return trimtab(*arguments, project=project or self.project, env=self.env, timeout_s=LONG_S)

    def told(self, *arguments: str | Path, project: Path | None = None) -> Any:
        """Return what a command answers as JSON."""
        ended = self.command(*arguments, "--json", project=project)
        assert ended.code == 0, ended.err
        return ended.json

    @property
    def secrets(self) -> list[bytes]:
        """What must be found nowhere: the password, plain and as it stands in an address, and the key of the store."""
        in_address = self.env["TRIMTAB_DATABASE_URL"].split("@")[0].rpartition(":")[2]
        return [part.encode() for part in (PASSWORD, in_address, self.env["AWS_SECRET_ACCESS_KEY"])]


@pytest.fixture
def servers(tmp_path: Path, postgres: PostgresServer) -> Iterator[OnServers]:
    project = make_project(tmp_path / "here")
    for name, content in CHANGES.items():
        (project / name).write_text(content, encoding="utf-8")
    with object_store() as objects:
        env = {
            **objects.environment,
            "TRIMTAB_DATABASE_URL": postgres.url(postgres.create()),
            "TRIMTAB_MLFLOW_URL": postgres.url(postgres.create()),
            "TRIMTAB_LAKE_URL": f"s3://{BUCKET}/{PREFIX}",
        }
        yield OnServers(project, env, objects)


class Asking:
    """Asks control plane and inference server of a project that is up."""

    def __init__(self, project: Path) -> None:
        state = project / ".trimtab"
        api = json.loads((state / "control-plane.json").read_bytes())
        serving = json.loads((state / "serving" / "server.json").read_bytes())
        key = json.loads((state / "credentials.json").read_bytes())["key"]
        self._client = HttpClient(f"http://127.0.0.1:{api['port']}", key)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{serving['port']}", timeout=60, trust_env=False)

    def ask(self, name: str, **fields: object) -> dict[str, Any]:
        return dict(self._client.ask(name, **fields))

    def until(self, wanted: str, name: str, within_s: float = LONG_S, **fields: object) -> dict[str, Any]:
        """Ask until ``wanted``, a word of the answer as JSON, stands in it."""
        last: dict[str, Any] = {}

        def stands() -> bool:
            last.update(self.ask(name, **fields))
            return wanted in json.dumps(last)

        eventually(stands, within_s=within_s, wanted=f"{wanted} in what {name} answers")
        return last

    def close(self) -> None:
        self._client.close()
        self.http.close()


def test_the_loop_closes_on_postgresql_and_a_bucket_and_no_secret_is_told(servers: OnServers, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.csv")
    log = tmp_path / "up.log"
    state = servers.project / ".trimtab"
    with process("-m", "trimtab.cli", "up", "--project", servers.project, log=log, env=servers.env) as up:

        def ready() -> bool:
            assert up.poll() is None, log.read_text()
            return "Ctrl-C stops everything" in log.read_text()

        eventually(ready, within_s=LONG_S, wanted="a platform that is up")
        asking = Asking(servers.project)
        try:
            assert servers.told("ingest", MODEL, rows)["state"] == "processed"
            _serves_its_first_version(asking)
            _is_wrong_about(asking, _turned_round(tmp_path / "live.csv"))
            _is_trained_again_and_released(asking)
            servers.command("status")
            elsewhere = _reads_the_same_from_another_machine(servers, asking, tmp_path)
            refused = servers.command("up", project=elsewhere)
            assert (refused.code, "another state folder" in refused.sentence) == (5, True), refused.err
            assert servers.told("status")["models"][0]["name"] == MODEL, "the first machine's key is still good"
        finally:
            asking.close()

    zones = {key.removeprefix(f"{PREFIX}/").split("/")[0] for key in servers.objects.keys(PREFIX)}
    assert zones >= {"raw", "processed", "snapshots", ".dvc", "audit"}
    assert not (state / "lake").exists()
    assert not list(state.glob("*.db")), "metadata and runs are in PostgreSQL"
    _nowhere(servers, [*_files(tmp_path), *_tables(servers)])


def _serves_its_first_version(asking: Asking) -> None:
    job = asking.ask("training.start", model=MODEL)["job_id"]
    asking.until('"state": "succeeded"', "training.job", job_id=job)
    asking.until('"number": 1', "versions.list", model=MODEL)
    asking.ask("versions.decide", model=MODEL, number=1, approve=True, reason="tried")
    asking.ask("rollouts.start", model=MODEL, number=1)
    asking.until('"phase": "promoted"', "rollouts.list")
    probe = {"row": {"age": 40, "spend": 50.0, "plan": "plus"}}
    # The server makes itself equal to what is desired a moment later.
    eventually(
        lambda: asking.http.post(f"/predict/{MODEL}", json=probe).status_code == 200,
        within_s=LONG_S,
        wanted="answers of version 1",
    )


def _turned_round(path: Path) -> list[dict[str, Any]]:
    """Return customers who do the opposite of what those in the training did."""
    with write_rows(path, count=ANSWERS, first=10_000).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [
        {
            "customer": row["customer"],
            "age": int(row["age"]),
            "spend": float(row["spend"]),
            "plan": row["plan"],
            "churned": "no" if row["churned"] == "yes" else "yes",
        }
        for row in rows
    ]


def _answered(asking: Asking, rows: list[dict[str, Any]]) -> list[str]:
    """Ask for a prediction of each row, and return what the records are known by."""
    asked = [{name: row[name] for name in ("age", "spend", "plan")} for row in rows]
    answer = asking.http.post(f"/predict/{MODEL}", json={"rows": asked})
    assert answer.status_code == 200, answer.text
    return [str(one["prediction_id"]) for one in answer.json()["predictions"]]


def _is_wrong_about(asking: Asking, rows: list[dict[str, Any]]) -> None:
    """Have ``rows`` answered, tell their outcomes, and see the breach."""
    ids = _answered(asking, rows)
    outcomes = [
        {"endpoint": MODEL, "prediction_id": each, "truth": row["churned"]} for each, row in zip(ids, rows, strict=True)
    ]
    told = asking.http.post("/v1/ground-truth", json={"records": outcomes})
    assert told.status_code in {200, 202}, told.text

    def in_the_lake() -> object:
        records = asking.ask("data.records", endpoint=MODEL)
        return records["records"] > ANSWERS and records["truths"] == ANSWERS

    eventually(in_the_lake, within_s=LONG_S, wanted="all answers and outcomes in the lake")
    asking.ask("monitoring.run", model=MODEL)
    assert '"breach"' in json.dumps(asking.ask("monitoring.checks", model=MODEL))


def _is_trained_again_and_released(asking: Asking) -> None:
    waiting = asking.until('"waiting_approval"', "approvals.list", state="waiting_approval")
    asking.ask("approvals.decide", action_id=waiting["actions"][0]["action_id"], approve=True, reason="seen")
    asking.until('"number": 2', "versions.list", model=MODEL)
    rows = [{"customer": "x", "age": 40, "spend": 50.0, "plan": "plus"}] * 20

    def released() -> bool:
        # The canary is judged by what it answers.
        _answered(asking, rows)
        rollouts = asking.ask("rollouts.list")["rollouts"]
        return any(each["candidate"] == 2 and each["phase"] == "promoted" for each in rollouts)

    eventually(released, within_s=LONG_S, wanted="version 2 in production")


def _reads_the_same_from_another_machine(servers: OnServers, asking: Asking, folder: Path) -> Path:
    """Hold what a machine with the project's YAML alone reads against what the first one reads."""
    elsewhere = make_project(folder / "elsewhere")
    for name, content in CHANGES.items():
        (elsewhere / name).write_text(content, encoding="utf-8")
    here = asking.ask("versions.list", model=MODEL)["versions"]
    there = servers.told("versions", "list", MODEL, project=elsewhere)["versions"]
    assert [each["digest"] for each in there] == [each["digest"] for each in here]
    frozen = asking.ask("data.snapshot", model=MODEL)
    assert servers.told("snapshot", MODEL, project=elsewhere)["dataset_hash"] == frozen["dataset_hash"]
    verified = servers.command("audit", "verify", project=elsewhere)
    assert verified.code == 0, verified.err
    assert not (elsewhere / ".trimtab" / "bundles").exists()
    return elsewhere


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for where, _, names in os.walk(folder):
        for name in names:
            path = Path(where) / name
            yield str(path), path.read_bytes()


def _tables(servers: OnServers) -> Iterator[tuple[str, bytes]]:
    for url in (servers.env["TRIMTAB_DATABASE_URL"], servers.env["TRIMTAB_MLFLOW_URL"]):
        with psycopg.connect(url) as connection:
            names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (name,) in names:
                rows = connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name))).fetchall()
                yield f"table {name}", "\n".join(row for (row,) in rows).encode()


def _nowhere(servers: OnServers, places: list[tuple[str, bytes]]) -> None:
    """Hold what the platform wrote down against what nobody should read."""
    assert any(name == "table audit_entry" and content for name, content in places), "nothing was looked at"
    assert any(name == "table tags" and content for name, content in places), "MLflow's tags were not looked at"
    found = [(name, secret) for name, content in places for secret in servers.secrets if secret in content]
    names = servers.objects.keys(PREFIX)
    in_lake = [name for name in names for secret in servers.secrets if secret in servers.objects.read(name)]
    assert not found
    assert not in_lake
