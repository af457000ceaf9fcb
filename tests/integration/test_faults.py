"""The machine fails, and is well again: what was accepted stays, people are told, and nobody has to lend a hand."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import mlflow.store.db.utils
import msgspec
import pytest
from sqlalchemy import select, update
from tests.integration.crashes.stage import left_journal
from tests.integration.processes import eventually, process, trimtab
from tests.unit.loop.projects import MODEL, World, make_project, make_world

from trimtab.audit import log as audit
from trimtab.audit.walk import verify
from trimtab.core.errors import BackendError
from trimtab.db import leases
from trimtab.db.engine import machine_us
from trimtab.db.tables import audit_entry, check_result, delivery, event_delivery, schedule_run
from trimtab.files import write_atomically
from trimtab.loop.actor import CONDUCTOR
from trimtab.loop.conductor import deliver_once
from trimtab.loop.ingestion import Ingestion
from trimtab.loop.observing import RolloutWatch
from trimtab.loop.operation import perform
from trimtab.loop.releases import start_rollout
from trimtab.loop.rollouts import advance_rollouts, apply_desired
from trimtab.loop.schedules import run_due_monitors
from trimtab.loop.subscriptions import HANDLERS
from trimtab.records.journal import DEFAULT_FILE_BYTES
from trimtab.records.layout import journal_files
from trimtab.records.reader import read_frames
from trimtab.records.schema import PredictionFrame
from trimtab.records.segments import read_segment
from trimtab.serving.address import server_url
from trimtab.serving.spec import EndpointSpec, VariantSpec
from trimtab.serving.spec_files import spec_path
from trimtab.testing.bundles import tiny_bundle

_ROW = {"age": 50, "chol": 240.0, "sex": "male"}
_HEADER = "row_id,age,chol,sex,disease\n"

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes disks of so many MiB, which only their test uses."""
    mounted: list[Path] = []

    def make(size_mib: int) -> Path:
        path = tmp_path / f"disk-{len(mounted)}"
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "none", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except FileNotFoundError:
            pytest.skip("no mount command: a full or read-only disk cannot be made here")
        if done.returncode != 0:
            pytest.skip(f"mounting is not allowed here, so no disk can be made: {done.stderr.strip()}")
        mounted.append(path)
        return path

    yield make
    for path in mounted:
        subprocess.run(["umount", "--lazy", str(path)], timeout=10, check=False)


