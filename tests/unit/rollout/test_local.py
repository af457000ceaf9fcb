from __future__ import annotations

import os
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from trimtab.core.errors import BackendError, ConfigError, ConflictError
from trimtab.files.processes import started_ticks
from trimtab.rollout.local import LocalDeployer
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec


def endpoint(generation: int, *, name: str = "bikes", version: int = 1) -> EndpointSpec:
    variant = VariantSpec(
        name=f"v{version}",
        model="bikes",
        model_version=version,
        bundle_path="/bundles/1",
        bundle_digest="a" * 64,
        weight_pct=Decimal("100"),
    )
    return EndpointSpec(endpoint=name, generation=generation, variants=(variant,))


def report(folder: Path, pid: int) -> EndpointStatus:
    status = EndpointStatus(endpoint="bikes", generation=3, desired_generation=3, pid=pid, variants=())
    (folder / "status").mkdir(exist_ok=True)
    (folder / "status" / "bikes.json").write_bytes(msgspec.json.encode(status))
    return status


def test_an_applied_spec_is_what_the_server_reads(tmp_path: Path) -> None:
    LocalDeployer(tmp_path).apply(endpoint(1))
    content = (tmp_path / "specs" / "bikes.json").read_bytes()
    assert msgspec.json.decode(content, type=EndpointSpec) == endpoint(1)
    assert [path.name for path in (tmp_path / "specs").glob("*.json")] == ["bikes.json"]


def test_a_lower_generation_never_overwrites_a_higher_one(tmp_path: Path) -> None:
    deployer = LocalDeployer(tmp_path)
    for generation in (1, 3, 2, 3):
        deployer.apply(endpoint(generation))
    assert deployer.desired("bikes") == endpoint(3)


def test_one_generation_has_one_content(tmp_path: Path) -> None:
    deployer = LocalDeployer(tmp_path)
    deployer.apply(endpoint(1))
    with pytest.raises(ConflictError, match="generation 1 stands with other content"):
        deployer.apply(endpoint(1, version=2))


def test_writers_at_the_same_time_leave_the_highest_generation(tmp_path: Path) -> None:
    deployer = LocalDeployer(tmp_path)
    threads = [threading.Thread(target=deployer.apply, args=(endpoint(number),)) for number in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert deployer.desired("bikes") == endpoint(20)


def test_the_status_of_a_living_server_is_believed(tmp_path: Path) -> None:
    status = report(tmp_path, os.getpid())
    assert LocalDeployer(tmp_path).observe("bikes") == status


def test_the_status_of_a_dead_server_counts_as_absent(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    report(tmp_path, gone.pid)
    assert LocalDeployer(tmp_path).observe("bikes") is None


def test_the_status_of_a_dead_server_whose_number_is_another_process_s_counts_as_absent(tmp_path: Path) -> None:
    status = report(tmp_path, os.getpid())
    told = tmp_path / "server.json"
    told.write_bytes(msgspec.json.encode({"pid": os.getpid(), "start_ticks": started_ticks(os.getpid()), "port": 1}))
    assert LocalDeployer(tmp_path).observe("bikes") == status
    told.write_bytes(msgspec.json.encode({"pid": os.getpid(), "start_ticks": 1}))
    assert LocalDeployer(tmp_path).observe("bikes") is None
    told.write_bytes(msgspec.json.encode({"pid": os.getpid() + 1, "start_ticks": 1}))
    assert LocalDeployer(tmp_path).observe("bikes") == status, "a new server that does not listen yet"


def test_an_endpoint_that_nobody_serves_has_no_status(tmp_path: Path) -> None:
    assert LocalDeployer(tmp_path).observe("bikes") is None


def test_a_status_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    (tmp_path / "status" / "bikes.json").write_bytes(b'{"schema_version": 9}')
    with pytest.raises(BackendError, match=r"bikes\.json"):
        LocalDeployer(tmp_path).observe("bikes")


@pytest.mark.parametrize("name", ["../bikes", "a/b", "", "."])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name"):
        LocalDeployer(tmp_path).desired(name)
    with pytest.raises(ConfigError, match="is no name"):
        endpoint(1, name=name)
