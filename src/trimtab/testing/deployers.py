"""What every deployer must do, as tests: for those who write one for a platform of their own."""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.writer import GOLDEN_NAME, MODEL_NAME, write_bundle
from trimtab.core.enums import Task, VariantRole
from trimtab.core.errors import ConfigError, ConflictError
from trimtab.rollout.deployer import Deployer
from trimtab.serving.spec import EndpointSpec, EndpointStatus, VariantSpec
from trimtab.testing.bundles import TINY_FEATURES, tiny_bundle, tiny_model

__all__ = ["CONTRACT_ROW", "DeployerContract"]

CONTRACT_ROW = {feature.name: feature.example for feature in TINY_FEATURES}
"""A row that every bundle of the contract can answer."""

_POLL_S = 0.02
_ENOUGH_ANSWERS = 60


class DeployerContract(ABC):
    """Run by pytest on a subclass that says how to reach the platform; a method is a promise that a deployer makes.

    Each test works on an endpoint of its own, so that one platform may serve all of them, at the same time too.

        class TestMyDeployer(DeployerContract):
            def deployer(self) -> Deployer: ...
            def folder(self) -> Path: ...
            def answered_by(self, endpoint: str) -> int | None: ...
            def restart(self) -> None: ...
    """

    patience_s: ClassVar[float] = 60.0
    """How long the platform may take for one change."""

    def setup_method(self) -> None:
        """Begin a test: nothing is asked for yet."""
        self._asked: dict[str, int] = {}

    def teardown_method(self) -> None:
        """End a test: its endpoints serve nothing from now on, on a platform that may cost something."""
        for endpoint, generation in self._asked.items():
            self.deployer().apply(_spec(endpoint, generation + 1, []))

    @abstractmethod
    def deployer(self) -> Deployer:
        """Return a deployer of the platform under test; each call may return another one of the same platform."""

    @abstractmethod
    def folder(self) -> Path:
        """Return a folder for bundles: the platform must be able to read what is written there."""

    @abstractmethod
    def answered_by(self, endpoint: str) -> int | None:
        """Ask ``endpoint`` for a prediction on `CONTRACT_ROW`, as callers do.

        Return the model version that answered, None when nothing serves the endpoint.
        """

    @abstractmethod
    def restart(self) -> None:
        """Stop whatever serves, start it again, and return when it answers. Nothing, where servers are not ours."""

    def test_nothing_is_told_of_an_endpoint_that_nobody_asked_for(self) -> None:
        """An endpoint without a spec is None, not an error."""
        assert self.deployer().observe(_endpoint()) is None

    def test_what_was_asked_for_is_served_and_told(self) -> None:
        """The status names generation, version and digest of what answers, and how its golden rows did."""
        wanted = self._spec(_endpoint(), 1, {1: 100})
        status = self._served(wanted)
        assert (status.endpoint, status.generation, status.desired_generation) == (wanted.endpoint, 1, 1), status
        [told] = status.variants
        [variant] = wanted.variants
        assert (told.name, told.model_version, told.bundle_digest) == ("v1", 1, variant.bundle_digest), told
        assert told.ready, told
        assert (told.error, told.smoke_rows > 0) == (None, True), told
        assert told.smoke_max_abs_difference <= 1e-3, told
        assert self.answered_by(wanted.endpoint) == 1

    def test_asking_again_changes_nothing(self) -> None:
        """The same spec may be handed over any number of times."""
        wanted = self._spec(_endpoint(), 1, {1: 100})
        before = self._served(wanted)
        for _time in range(3):
            self._apply(wanted)
        assert self.deployer().observe(wanted.endpoint) == before
        assert self.answered_by(wanted.endpoint) == 1

    def test_a_lower_generation_is_ignored(self) -> None:
        """What was decided earlier never replaces what was decided later, whenever it arrives."""
        name = _endpoint()
        self._served(self._spec(name, 3, {3: 100}))
        told = self._apply(self._spec(name, 2, {2: 100}))
        assert told == 3, f"asked for generation 2 below 3: told {told}; expected 3, which stays what is asked for"
        # Whatever would take it up has done so when a later change has arrived.
        self._served(self._spec(_endpoint(), 1, {1: 100}))
        assert self._generation(name) == 3
        assert self.answered_by(name) == 3

    def test_one_generation_has_one_content(self) -> None:
        """Two who decided at the same time cannot both have their way; the second one is told."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        told = ""
        try:
            self._apply(self._spec(name, 1, {2: 100}))
        except ConflictError as error:
            told = str(error)
        assert name in told, f"generation 1 with other content: told {told!r}; expected a ConflictError on {name!r}"
        assert self.answered_by(name) == 1

    def test_deployers_at_the_same_time_leave_the_highest_generation(self) -> None:
        """Several processes may hand over what they know, in any order."""
        name = _endpoint()
        wanted = [self._spec(name, generation, {1 + generation % 3: 100}) for generation in range(1, 10)]
        deployers = [self.deployer() for _ in wanted]
        self._asked[name] = 9
        threads = [
            threading.Thread(target=deployer.apply, args=(spec,))
            for deployer, spec in zip(deployers, wanted[::-1], strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience_s)
        assert self._settled(name, 9).error is None
        assert self.answered_by(name) == wanted[-1].variants[0].model_version

    def test_each_version_answers_its_share_and_one_without_a_share_never(self) -> None:
        """Weights are shares of the callers; 0 % is loaded all the same, for an instant way back."""
        name = _endpoint()
        status = self._served(self._spec(name, 1, {1: 50, 2: 50, 3: 0}))
        assert {told.name: told.ready for told in status.variants} == {"v1": True, "v2": True, "v3": True}, status
        # Either one is left out by chance once in 2^59 runs.
        assert {self.answered_by(name) for _ in range(_ENOUGH_ANSWERS)} == {1, 2}
        self._served(self._spec(name, 2, {1: 0, 2: 0, 3: 100}))
        assert {self.answered_by(name) for _ in range(10)} == {3}

    def test_a_shadow_is_loaded_and_never_answers(self) -> None:
        """A shadow's answers reach no caller, however large its share of copies is."""
        name = _endpoint()
        status = self._served(self._spec(name, 1, {1: 100}, shadow=2))
        assert {told.model_version for told in status.variants if told.ready} == {1, 2}, status
        assert {self.answered_by(name) for _ in range(10)} == {1}

    def test_a_bundle_that_was_changed_never_replaces_what_serves(self) -> None:
        """A bundle that is not what its digest says is refused, with a reason, and what served serves on."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        self._refused(self._broken(name, 2, version=2), serves=1)

    def test_a_bundle_that_answers_its_golden_rows_otherwise_never_replaces_what_serves(self) -> None:
        """A bundle that is whole and yet answers wrong here is refused as well."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        folder = self.folder() / f"wrong-{secrets.token_hex(4)}"
        self._refused(_spec(name, 2, [_variant(folder, _wrong_bundle(folder), 2, 100)]), serves=1)

    def test_a_first_version_that_does_not_load_leaves_nothing_served(self) -> None:
        """Without anything that served before, the status says why, and no caller gets an answer."""
        name = _endpoint()
        wanted = self._broken(name, 1, version=1)
        self._apply(wanted)
        status = self._settled(name, 1)
        assert (status.generation, bool(status.error)) == (0, True), status
        assert not any(told.ready for told in status.variants), status
        assert self.answered_by(name) is None

    def test_the_next_generation_heals_what_was_refused(self) -> None:
        """An error belongs to the generation that was refused, and is not told beyond it."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        self._refused(self._broken(name, 2, version=2), serves=1)
        status = self._served(self._spec(name, 3, {3: 100}))
        assert (status.generation, status.error) == (3, None), status
        assert self.answered_by(name) == 3

    def test_what_is_refused_on_one_endpoint_hinders_no_other(self) -> None:
        """Endpoints share a platform, and nothing else."""
        broken = self._broken(_endpoint(), 1, version=1)
        self._apply(broken)
        wanted = self._spec(_endpoint(), 1, {2: 100})
        assert self._served(wanted).error is None
        assert self.answered_by(wanted.endpoint) == 2
        assert self._settled(broken.endpoint, 1).error

    def test_an_endpoint_without_variants_answers_nothing_and_may_come_back(self) -> None:
        """Its generations go on: what was there before does not return by itself."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        status = self._served(_spec(name, 2, []))
        assert (status.generation, status.variants) == (2, ()), status
        assert self.answered_by(name) is None
        self._served(self._spec(name, 3, {3: 100}))
        assert self.answered_by(name) == 3

    def test_a_restart_serves_what_was_asked_for_last(self) -> None:
        """Neither side needs the other to come back: a platform keeps what it was asked for, a deployer nothing."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        self._served(self._spec(name, 2, {2: 100}))
        self.restart()
        assert self._settled(name, 2).error is None
        assert self.answered_by(name) == 2
        # One that did not see generation 2 go out must not be able to undo it either.
        self._apply(self._spec(name, 1, {1: 100}))
        self._served(self._spec(_endpoint(), 1, {1: 100}))
        assert self.answered_by(name) == 2

    def test_a_restart_behind_a_refused_generation_serves_what_served_before(self) -> None:
        """A version that cannot be loaded takes nothing down, though a server restarts before anybody takes it back."""
        name = _endpoint()
        self._served(self._spec(name, 1, {1: 100}))
        wanted = self._broken(name, 2, version=2)
        self._refused(wanted, serves=1)
        self.restart()
        self._refused(wanted, serves=1)

    def test_names_that_are_none_are_refused(self) -> None:
        """A name must not reach beyond the endpoints."""
        for name in ("../bikes", "a/b", "", ".", "a b", "\n"):
            try:
                found = self.deployer().observe(name)
            except ConfigError:
                continue
            raise AssertionError(f"observe({name!r}) returned {found}: expected a ConfigError")

    def _spec(
        self, endpoint: str, generation: int, weights: dict[int, int], *, shadow: int | None = None
    ) -> EndpointSpec:
        variants = [self._good(version, weight) for version, weight in weights.items()]
        if shadow is not None:
            variants.append(self._good(shadow, 100, role=VariantRole.SHADOW))
        return _spec(endpoint, generation, variants)

    def _good(self, version: int, weight: int, *, role: VariantRole = VariantRole.LIVE) -> VariantSpec:
        folder = self.folder() / f"v{version}-{secrets.token_hex(4)}"
        manifest = tiny_bundle(folder, weights=(float(version), 0.5, -0.25))
        return _variant(folder, manifest, version, weight, role=role)

    def _broken(self, endpoint: str, generation: int, *, version: int) -> EndpointSpec:
        variant = self._good(version, 100)
        graph = Path(variant.bundle_path) / MODEL_NAME
        graph.write_bytes(graph.read_bytes() + b"!")
        return _spec(endpoint, generation, [variant])

    def _apply(self, wanted: EndpointSpec) -> int:
        self._asked[wanted.endpoint] = max(self._asked.get(wanted.endpoint, 0), wanted.generation)
        return self.deployer().apply(wanted)

    def _served(self, wanted: EndpointSpec) -> EndpointStatus:
        self._apply(wanted)
        status = self._settled(wanted.endpoint, wanted.generation)
        assert status.error is None, f"{wanted.endpoint}: {status.error}; expected generation {wanted.generation}"
        return status

    def _refused(self, wanted: EndpointSpec, *, serves: int) -> None:
        self._apply(wanted)
        status = self._settled(wanted.endpoint, wanted.generation)
        assert status.error, f"{wanted.endpoint}: {status}; expected to be told why"
        assert status.generation < wanted.generation, status
        assert [told.model_version for told in status.variants if told.ready] == [serves], status
        assert {self.answered_by(wanted.endpoint) for _ in range(5)} == {serves}

    def _generation(self, endpoint: str) -> int | None:
        status = self.deployer().observe(endpoint)
        return None if status is None else status.generation

    def _settled(self, endpoint: str, generation: int) -> EndpointStatus:
        """Return the status once the platform serves ``generation``, or says why it does not."""
        deadline = time.monotonic() + self.patience_s
        while True:
            status = self.deployer().observe(endpoint)
            if status is not None and (status.generation == generation or _has_refused(status, generation)):
                return status
            assert time.monotonic() < deadline, (
                f"{endpoint}: {status} after {self.patience_s:g} s; expected generation {generation} to be served, or "
                "to be told why it is not"
            )
            time.sleep(_POLL_S)


def _has_refused(status: EndpointStatus, generation: int) -> bool:
    return status.desired_generation == generation and status.error is not None


def _endpoint() -> str:
    return f"contract-{secrets.token_hex(6)}"


def _spec(endpoint: str, generation: int, variants: list[VariantSpec]) -> EndpointSpec:
    return EndpointSpec(endpoint=endpoint, generation=generation, variants=tuple(variants))


def _variant(
    folder: Path, manifest: Manifest, version: int, weight: int, *, role: VariantRole = VariantRole.LIVE
) -> VariantSpec:
    return VariantSpec(
        name=f"v{version}",
        model=manifest.model,
        model_version=version,
        bundle_path=str(folder),
        bundle_digest=manifest.digest,
        weight_pct=Decimal(weight),
        role=role,
    )


def _wrong_bundle(folder: Path) -> Manifest:
    """Write a bundle that is whole, with the golden rows of another graph."""
    source = folder.with_name(f"{folder.name}-source")
    manifest = tiny_bundle(source, weights=(1.0, 0.5, -0.25))
    return write_bundle(
        folder,
        manifest,
        model_onnx=tiny_model(Task.BINARY, (-3.0, 0.5, -0.25)),
        golden=pq.read_table(source / GOLDEN_NAME),
        reference=lambda _: None,
    )
