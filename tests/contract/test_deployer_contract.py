"""The contract finds deployers that break a promise."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from tests.contract.instant_deployer import InstantDeployer, InstantPlatform

from trimtab.rollout.deployer import Deployer
from trimtab.serving.spec import EndpointSpec, EndpointStatus
from trimtab.testing.deployers import DeployerContract


class Obedient(InstantDeployer):
    """Does whatever it was asked last."""

    def apply(self, spec: EndpointSpec) -> int:
        self._platform.take_up(spec)
        return spec.generation


class Overtaken(InstantDeployer):
    """Looks at what was asked before, and acts on it later: the higher the generation, the sooner."""

    def apply(self, spec: EndpointSpec) -> int:
        present = self._platform.asked.get(spec.endpoint)
        # The contract asks for generations up to 9: all have looked before the first one acts.
        time.sleep(0.05 * (12 - spec.generation))
        if present is None or present.generation < spec.generation:
            self._platform.asked[spec.endpoint] = spec
            self._platform.take_up(spec)
        return spec.generation


class Trusting(InstantDeployer):
    """Serves a bundle without looking at it."""

    def apply(self, spec: EndpointSpec) -> int:
        asked = super().apply(spec)
        self._platform.served[spec.endpoint] = spec
        return asked


class Forgetful(InstantDeployer):
    """Says that it was asked for whatever it was asked for now."""

    def apply(self, spec: EndpointSpec) -> int:
        super().apply(spec)
        return spec.generation


class Boastful(InstantDeployer):
    """Says of whatever it was asked that it serves."""

    def observe(self, endpoint: str) -> EndpointStatus | None:
        status = super().observe(endpoint)
        return None if status is None else structs.replace(status, generation=status.desired_generation, error=None)


class Silent(InstantDeployer):
    """Keeps it to itself why it refuses."""

    def observe(self, endpoint: str) -> EndpointStatus | None:
        status = super().observe(endpoint)
        return None if status is None else structs.replace(status, error=None)


class Generous(InstantDeployer):
    """Takes any name."""

    def observe(self, endpoint: str) -> EndpointStatus | None:
        return self._platform.statuses.get(endpoint)


class Held(DeployerContract):
    patience_s = 1.0

    def __init__(self, kind: Callable[[InstantPlatform], Deployer], folder: Path) -> None:
        self._kind, self._folder, self._platform = kind, folder, InstantPlatform()
        self.setup_method()

    def deployer(self) -> Deployer:
        return self._kind(self._platform)

    def folder(self) -> Path:
        return self._folder

    def answered_by(self, endpoint: str) -> int | None:
        return self._platform.answered_by(endpoint)

    def restart(self) -> None:
        pass


@pytest.mark.parametrize(
    ("kind", "promise"),
    [
        (Obedient, DeployerContract.test_a_lower_generation_is_ignored),
        (Forgetful, DeployerContract.test_a_lower_generation_is_ignored),
        (Obedient, DeployerContract.test_one_generation_has_one_content),
        (Overtaken, DeployerContract.test_deployers_at_the_same_time_leave_the_highest_generation),
        (Trusting, DeployerContract.test_a_bundle_that_was_changed_never_replaces_what_serves),
        (Trusting, DeployerContract.test_a_bundle_that_answers_its_golden_rows_otherwise_never_replaces_what_serves),
        (Trusting, DeployerContract.test_a_first_version_that_does_not_load_leaves_nothing_served),
        (Boastful, DeployerContract.test_a_bundle_that_was_changed_never_replaces_what_serves),
        (Silent, DeployerContract.test_a_bundle_that_was_changed_never_replaces_what_serves),
        (Generous, DeployerContract.test_names_that_are_none_are_refused),
    ],
    ids=lambda value: value.__name__.removeprefix("test_"),
)
def test_a_broken_promise_is_found(
    kind: Callable[[InstantPlatform], Deployer], promise: Callable[[DeployerContract], None], tmp_path: Path
) -> None:
    promise(Held(InstantDeployer, tmp_path))
    with pytest.raises(AssertionError):
        promise(Held(kind, tmp_path))
