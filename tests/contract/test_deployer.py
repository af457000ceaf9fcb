"""The contract of deployers, on the one of this machine with a real server, and on one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.instant_deployer import InstantDeployer, InstantPlatform
from tests.unit.serving.running import Running

from trimtab.rollout.deployer import Deployer
from trimtab.rollout.local import LocalDeployer
from trimtab.testing.deployers import CONTRACT_ROW, DeployerContract


class Machine:
    """A state folder and the server on it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.server = Running(state)

    def restart(self) -> None:
        self.server.stop()
        self.server = Running(self.state)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("state"))
    yield machine
    machine.server.stop()


class TestLocalDeployer(DeployerContract):
    @pytest.fixture(autouse=True)
    def _on(self, machine: Machine, tmp_path: Path) -> None:
        self.machine, self.bundles = machine, tmp_path

    def deployer(self) -> Deployer:
        return LocalDeployer(self.machine.state)

    def folder(self) -> Path:
        return self.bundles

    def answered_by(self, endpoint: str) -> int | None:
        reply = self.machine.server.predict({"row": CONTRACT_ROW}, f"/predict/{endpoint}")
        if reply.status in {404, 503}:
            return None
        assert reply.status == 200, reply
        return int(reply.json["model_version"])

    def restart(self) -> None:
        self.machine.restart()


class TestInstantDeployer(DeployerContract):
    @pytest.fixture(autouse=True)
    def _in(self, tmp_path: Path) -> None:
        self.platform, self.bundles = InstantPlatform(), tmp_path

    def deployer(self) -> Deployer:
        return InstantDeployer(self.platform)

    def folder(self) -> Path:
        return self.bundles

    def answered_by(self, endpoint: str) -> int | None:
        return self.platform.answered_by(endpoint)

    def restart(self) -> None:
        """It keeps what it serves as long as the test runs."""
