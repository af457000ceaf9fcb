"""No caller can choose a variant by its key: what keys are hashed with is random, and stays."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.conftest import BOTH
from tests.unit.loop.going import Going
from tests.unit.loop.projects import MODEL, World

from trimtab.rollout import endpoint_store
from trimtab.serving.spec import EndpointSpec, VariantSpec

pytestmark = pytest.mark.parametrize("world", BOTH, indirect=True)


def test_an_endpoints_salt_is_random_kept_and_never_given_to_one_whose_callers_would_move(world: World) -> None:
    database = world.platform.database

    def salts(endpoint: str) -> list[str]:
        return [one.spec.salt for one in database.read(lambda c: endpoint_store.endpoint_generations(c, endpoint))]

    def desire_old(generation: int, *weights: int) -> None:
        live = tuple(
            VariantSpec(
                name=f"v{place}",
                model="old",
                model_version=place,
                bundle_path="",
                bundle_digest="",
                weight_pct=Decimal(weight),
            )
            for place, weight in enumerate(weights)
        )
        spec = EndpointSpec(endpoint="old", generation=generation, variants=live)
        with database.transaction() as connection:
            endpoint_store.desire(connection, spec, model="old", actor="dana", reason="as it was", at_us=0)

    Going(world)
    found = salts(MODEL)
    assert len(found) > 1
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    desire_old(1, 90, 10)
    assert database.read(lambda c: endpoint_store.salt_of(c, "old")) == "", "its callers stay where they are"
    desire_old(2, 100, 0)
    assert database.read(lambda c: endpoint_store.salt_of(c, "old")) is None, "all of them have the same one"
