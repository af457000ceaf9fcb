"""A project whose processes are killed and started again, and what is looked at afterwards."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
from sqlalchemy import Table, select, update
from tests.integration.crashes.flows import MODEL, YEARLY
from tests.integration.processes import environment, eventually
from tests.unit.loop.projects import START, InstantJobs, InstantServer, World, make_project

from trimtab.bootstrap import build_platform
from trimtab.config.cron import newest_moment
from trimtab.core.clock import ManualClock, to_micros
from trimtab.core.enums import ColumnKind, Task
from trimtab.core.ids import new_id
from trimtab.db.engine import machine_us
from trimtab.db.tables import event_delivery, lease, queue_message, schedule_run
from trimtab.loop.jobs import JobProcessState
from trimtab.loop.platform import Platform
from trimtab.loop.releases import start_rollout
from trimtab.records.journal import JournalWriter, new_writer_id
from trimtab.records.layout import file_name
from trimtab.records.schema import PredictionFrame, SchemaFrame, TruthFrame
from trimtab.serving.address import server_url

ROWS, BROKEN = 60, 3
"""Rows of each file that is delivered, and how many of them break the contract."""

_AT_ONCE = "strategy: {type: recreate}\n"
_TRAINING = """
split: {type: stratified, test_share: 0.25}
cross_validation: null
trials: 1
workers: 1
explain_rows: 0
candidates: [{type: logistic_regression}]
"""
_MONITORING = f"""
schedule: "{YEARLY}"
window: 7d
monitors:
  - {{type: data_drift, severity: high}}
  - {{type: model_quality, severity: high, limits: {{accuracy: 0.6}}, min_labels: 50}}
"""
_LIKE_BEFORE, _CHANGED = (50.0, 240.0, "male"), (50.0, 600.0, "male")
_CHANGED_ROWS = 200
_ENDS_S, _STARTS_S = 60, 120


@dataclass(frozen=True)
class Place:
    """Where a project keeps its metadata and its lake: what its processes are told; empty: in its own folder.

    The settings must stand in this process's environment, too. ``files_below`` returns the content of all Parquet files
    below a folder of the lake that is elsewhere.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    files_below: Callable[[str], Iterable[bytes]] | None = None


IN_THE_PROJECT = Place()


class Launcher:
    """The process that forks others; see `tests.integration.crashes.launcher`."""

    def __init__(self, place: Place = IN_THE_PROJECT) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.crashes.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(**place.settings),
        )
        self._read()

    def ask(self, **asked: Any) -> int:
        """Return the exit code of the process that was asked for; negative: the signal that ended it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._read()["code"])

    def close(self) -> None:
        """End it; its children have ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(_ENDS_S)
        self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the launcher ended"
        return dict(json.loads(line))


