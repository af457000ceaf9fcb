"""``trimtab up`` where the inference server has several processes and asks for keys: the platform has its own."""

from __future__ import annotations

import json
import stat
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import httpx
import psutil
import pytest
from tests.integration.processes import eventually, process, trimtab
from tests.integration.small_project import MODEL, make_project

from trimtab.bootstrap import build_platform
from trimtab.config.project import ProjectFolder
from trimtab.core.errors import BackendError
from trimtab.loop.platform import Platform
from trimtab.loop.variant_counts import HttpDrawsReader
from trimtab.rollout import endpoint_store
from trimtab.serving.address import server_url
from trimtab.serving.keys import read_own_key
from trimtab.serving.place import ServerInfo, read_server_info
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.testing.bundles import tiny_bundle

LONG_S = 120.0
ROW = {"age": 60, "chol": 250.0, "sex": "male"}
CALLER = "k" * 43


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    """A project whose server has two processes, and a key of a caller."""
    root = make_project(tmp_path / "project")
    keys = {"keys": [{"name": "shop", "sha256": sha256(CALLER.encode()).hexdigest(), "scopes": ["predict"]}]}
    (root / "keys.json").write_text(json.dumps(keys), encoding="utf-8")
    settings = root / "trimtab.yaml"
    told = settings.read_text(encoding="utf-8").replace("serving: {", "serving: {workers: 2, keys: keys.json, ")
    settings.write_text(told, encoding="utf-8")
    return ProjectFolder.open(root)


def deploy(platform: Platform, folder: Path) -> None:
    """Have the server share requests between two variants, as while a rollout is on its way."""
    manifest = tiny_bundle(folder, model=MODEL)
    variants = tuple(
        VariantSpec(
            name=f"v{number}",
            model=MODEL,
            model_version=number,
            bundle_path=str(folder),
            bundle_digest=manifest.digest,
            weight_pct=Decimal(50),
        )
        for number in (1, 2)
    )
    spec = EndpointSpec(endpoint=MODEL, generation=1, variants=variants)
    with platform.database.transaction() as connection:
        endpoint_store.desire(
            connection, spec, model=MODEL, actor="test", reason="to be asked", at_us=platform.now_us()
        )
    platform.deployer.apply(spec)


def answered(project: ProjectFolder, before: ServerInfo) -> ServerInfo | None:
    """Return the server that came after ``before``, once it has answered; None until then."""
    now, url = read_server_info(project.serving), server_url(project.serving)
    if now is None or url is None or now.pid == before.pid:
        return None
    answer = httpx.post(
        f"{url}/predict/{MODEL}", json={"row": ROW}, headers={"X-API-Key": CALLER}, timeout=30, trust_env=False
    )
    return now if answer.status_code == 200 else None


def test_callers_need_a_key_and_the_platform_counts_with_its_own(project: ProjectFolder, tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    platform = build_platform(project)
    with process("-m", "trimtab.cli", "up", "--project", project.root, log=log) as up:

        def ready() -> bool:
            assert up.poll() is None, log.read_text()
            return "Ctrl-C stops everything" in log.read_text()

        eventually(ready, within_s=LONG_S, wanted="a platform that is up")
        deploy(platform, tmp_path / "bundle")
        reader = HttpDrawsReader(platform.serving_url, lambda: read_own_key(project.serving))

        def counted() -> int | None:
            try:
                reading = reader.read(MODEL)
            except BackendError:
                return None
            return None if reading is None or not reading.counts else sum(each.drawn for each in reading.counts)

        def served() -> bool:
            status = platform.deployer.observe(MODEL)
            return status is not None and status.generation == 1

        # Its status is that of the slowest worker: a connection may lead to either.
        eventually(served, within_s=LONG_S, wanted="variants that every worker serves")
        eventually(lambda: counted() == 0, within_s=LONG_S, wanted="counts of them")
        url = server_url(project.serving)
        assert url is not None
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
            assert client.post(f"/predict/{MODEL}", json={"row": ROW}).status_code == 401
            for _ in range(7):
                answer = client.post(f"/predict/{MODEL}", json={"row": ROW}, headers={"X-API-Key": CALLER})
                assert answer.status_code == 200, answer.text
            assert client.get("/metrics", headers={"X-API-Key": CALLER}).status_code == 403
        eventually(lambda: counted() == 7, within_s=LONG_S, wanted="seven answers")
        told = trimtab("predict", MODEL, json.dumps(ROW), project=project.root)
        assert told.code == 0, told.err
        own = read_own_key(project.serving)
        assert own is not None
        family = psutil.Process(up.pid).children(recursive=True)
        lines = [child.cmdline() for child in family]
        assert sum("trimtab.serving.worker" in line for line in lines) == 2
        assert not any(own in word for line in lines for word in line)
        server = read_server_info(project.serving)
        assert server is not None
        psutil.Process(server.pid).kill()
        again = eventually(lambda: answered(project, server), within_s=LONG_S, wanted="another server")
        assert again.pid in {child.pid for child in psutil.Process(up.pid).children()}
        # The one answer above; the dead server's seven are not taken for its own, and its key is still good.
        eventually(lambda: counted() == 1, within_s=LONG_S, wanted="one answer")
    assert up.returncode == 0
    assert server_url(project.serving) is None
    secret = project.serving / "own-key.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    for path in project.logs.glob("*.log"):
        assert own not in path.read_text(encoding="utf-8")
    platform.database.close()
