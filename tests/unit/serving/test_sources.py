"""What ``trimtab serve`` is told to serve."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from tests.unit.serving.alone import Alone
from tests.unit.serving.running import variant, write_spec

from trimtab.core.errors import ArtifactUntrustedError, ConfigError, NotFoundError
from trimtab.serving.options import ServerOptions, read_options
from trimtab.serving.sources import adopt, bundles_named, read_spec_file, spec_of
from trimtab.serving.spec import EndpointSpec
from trimtab.serving.spec_files import read_spec, spec_path
from trimtab.testing.bundles import tiny_bundle


def serve(state: Path, *named: str) -> list[EndpointSpec]:
    """Adopt the bundles of a command line, and return what stands in the state folder then."""
    bundles = [bundle for text in named for bundle in bundles_named(text)]
    adopt(state, [spec_of(bundle, state) for bundle in bundles])
    return [read_spec(path) for path in sorted((state / "specs").glob("*.json"))]


def test_a_bundle_is_served_under_its_models_name_or_another(tmp_path: Path) -> None:
    digest = tiny_bundle(tmp_path / "one", model="heart").digest
    [spec] = serve(tmp_path / "state", str(tmp_path / "one"))
    assert (spec.endpoint, spec.generation) == ("heart", 1)
    [only] = spec.variants
    assert (only.bundle_path, only.bundle_digest, only.weight_pct) == (str(tmp_path / "one"), digest, Decimal(100))
    # What was served under the other name is not any more.
    assert [spec.endpoint for spec in serve(tmp_path / "state", f"me={tmp_path / 'one'}")] == ["me"]


def test_a_folder_of_bundles_is_all_of_them(tmp_path: Path) -> None:
    for model in ("heart", "lung"):
        tiny_bundle(tmp_path / "many" / model, model=model)
    assert [spec.endpoint for spec in serve(tmp_path / "state", str(tmp_path / "many"))] == ["heart", "lung"]
    with pytest.raises(ConfigError, match="2 bundles under one name"):
        bundles_named(f"both={tmp_path / 'many'}")
    with pytest.raises(NotFoundError, match="is no folder, expected a bundle"):
        bundles_named(str(tmp_path / "manny"))
    with pytest.raises(NotFoundError, match=r"holds no bundle\.json"):
        bundles_named(str(tmp_path / "state"))


def test_the_next_bundle_of_a_name_is_the_next_version_and_the_same_one_is_the_same(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "one", model="heart")
    tiny_bundle(tmp_path / "two", model="heart", weights=(2.0, 0.5, -0.25))
    state = tmp_path / "state"
    seen = [serve(state, str(tmp_path / name))[0] for name in ("one", "one", "two", "two", "one")]
    assert [spec.generation for spec in seen] == [1, 1, 2, 2, 3]
    assert [spec.variants[0].model_version for spec in seen] == [1, 1, 2, 2, 3]


def test_a_damaged_bundle_is_refused_and_what_was_served_stays(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "one", model="heart")
    [before] = serve(tmp_path / "state", str(tmp_path / "one"))
    tiny_bundle(tmp_path / "two", model="heart", weights=(2.0, 0.5, -0.25))
    with (tmp_path / "two" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ArtifactUntrustedError):
        serve(tmp_path / "state", str(tmp_path / "two"))
    assert read_spec(spec_path(tmp_path / "state", "heart")) == before


def test_two_endpoints_have_two_names(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "one", model="heart")
    with pytest.raises(ConfigError, match="a name comes twice"):
        serve(tmp_path / "state", str(tmp_path / "one"), f"heart={tmp_path / 'one'}")


@pytest.mark.parametrize("name", ["", ".hidden", "two words", "a" * 101, "heart.shadow", "Heart", "heart_2"])
def test_a_name_is_one_that_fits_into_an_address(tmp_path: Path, name: str) -> None:
    tiny_bundle(tmp_path / "one")
    with pytest.raises(ConfigError, match="is no name for an endpoint"):
        bundles_named(f"{name}={tmp_path / 'one'}")


def test_a_model_whose_name_is_none_for_an_endpoint_needs_another(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "one", model="Heart_Model")
    with pytest.raises(ConfigError, match="serve it as --bundle NAME="):
        serve(tmp_path / "state", str(tmp_path / "one"))
    [spec] = serve(tmp_path / "state", f"heart={tmp_path / 'one'}")
    assert (spec.endpoint, spec.variants[0].model) == ("heart", "Heart_Model")


def test_what_a_control_plane_wrote_is_not_replaced(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "one", model="heart")
    theirs = EndpointSpec(endpoint="theirs", generation=7, variants=(variant(tmp_path, "stable", "100"),))
    write_spec(tmp_path / "state", theirs)
    with pytest.raises(ConfigError, match="holds specs that a control plane wrote"):
        serve(tmp_path / "state", str(tmp_path / "one"))
    assert read_spec(spec_path(tmp_path / "state", "theirs")) == theirs


def test_a_spec_names_bundles_as_seen_from_its_file(tmp_path: Path) -> None:
    given = variant(tmp_path, "stable", "100")
    near = msgspec.structs.replace(given, bundle_path=Path(given.bundle_path).name)
    path = tmp_path / "any-name.json"
    path.write_bytes(msgspec.json.encode(EndpointSpec(endpoint="heart", generation=1, variants=(near,))))
    assert read_spec_file(path).variants == (given,)
    path.write_text('{"endpoint": "../../heart", "generation": 1, "variants": []}')
    with pytest.raises(ConfigError, match=r"any-name\.json: .*is no name for an endpoint"):
        read_spec_file(path)


def test_a_damaged_spec_in_the_folder_keeps_no_other_from_being_served(tmp_path: Path) -> None:
    state = tmp_path / "state"
    write_spec(state, EndpointSpec(endpoint="heart", generation=1, variants=(variant(state, "stable", "100"),)))
    spec_path(state, "lung").write_bytes(b'{"endpoint": "lu')
    with Alone(tmp_path, "--state", "state") as server:
        assert server.predict().status_code == 200
        told = {one["endpoint"]: one["error"] for one in server.told["endpoints"]}
    assert told["heart"] is None
    assert "expected an EndpointSpec" in told["lung"]


def test_a_file_of_options_names_only_what_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text('{"max_in_flight": 7}')
    assert read_options(path) == ServerOptions(max_in_flight=7)


@pytest.mark.parametrize("content", ["", "[]", '{"max_in_flight": 0}', '{"max_inflight": 7}', '{"keep_alive_s": "x"}'])
def test_options_that_do_not_fit_are_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "options.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"options\.json: .*expected server options"):
        read_options(path)