class Stage:
    """A project with version 1 in production, an inference server, and flows that run in processes of their own."""

    def __init__(self, root: Path, launcher: Launcher, place: Place = IN_THE_PROJECT) -> None:
        files = {"deployment_config": _AT_ONCE, "training_config": _TRAINING, "monitoring_config": _MONITORING}
        self.project = make_project(root, **files)
        self._place = place
        self.platform: Platform = build_platform(self.project)
        self._launcher = launcher
        self._server: subprocess.Popen[bytes] | None = None
        self.files = 0
        self.shipped: set[str] = set()
        self.answered: dict[str, str] = {}
        self.unanswered: set[str] = set()
        self._memories: dict[str, tuple[int, set[str], dict[str, str], set[str]]] = {}
        world = World(self.platform, ManualClock(START), InstantServer(), InstantJobs(lambda _: None))
        self.digest = world.version(1).digest
        try:
            self.serve()
            with self.platform.database.transaction() as connection:
                start_rollout(connection, self.platform, self.platform.files(MODEL), 1, by="dana")
            self.finish("checks")
        except BaseException:
            self.close()
            raise

    def save(self, name: str) -> None:
        """Keep the project as it is, to be brought back under ``name``."""
        self._rest()
        shutil.copytree(self.project.root, self._saved(name))
        self._memories[name] = (self.files, set(self.shipped), dict(self.answered), set(self.unanswered))
        self._wake()

    def restore(self, name: str) -> None:
        """Bring the project back as it was when it was saved, to the same place: its database holds whole paths."""
        self._rest()
        shutil.rmtree(self.project.root)
        shutil.copytree(self._saved(name), self.project.root)
        files, shipped, answered, unanswered = self._memories[name]
        self.files, self.shipped, self.answered, self.unanswered = files, set(shipped), dict(answered), set(unanswered)
        self._wake()

    def _saved(self, name: str) -> Path:
        return self.project.root.with_name(f"saved-{name}")

    def _rest(self) -> None:
        self.stop_serving()
        self.platform.database.close()

    def _wake(self) -> None:
        self.platform = build_platform(self.project)
        self.serve()

    def close(self) -> None:
        """End the server."""
        self.stop_serving()
        self.platform.database.close()

    # what is done ----------------------------------------------------------------------------------------------

    def feed(self) -> None:
        """Leave a file to deliver and a journal to ship; each second journal ends in a torn frame."""
        number = self.files
        self.files += 1
        lines = ["row_id,age,chol,sex,disease"]
        for row in range(ROWS):
            age = 300 if row < BROKEN else 30 + (row * 7 + number) % 50
            sick = "yes" if (row * 13 + number) % 10 < (age - 25) // 6 else "no"
            lines.append(f"f{number}r{row},{age},{200 + row},{'male' if row % 2 else 'female'},{sick}")
        (self.project.root / f"delivery-{number}.csv").write_text("\n".join(lines) + "\n")
        keys = [f"j{number}r{row}" for row in range(5)]
        journals = self.project.serving / "journal"
        self.shipped |= set(left_journal(journals, keys, self.digest, torn=number % 2 == 1, truth="yes"))

    def change_the_world(self) -> None:
        """Leave a journal of rows that what serves judges wrong, all of them: a version that knows them is better."""
        keys = [f"changed{row}" for row in range(_CHANGED_ROWS)]
        journals = self.project.serving / "journal"
        self.shipped |= set(left_journal(journals, keys, self.digest, torn=False, truth="no", values=_CHANGED))

    def die(self, flow: str, point: str, *, training_at: str | None = None) -> None:
        """Run ``flow`` in a process that dies at ``point``, by SIGKILL, and let the leases that it held run out."""
        code = self._run(flow, at=point, job_at=training_at)
        if training_at is not None:
            # Whoever looks for it next must find it at work, however slow they are.
            os.kill(self._training_pid(), signal.SIGSTOP)
        assert code == -signal.SIGKILL, f"{flow}: {point} was not reached ({code}); {self.log}"
        self.let_leases_run_out()

    def die_training(self, point: str) -> None:
        """See that a training is at work in a process of its own, and that it dies at ``point``."""
        if not self._training_lives():
            assert self._run("train", job_at=point) == 0, self.log
        pid = self._training_pid()
        os.kill(pid, signal.SIGCONT)
        log = next(self.project.jobs.glob("*/log.txt"))
        assert self._launcher.ask(**{"await": pid}) == -signal.SIGKILL, log.read_text()
        self.let_leases_run_out()

    def _training_pid(self) -> int:
        [pid] = self.project.jobs.glob("*/pid")
        return int(pid.read_text())

    def _training_lives(self) -> bool:
        states = [self.platform.jobs.state(path) for path in self.project.jobs.glob("*")]
        return JobProcessState.RUNNING in states

    def die_serving_at_start(self) -> None:
        """Start the server anew; it dies when it has loaded a spec and not yet said so."""
        self.stop_serving()
        self.serve("serving.switched")
        assert self._server_ended() == -signal.SIGKILL
        self.serve()

    def die_serving_under_load(self) -> None:
        """Have the server die over the fourth answer, which it has recorded."""
        self.stop_serving()
        self.serve("serving.recorded#4")
        self.answer_some()
        assert self._server_ended() == -signal.SIGKILL
        self.serve()

    def answer_some(self) -> None:
        """Ask for six answers, and note which came."""
        for _ in range(6):
            key = f"live-{len(self.answered) + len(self.unanswered)}"
            body = {"row": {"age": 50, "chol": 240.0, "sex": "male"}, "record_key": key}
            try:
                said = httpx.post(f"{server_url(self.project.serving)}/predict/{MODEL}", json=body, trust_env=False)
                self.answered[said.json()["predictions"][0]["prediction_id"]] = key
            except httpx.HTTPError:
                self.unanswered.add(key)

    def finish(self, flow: str) -> None:
        """Run ``flow`` to its end."""
        code = self._run(flow)
        assert code == 0, f"{flow}: not quiet ({code}); {self.log}"

    def _run(self, flow: str, at: str | None = None, job_at: str | None = None) -> int:
        return self._launcher.ask(flow=flow, project=str(self.project.root), at=at, job_at=job_at)

    @property
    def log(self) -> str:
        """The last of what the flows said."""
        return (self.project.root / "flows.log").read_text()[-3000:]

    def let_leases_run_out(self) -> None:
        """Do to the leases of a process that is dead what a minute would do."""
        with self.platform.database.transaction() as connection:
            connection.execute(update(lease).values(until_us=0))
            for table in (event_delivery, queue_message):
                connection.execute(update(table).values(available_us=machine_us() - 1))
                connection.execute(update(table).where(table.c.leased_until_us.is_not(None)).values(leased_until_us=0))

    def make_schedule_due(self) -> None:
        """Have the monitors' last run lie before the newest moment of their schedule."""
        now = self.platform.clock.now()
        moment = newest_moment(YEARLY, now - timedelta(days=400), now)
        assert moment is not None
        with self.platform.database.transaction() as connection:
            connection.execute(update(schedule_run).values(last_us=to_micros(moment) - 1))

    def serve(self, at: str | None = None) -> None:
        """Start the inference server; with ``at`` it dies there, while it starts or later."""
        (self.project.serving / "server.json").unlink(missing_ok=True)
        with (self.project.root / "server.log").open("ab") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "trimtab.serving.server", "--state", str(self.project.serving), "--port", "0"],
                stdout=log,
                stderr=log,
                env=environment(**({} if at is None else {"TRIMTAB_CRASH_AT": at})),
            )
        server = self._server
        eventually(
            lambda: server.poll() is not None or server_url(self.project.serving), within_s=_STARTS_S, wanted="a server"
        )

    def _server_ended(self) -> int:
        assert self._server is not None
        return self._server.wait(_ENDS_S)

    def stop_serving(self) -> None:
        """Stop the server if it runs."""
        if self._server is not None and self._server.poll() is None:
            self._server.terminate()
            self._server.wait(_ENDS_S)

    # what is looked at -----------------------------------------------------------------------------------------

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        return self.platform.database.read(lambda c: [dict(row) for row in c.execute(select(table)).mappings()])

    def lake_rows(self, where: str, *columns: str) -> list[dict[str, Any]]:
        """Return the rows of all Parquet files below ``where``."""
        read = self._place.files_below or self._files_below
        found = [pq.read_table(io.BytesIO(content), columns=list(columns)) for content in read(where)]
        return [row for table in found for row in table.to_pylist()]

    def _files_below(self, where: str) -> Iterable[bytes]:
        found = (self.project.lake / where).rglob("*.parquet")
        return [path.read_bytes() for path in found if not path.name.startswith(".")]


