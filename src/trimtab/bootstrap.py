"""Composition root: from a project's settings to adapters to the loop. The only place that picks implementations."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from trimtab.config.database import database_url
from trimtab.config.lake import BucketPlace, intake_place, lake_cache_bytes, lake_place
from trimtab.config.process import setting, silence_telemetry
from trimtab.config.project import ProjectFolder
from trimtab.core.clock import SystemClock
from trimtab.core.crashpoints import arm
from trimtab.core.enums import Role
from trimtab.core.ids import IdFactory
from trimtab.db.engine import Database
from trimtab.db.migrate import upgrade
from trimtab.db.outbox import Outbox
from trimtab.files import write_atomically
from trimtab.lake.queues.embedded import EmbeddedQueue
from trimtab.lake.storage.base import Bucket, Storage
from trimtab.lake.storage.cached import CachedStorage
from trimtab.lake.storage.folder import FolderStorage
from trimtab.lake.zones import Lake
from trimtab.loop import lanes
from trimtab.loop import operations as operations  # fills the table of operations
from trimtab.loop.conductor import Conductor
from trimtab.loop.holders import holder_name
from trimtab.loop.jobs import SubprocessJobs
from trimtab.loop.keys import LOCAL_ADMIN, replace_key
from trimtab.loop.platform import Platform
from trimtab.loop.state_folder import claim
from trimtab.loop.subscriptions import SUBSCRIPTIONS
from trimtab.rollout.local import LocalDeployer
from trimtab.serving.address import server_url

if TYPE_CHECKING:
    from trimtab.registry.projection import MlflowProjection

__all__ = ["build_conductor", "build_platform", "prepare_project"]


def build_platform(folder: ProjectFolder) -> Platform:
    """Return the platform of the project in ``folder``, its database at the newest revision.

    Raises:
        ConfigError: an address in the environment cannot be used, or ``TRIMTAB_CRASH_AT`` names no crash point.
        BackendError: the database cannot be reached, or is newer than this program.
    """
    arm(setting("crash_at"))
    silence_telemetry()
    folder.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    url = database_url()
    database = Database(url) if url is not None else Database.at(folder.database)
    upgrade(database)

    @lru_cache(maxsize=1)
    def projection() -> MlflowProjection:
        # Start-up cost: MLflow takes seconds to import; only the lane that projects needs it.
        from trimtab.registry.projection import MlflowProjection

        return MlflowProjection(folder.mlflow_uri)

    return Platform(
        project=folder,
        database=database,
        clock=SystemClock(),
        new_id=IdFactory(),
        outbox=Outbox(SUBSCRIPTIONS),
        lake=Lake(_storage(folder)),
        queue=EmbeddedQueue(database),
        jobs=SubprocessJobs(),
        deployer=LocalDeployer(folder.serving),
        projection=projection,
        serving_url=lambda: server_url(folder.serving),
        intake_bucket=_intake_bucket(),
    )


def _storage(folder: ProjectFolder) -> Storage:
    """Return where the lake of the project is, as ``TRIMTAB_LAKE_URL`` says."""
    place = lake_place()
    if not isinstance(place, BucketPlace):
        return FolderStorage(place or folder.lake)
    # Optional extra: s3.
    from trimtab.lake.storage.s3 import S3Bucket

    # Another folder than the embedded lake's: that one holds the only copies there are.
    return CachedStorage(S3Bucket(place.bucket, place.prefix), folder.lake_cache, limit_bytes=lake_cache_bytes())


def _intake_bucket() -> tuple[Bucket, str] | None:
    """Return the bucket of ``TRIMTAB_INTAKE_URL``, and the folder in it."""
    place = intake_place()
    if place is None:
        return None
    # Optional extra: s3.
    from trimtab.lake.storage.s3 import S3Bucket

    return S3Bucket(place.bucket), place.prefix


def build_conductor(platform: Platform, *, beats: bool = True) -> Conductor:
    """Return the conductor that works for ``platform`` in this process; see `lanes.of` for ``beats``.

    Raises:
        ConflictError: it is a control plane's, and the database is worked with from another state folder.
    """
    if beats and database_url() is not None:
        with platform.database.transaction() as connection:
            claim(connection, platform.project.state, platform.new_id)
    return Conductor(platform, lanes.of(platform, beats=beats), holder=holder_name(platform.new_id()))


def prepare_project(folder: ProjectFolder, *, replace_state_folder: bool = False) -> None:
    """Bring the database up to date and write the key of this machine's user, readable by them alone.

    Raises:
        ConfigError: an address in the environment cannot be used.
        ConflictError: the database is worked with from another state folder; ``replace_state_folder`` takes it over.
        BackendError: database or lake cannot be reached.
    """
    platform = build_platform(folder)
    # Said once, at the start, to whoever looks at it; what happens later is tried again.
    platform.lake.storage.check()
    with platform.database.transaction() as connection:
        if database_url() is not None:
            claim(connection, folder.state, platform.new_id, replace=replace_state_folder)
        key = replace_key(connection, LOCAL_ADMIN, Role.ADMIN, at_us=platform.now_us())
    write_atomically(folder.state / "credentials.json", orjson.dumps({"key": key}), mode=0o600)
    platform.database.close()
