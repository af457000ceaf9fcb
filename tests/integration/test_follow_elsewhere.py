"""``trimtab serve --follow``: a server elsewhere serves what the control plane deploys, and goes on without it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.integration.processes import TRIMTAB, ControlPlane, control_plane, environment, eventually
from tests.integration.small_project import MODEL, make_project

from trimtab.bootstrap import build_platform
from trimtab.config.project import ProjectFolder
from trimtab.core.enums import Role
from trimtab.loop.keys import create_key
from trimtab.loop.platform import Platform
from trimtab.rollout import endpoint_store
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.testing.bundles import tiny_bundle

LONG_S = 120.0
ROW = {"age": 60, "chol": 250.0, "sex": "male"}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    built = build_platform(ProjectFolder.open(make_project(tmp_path / "project")))
    yield built
    built.database.close()


def deploy(platform: Platform, folder: Path, generation: int) -> str:
    """Desire the next generation with a bundle of its own; return the bundle's digest."""
    bundle = folder / f"bundle-{generation}"
    digest = tiny_bundle(bundle, model=MODEL, weights=(float(generation), 0.5, -0.25)).digest
    variant = VariantSpec(
        name=f"v{generation}",
        model=MODEL,
        model_version=generation,
        bundle_path=str(bundle),
        bundle_digest=digest,
        weight_pct=Decimal(100),
    )
    spec = EndpointSpec(endpoint=MODEL, generation=generation, variants=(variant,))
    with platform.database.transaction() as connection:
        endpoint_store.desire(
            connection, spec, model=MODEL, actor="test", reason="to be followed", at_us=platform.now_us()
        )
    return digest


def made_key(platform: Platform, role: Role) -> str:
    with platform.database.transaction() as connection:
        return create_key(connection, f"elsewhere-{role}", role, at_us=platform.now_us())


@contextlib.contextmanager
def following(folder: Path, url: str, key: str) -> Iterator[httpx.Client]:
    """Run a server that follows ``url``; the client asks it."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [*TRIMTAB, "serve", "--follow", url, "--key-env", "PLANE_KEY", "--state", "state", "--port", "0", "--json"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(PLANE_KEY=key),
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        with httpx.Client(base_url=json.loads(line)["url"], timeout=30, trust_env=False) as client:
            yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stdout is not None
        process.stdout.close()


def version(client: httpx.Client) -> Any:
    """Return which version answers; None when none does."""
    answer = client.post(f"/predict/{MODEL}", json={"row": ROW})
    return answer.json()["model_version"] if answer.is_success else None


def test_what_is_deployed_is_served_elsewhere_and_served_on_without_the_control_plane(
    platform: Platform, tmp_path: Path
) -> None:
    digests = [deploy(platform, tmp_path, 1)]
    key = made_key(platform, Role.SERVICE)
    elsewhere = tmp_path / "elsewhere"
    with control_plane(platform.project.root) as plane:
        with following(elsewhere, plane.url, key) as client:
            eventually(lambda: client.get("/ping").is_success, within_s=LONG_S, wanted="readiness")
            assert version(client) == 1
            digests.append(deploy(platform, tmp_path, 2))
            eventually(lambda: version(client) == 2, within_s=LONG_S, wanted="version 2")
        _answers_only_what_changed_and_what_is_served(plane, key, digests)
        psutil.Process(plane.pid).kill()
        with following(elsewhere, plane.url, key) as client:
            assert version(client) == 2
            eventually(lambda: "control_plane_away" in log_of(elsewhere), within_s=LONG_S, wanted="what is wrong")
            assert version(client) == 2
    spec = json.loads((elsewhere / "state" / "specs" / f"{MODEL}.json").read_bytes())
    assert spec["variants"][0]["bundle_path"] == str(elsewhere / "state" / "bundles" / digests[1])
    assert key not in log_of(elsewhere)


def _answers_only_what_changed_and_what_is_served(plane: ControlPlane, key: str, digests: list[str]) -> None:
    with plane.client(key) as asking:
        told = asking.get("/v1/serving/specs")
        assert [spec["generation"] for spec in told.json()["specs"]] == [2]
        again = asking.get("/v1/serving/specs", headers={"If-None-Match": told.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        served = f"/v1/serving/bundles/{digests[1]}"
        assert asking.get(served, params={"name": "bundle.json"}).json()["model"] == MODEL
        for wanted, name in (
            (served, "../bundle-1/bundle.json"),
            (served, "bundle.sig"),
            (served, "/etc/hostname"),
            (f"/v1/serving/bundles/{digests[0]}", "bundle.json"),
        ):
            assert asking.get(wanted, params={"name": name}).status_code == 404, name


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(encoding="utf-8")
