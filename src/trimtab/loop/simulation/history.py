"""What a simulation begins with: the rows before its start are delivered, and the first version is learnt from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trimtab.bundle.writer import read_manifest
from trimtab.core.errors import DataContractError, TrimtabError
from trimtab.lake.deliveries import DeliveryKind, accept_file, recent_deliveries
from trimtab.loop.releases import decide_version, start_rollout
from trimtab.loop.simulation.stream import Stream
from trimtab.loop.simulation.world import World
from trimtab.loop.trainings import find_job, request_training
from trimtab.registry import store as registry
from trimtab.rollout.store import list_rollouts
from trimtab.training.settings import Algorithm, CandidateSettings, Choices, Dimension

__all__ = ["begin", "deliver_what_came_late", "keep_algorithm"]

_BY = "simulation"
_REASON = "the first one"
_FIRST = 1


def begin(world: World, stream: Stream) -> None:
    """Deliver the history, train the first version on it, and serve it.

    Raises:
        DataContractError: no row of the history passes the contract.
        TrimtabError: the training failed, a gate refuses what it came to, or that does not serve.
    """
    _deliver(world, stream, stream.history(), "history")
    world.settle()
    with world.platform.database.reading() as connection:
        (delivered,) = recent_deliveries(connection, model=world.model, kind=DeliveryKind.TABLE, limit=1)
    if not delivered.rows_passed:
        found = delivered.spec or {}
        why = found.get("error") or "; ".join(f"{rule}: {rows} rows" for rule, rows in found["reasons"].items())
        raise DataContractError(
            f"history of the simulation: none of its {len(stream.history())} rows passed the contract ({why}); correct "
            "contract.yaml, or the table"
        )
    _train(world)
    with world.platform.database.transaction() as connection:
        decide_version(connection, world.platform, world.model, _FIRST, approved=True, by=_BY, reason=_REASON)
        start_rollout(connection, world.platform, world.files, _FIRST, by=_BY, reason=_REASON)
    world.settle()
    if not world.serving.serves(world.endpoint):
        with world.platform.database.reading() as connection:
            (rollout,) = list_rollouts(connection, model=world.model, limit=1)
        raise TrimtabError(
            f"first version of the simulation: does not serve: {(rollout.last or {}).get('reason')}; correct that, and "
            "begin again"
        )


def _train(world: World) -> None:
    platform = world.platform
    with platform.database.transaction() as connection:
        job_id = request_training(connection, platform, world.model, key="simulation:first", actor=_BY, until_us=None)
    world.settle()
    ended = platform.database.read(lambda connection: find_job(connection, job_id))
    gates = ended.spec.get("result", {}).get("gates", [])
    failed = [f"{gate['metric']} is {gate['value']}, must be {gate['limit']}" for gate in gates if not gate["passed"]]
    if ended.state != "succeeded" or failed:
        raise TrimtabError(
            f"first version of the simulation: {ended.error or '; '.join(failed) or ended.state}; begin later "
            "(--from), so that it learns more, or correct training_config.yaml"
        )


def keep_algorithm(world: World) -> None:
    """Let each further training fit once what won the first, as it was: tuning is not what is simulated."""
    platform = world.platform
    with platform.database.reading() as connection:
        first = registry.get(connection, world.model, _FIRST)
    manifest = read_manifest(Path(first.bundle_path), expected_digest=first.digest)
    space: dict[str, Dimension] = {name: Choices(choices=(value,)) for name, value in manifest.params.items()}
    candidate = CandidateSettings(type=Algorithm(manifest.algorithm), space=space, trials=1)
    training = world.files.training.model_copy(update={"candidates": (candidate,), "trials": 1})
    world.rewrite("training_config.yaml", training)


def deliver_what_came_late(world: World, stream: Stream, since_us: int, until_us: int) -> None:
    """Deliver the rows of before the start whose outcomes were known only later, when the last of them is."""
    late = stream.told_late()
    if len(late) and since_us < int(stream.known_us[late].max()) <= until_us:
        _deliver(world, stream, late, "late")


def _deliver(world: World, stream: Stream, places: NDArray[np.int64], name: str) -> None:
    folder = world.platform.project.state / "deliveries"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.parquet"
    pq.write_table(stream.given.take(pa.array(places)), path)
    accept_file(
        world.platform.database,
        world.platform.lake,
        world.platform.queue,
        model=world.model,
        path=path,
        now=world.clock.now(),
    )