def _fill(disk: Path) -> Path:
    """Take all the room that is left; removing the file gives it back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(1 << 16))
        except OSError:
            return filler


def _make_read_only(disk: Path, read_only: bool) -> None:
    how = "remount,ro" if read_only else "remount,rw"
    subprocess.run(["mount", "-o", how, str(disk)], check=True, timeout=10, capture_output=True)


def _served(state: Path, bundles: Path) -> None:
    bundle = tiny_bundle(bundles / "bundle")
    variant = VariantSpec(
        name="v1",
        model=MODEL,
        model_version=1,
        bundle_path=str(bundles / "bundle"),
        bundle_digest=bundle.digest,
        weight_pct=Decimal(100),
    )
    spec = EndpointSpec(endpoint=MODEL, generation=1, variants=(variant,))
    write_atomically(spec_path(state, MODEL), msgspec.json.encode(spec))


def _journalled(state: Path) -> Counter[str]:
    return Counter(
        frame.prediction_id
        for journal in journal_files(state / "journal")
        for _, frame in read_frames(journal)
        if isinstance(frame, PredictionFrame)
    )


def test_a_server_whose_journal_has_no_room_answers_503_and_then_goes_on(tmp_path: Path, disk: Disk) -> None:
    state = disk(2 * DEFAULT_FILE_BYTES // (1 << 20) + 2)
    _served(state, tmp_path)
    answered: list[str] = []
    with (
        process("-m", "trimtab.serving.server", "--state", state, "--port", "0", log=tmp_path / "log"),
        httpx.Client(timeout=20, trust_env=False) as client,
    ):
        url = eventually(lambda: server_url(state), within_s=30, wanted="a server")
        filler = _fill(state)

        def ask() -> httpx.Response:
            response = client.post(f"{url}/predict/{MODEL}", json={"rows": [_ROW] * 1000})
            if response.status_code == 200:
                answered.extend(row["prediction_id"] for row in response.json()["predictions"])
            return response

        refused = next(response for response in (ask() for _ in range(300)) if response.status_code != 200)
        assert refused.status_code == 503
        assert "no room for a journal file" in refused.json()["error"]
        assert refused.headers["retry-after"] == "1"
        assert client.get(f"{url}/health").status_code == 200, "it lives, and says so"
        filler.unlink()
        assert ask().status_code == 200, "there is room again"
    recorded = _journalled(state)
    assert len(answered) > 1000
    assert set(answered) <= recorded.keys()
    assert max(recorded.values()) == 1
    assert (tmp_path / "log").read_text().count("recording_hindered") == 1


def test_a_server_that_cannot_write_says_so_at_start(tmp_path: Path, disk: Disk) -> None:
    state = disk(1)
    _served(state, tmp_path)
    _make_read_only(state, True)
    said = trimtab("serve", "--state", state, "--port", "0")
    assert said.code == 2
    assert "Read-only file system" in said.sentence


def test_a_project_that_cannot_be_written_is_told_in_a_sentence(disk: Disk) -> None:
    root = disk(2)
    make_project(root)
    _make_read_only(root, True)
    said = trimtab("status", project=root)
    assert said.code != 0
    assert "read-only" in said.sentence.lower() or "readonly" in said.sentence.lower()


def test_a_full_disk_takes_no_file_and_loses_none(tmp_path: Path, disk: Disk) -> None:
    root = disk(12)
    make_project(root)
    rows = "".join(f"r{row},{30 + row % 50},{200 + row % 90},male,no\n" for row in range(20_000))
    (tmp_path / "rows.csv").write_text(_HEADER + rows)
    assert trimtab("status", project=root).code == 0
    filler = _fill(root)
    said = trimtab("ingest", MODEL, tmp_path / "rows.csv", project=root)
    assert said.code != 0
    assert "no space left" in said.sentence.lower() or "full" in said.sentence.lower()
    filler.unlink()
    assert not list((root / ".trimtab").rglob(".incoming.*")), "half a file was left"
    assert trimtab("ingest", MODEL, tmp_path / "rows.csv", project=root).code == 0


def test_a_database_without_room_refuses_in_a_sentence_and_keeps_what_it_took(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = disk(4)
    monkeypatch.setenv("TRIMTAB_DATABASE_URL", f"sqlite:///{place / 'trimtab.db'}")
    world = make_world(tmp_path / "project")
    filler = _fill(place)
    taken, refused = 0, ""
    # Its journal may have room left for some transactions.
    while taken < 2000 and not refused:
        try:
            _deliver(world, tmp_path, taken)
            taken += 1
        except BackendError as error:
            refused = str(error)
    assert "full" in refused
    assert "has disk left" in refused
    told = perform(world.platform, CONDUCTOR, "status.show", {})
    assert told["project"] == "tiny", "what is stored can be read"

    filler.unlink()
    _deliver(world, tmp_path, taken)
    ingestion = Ingestion(world.platform)
    wanted = ["processed"] * (taken + 1)
    eventually(lambda: ingestion.run() or _states(world) == wanted, within_s=60, wanted="all that was accepted")
    with world.platform.database.reading() as connection:
        assert verify(connection).ok
    world.platform.database.close()


def _deliver(world: World, folder: Path, number: int) -> None:
    path = folder / f"rows-{number}.csv"
    path.write_text(f"{_HEADER}r{number},40,200,male,no\n")
    perform(world.platform, CONDUCTOR, "data.ingest", {"model": MODEL, "path": str(path)})


def test_a_lake_that_fails_while_rows_are_judged_is_filled_later(tmp_path: Path, disk: Disk) -> None:
    world = make_world(tmp_path / "project")
    place = world.platform.project.lake
    place.mkdir(parents=True, exist_ok=True)
    lake = disk(4)
    subprocess.run(["mount", "--bind", str(lake), str(place)], check=True, timeout=10)
    try:
        _ingest_with_read_only_lake(world, tmp_path, place)
    finally:
        subprocess.run(["umount", "--lazy", str(place)], timeout=10, check=False)


def _ingest_with_read_only_lake(world: World, tmp_path: Path, place: Path) -> None:

    (tmp_path / "rows.csv").write_text(_HEADER + "".join(f"r{row},40,200,male,no\n" for row in range(50)))
    perform(world.platform, CONDUCTOR, "data.ingest", {"model": MODEL, "path": str(tmp_path / "rows.csv")})
    subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True, timeout=10)
    ingestion = Ingestion(world.platform)
    ingestion.run()
    assert _states(world) == ["received"], "it waits for the disk"
    subprocess.run(["mount", "-o", "remount,rw,bind", str(place)], check=True, timeout=10)
    eventually(lambda: ingestion.run() or _states(world) == ["processed"], within_s=20, wanted="the rows")
    assert _states(world) == ["processed"]
    world.platform.database.close()


def _states(world: World) -> list[str]:
    return list(world.platform.database.read(lambda c: c.execute(select(delivery.c.state)).scalars().all()))


def test_a_shipper_whose_intake_is_full_ships_all_once_there_is_room(tmp_path: Path, disk: Disk) -> None:
    journals, intake = tmp_path / "journal", disk(1)
    keys = left_journal(journals, [f"k{row}" for row in range(200)], "0" * 64, torn=True)
    filler = _fill(intake)
    arguments = ("--journal", journals, "--intake", intake, "--interval", "50ms")
    log = tmp_path / "log"
    with process("-m", "trimtab.records.shipper", *arguments, log=log):
        eventually(lambda: "ship_failed" in log.read_text(), within_s=30, wanted="a word about the full disk")
        assert list(journal_files(journals)), "what is not shipped is kept"
        filler.unlink()
        eventually(lambda: not list(journal_files(journals)), within_s=30, wanted="the journal shipped")
    [segment] = intake.glob("*.arrow")

    assert read_segment(segment)["record_key"].to_pylist() == keys


def test_versions_are_approved_and_deployed_while_mlflow_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # MLflow itself tries for minutes before it gives up: its lane waits, and no other does.
    monkeypatch.setattr(mlflow.store.db.utils, "MAX_RETRY_COUNT", 0)
    world = make_world(tmp_path / "project")
    store = Path(world.platform.project.mlflow_uri.removeprefix("sqlite:///"))
    store.parent.mkdir(parents=True, exist_ok=True)
    # A folder where its database should be: whatever is asked of MLflow fails.
    store.mkdir()
    world.version(1)
    with world.platform.database.transaction() as connection:
        world.platform.publish(connection, "version.registered", f"model:{MODEL}", {"model": MODEL, "number": 1})
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    deliver_once(world.platform, HANDLERS, "projection")
    assert _projection(world) == "pending"
    apply_desired(world.platform)
    watch = RolloutWatch(world.platform)
    while advance_rollouts(world.platform, watch):
        apply_desired(world.platform)
    assert [variant.model_version for variant in world.server.serves[MODEL].variants] == [1]

    store.rmdir()
    while _projection(world) == "pending":
        with world.platform.database.transaction() as connection:
            connection.execute(update(event_delivery).values(available_us=machine_us()))
        assert deliver_once(world.platform, HANDLERS, "projection")
    assert _projection(world) == "done"
    world.platform.database.close()


def _projection(world: World) -> str:
    of_projection = select(event_delivery.c.state).where(event_delivery.c.subscriber == "projection")
    states = world.platform.database.read(lambda c: c.execute(of_projection).scalars().all())
    return next((state for state in states if state != "done"), "done")


def test_a_domain_clock_that_jumps_runs_monitors_once_and_keeps_the_chain_in_order(tmp_path: Path) -> None:
    world = make_world(tmp_path / "project", deployment_config="strategy: {type: recreate}\n")
    world.version(1)
    run_due_monitors(world.platform)
    with world.platform.database.transaction() as connection:
        start_rollout(connection, world.platform, world.platform.files(MODEL), 1, by="dana")
    apply_desired(world.platform)
    while advance_rollouts(world.platform, RolloutWatch(world.platform)):
        pass
    runs = []
    for hours in (5, -4, 1, -3, 2, 1):
        world.clock.advance(timedelta(hours=hours))
        runs.append(run_due_monitors(world.platform))
        with world.platform.database.transaction() as connection:
            audit.append(
                connection, at_us=world.platform.now_us(), actor="test", action="clock.jumped", subject=f"clock:{hours}"
            )
    assert runs == [True, False, False, False, False, False], "the hours were run already"
    world.clock.advance(timedelta(hours=6))
    assert run_due_monitors(world.platform)
    rows = world.platform.database.read(lambda c: c.execute(select(check_result.c.run_id).distinct()).all())
    assert len(rows) == 2
    with world.platform.database.reading() as connection:
        assert verify(connection).ok
        order = connection.execute(select(audit_entry.c.sequence).order_by(audit_entry.c.id)).scalars().all()
        assert len(connection.execute(select(schedule_run)).all()) == 1
    assert list(order) == sorted(order)
    world.platform.database.close()


def test_a_machine_clock_that_goes_back_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path / "project")
    real, ahead_ns = time.time_ns, 5 * 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: real() + ahead_ns)
    ours = _acquire(world, "a")
    assert ours is not None
    world.version(1)
    with world.platform.database.transaction() as connection:
        world.platform.publish(connection, "version.registered", f"model:{MODEL}", {"model": MODEL, "number": 1})
    monkeypatch.setattr(time, "time_ns", real)
    theirs = _acquire(world, "b")
    assert theirs is not None, "a lease of seconds was to be waited for five hours"
    assert theirs.token > ours.token, "who held it is refused from now on"
    assert _acquire(world, "a") is None
    assert world.deliver("messages") == 1, "an event of the future is delivered now"
    world.platform.database.close()


def test_a_machine_clock_that_jumps_ahead_hands_a_lease_over_with_a_new_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path / "project")
    ours = _acquire(world, "a")
    assert ours is not None
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3600 * 10**9)
    theirs = _acquire(world, "b")
    assert theirs is not None
    assert theirs.token > ours.token
    world.platform.database.close()


def _acquire(world: World, holder: str) -> leases.Lease | None:
    with world.platform.database.transaction() as connection:
        return leases.acquire(connection, "lane:data", holder, machine_us=machine_us(), ttl_s=8)