def left_journal(
    folder: Path,
    keys: list[str],
    digest: str,
    *,
    torn: bool,
    truth: str | None = None,
    values: tuple[float, float, str] = _LIKE_BEFORE,
) -> list[str]:
    """Write what a server that was killed left: a journal with a row for each key, and perhaps half a row more.

    With ``truth`` it has the outcome of each row, too. Returns the keys of the rows that are whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kinds = (("age", ColumnKind.NUMBER), ("chol", ColumnKind.NUMBER), ("sex", ColumnKind.CATEGORY))
    schema = SchemaFrame(7, MODEL, MODEL, 1, "v1", digest, Task.BINARY, kinds)
    writer = JournalWriter(folder, sync_interval_s=60, file_bytes=262_144)
    try:
        writer.declare(schema)
        for key in keys:
            answer = _answered(key, values)
            writer.append(answer)
            if truth is not None:
                writer.append(_outcome(answer, truth))
        whole = writer.position
        if torn:
            writer.append(_answered("torn", values))
        # A copy, since the writer of this one lives; its name is that of a writer which never was.
        left = folder / file_name(new_writer_id(), 1)
        content = bytearray(writer.path.read_bytes())
        if torn:
            content[whole + 20 :] = bytes(len(content) - whole - 20)
        temporary = left.with_suffix(".part")
        temporary.write_bytes(content)
    finally:
        writer.close()
    writer.path.unlink()
    temporary.rename(left)
    return keys


def _outcome(answer: PredictionFrame, truth: str) -> TruthFrame:
    return TruthFrame(
        endpoint=MODEL,
        prediction_id=answer.prediction_id,
        record_key=None,
        event_us=None,
        truth=truth,
        labelled_us=answer.event_us,
        received_us=answer.received_us,
    )


def _answered(key: str, values: tuple[float, float, str]) -> PredictionFrame:
    now_us = time.time_ns() // 1000
    return PredictionFrame(
        schema_id=7,
        prediction_id=new_id(),
        request_id=f"r-{key}",
        event_us=now_us,
        received_us=now_us,
        generation=1,
        assignment_probability=1.0,
        record_key=key,
        source=None,
        sticky_hash=None,
        values=values,
        prediction="yes",
        probability=0.75,
        latency_ms=0.5,
    )
