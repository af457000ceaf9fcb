"""Processes are kept alive, but not for ever; none outlives the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.loop.projects import make_project

from trimtab.config.project import ProjectFolder, ServingConfig
from trimtab.core.errors import BackendError, ConflictError
from trimtab.files.processes import is_alive
from trimtab.loop.supervisor import ChildSpec, Supervisor, platform_processes

_WAITS = "import pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text('ready'); time.sleep(60)"
_DIES = "import sys; print('no room on disk'); sys.exit(int(sys.argv[1]))"


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    return make_project(tmp_path / "project")


@pytest.fixture
def supervised(project: ProjectFolder) -> Iterator[Callable[..., Supervisor]]:
    """Makes supervisors whose processes end with the test."""
    made: list[Supervisor] = []

    def make(*specs: ChildSpec) -> Supervisor:
        made.append(Supervisor(project, specs))
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop()


def _waiting(project: ProjectFolder, name: str = "one") -> ChildSpec:
    ready = project.root / f"{name}.ready"
    return ChildSpec(name, ("-c", _WAITS, str(ready)), ready)


def _until(what: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + 10
    while not what():
        assert time.monotonic() < deadline, f"in 10 s: {why}"
        time.sleep(0.02)


def test_a_process_that_dies_is_started_again(project: ProjectFolder, supervised: Callable[..., Supervisor]) -> None:
    spec = _waiting(project)
    supervisor = supervised(spec)
    names: list[str] = []
    supervisor.start(progress=names.append)
    assert names == ["one"]
    first = supervisor.pids["one"]
    assert supervisor.watch_once()
    assert supervisor.pids["one"] == first
    assert spec.ready_file is not None
    os.kill(first, signal.SIGKILL)
    _until(lambda: not is_alive(first), "not killed")
    spec.ready_file.write_text("what the dead one said")
    assert supervisor.watch_once()
    assert supervisor.pids["one"] != first
    _until(lambda: spec.ready_file is not None and spec.ready_file.exists(), "not ready again")
    assert spec.ready_file.read_text() == "ready", "what the dead one said is not the new one's word"


def test_after_five_restarts_in_a_minute_the_reason_is_told(
    project: ProjectFolder, supervised: Callable[..., Supervisor]
) -> None:
    supervisor = supervised(ChildSpec("one", ("-c", _DIES, "1")))
    supervisor.start()
    pids = set()
    for _time in range(200):
        pids.add(supervisor.pids["one"])
        if not supervisor.watch_once():
            break
        time.sleep(0.05)
    assert len(pids) == 6, "the first start and five more"
    assert supervisor.failure == "one: ended with 1; it said: no room on disk"
    assert not supervisor.watch_once()


def test_a_process_that_refuses_its_configuration_is_not_started_again(
    supervised: Callable[..., Supervisor],
) -> None:
    supervisor = supervised(ChildSpec("one", ("-c", _DIES, "2")))
    supervisor.start()
    _until(lambda: not supervisor.watch_once(), "it was restarted")
    assert supervisor.failure == "one: ended with 2; it said: no room on disk"


def test_a_start_that_fails_leaves_nothing_running(
    project: ProjectFolder, supervised: Callable[..., Supervisor]
) -> None:
    broken = ChildSpec("two", ("-c", _DIES, "1"), project.root / "never")
    supervisor = supervised(_waiting(project), broken)
    with pytest.raises(BackendError, match="two: ended at start; it said: no room on disk"):
        supervisor.start()
    assert not any(is_alive(pid) for pid in supervisor.pids.values())
    hanging = ChildSpec("three", ("-c", "import time; time.sleep(60)"), project.root / "never")
    slow = supervised(hanging)
    with pytest.raises(BackendError, match="three: not ready in time"):
        slow.start(timeout_s=0.3)
    assert not is_alive(slow.pids["three"])


def test_a_second_supervisor_of_a_project_is_refused(
    project: ProjectFolder, supervised: Callable[..., Supervisor]
) -> None:
    first = supervised(_waiting(project))
    first.start()
    with pytest.raises(ConflictError, match=rf"is up already \(process {os.getpid()}\)"):
        supervised(_waiting(project, "two")).start()
    assert is_alive(first.pids["one"])
    first.stop()
    supervised(_waiting(project, "two")).start()


def test_a_process_outlives_the_thread_that_restarted_it(
    project: ProjectFolder, supervised: Callable[..., Supervisor]
) -> None:
    supervisor = supervised(_waiting(project))
    starting = threading.Thread(target=supervisor.start)
    starting.start()
    starting.join(15)
    first = supervisor.pids["one"]
    os.kill(first, signal.SIGKILL)
    _until(lambda: not is_alive(first), "not killed")
    watching = threading.Thread(target=supervisor.watch_once)
    watching.start()
    watching.join(15)
    second = supervisor.pids["one"]
    assert second != first
    time.sleep(0.3)
    assert is_alive(second), "the kernel ended it with the thread that watched"


def test_nothing_is_started_once_it_is_stopping(project: ProjectFolder, supervised: Callable[..., Supervisor]) -> None:
    supervisor = supervised(_waiting(project))
    supervisor.start()
    pids = supervisor.pids
    supervisor.stop()
    assert not supervisor.watch_once()
    assert supervisor.pids == pids
    assert not is_alive(pids["one"])
    supervisor.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel of Linux ends children with their parent")
def test_processes_end_with_a_supervisor_that_is_killed(project: ProjectFolder) -> None:
    ready, pid_file = project.root / "one.ready", project.root / "pid"
    program = (
        "import os, signal, pathlib;"
        "from trimtab.config.project import ProjectFolder;"
        "from trimtab.loop.supervisor import ChildSpec, Supervisor;"
        f"ready = pathlib.Path({str(ready)!r});"
        f"supervisor = Supervisor(ProjectFolder.open(pathlib.Path({str(project.root)!r})),"
        f" (ChildSpec('one', ('-c', {_WAITS!r}, str(ready)), ready),));"
        "supervisor.start();"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(supervisor.pids['one']));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert done.returncode == -signal.SIGKILL
    child = int(pid_file.read_text())
    _until(lambda: not is_alive(child), "it outlived its supervisor")


def test_the_platform_is_three_processes_and_traffic_stops_first(project: ProjectFolder) -> None:
    specs = platform_processes(project)
    assert [spec.name for spec in specs] == ["inference-server", "shipper", "control-plane"]
    assert specs[0].ready_file == project.serving / "server.json"
    assert specs[2].ready_file == project.state / "control-plane.json"


def test_the_processes_keep_to_the_limits_of_the_project(project: ProjectFolder) -> None:
    bare = platform_processes(project)
    assert not any(option in spec.arguments for spec in bare for option in ("--log-limit", "--memory-budget"))
    written = project.config.serving.model_dump(mode="json") | {"log_limit": "1GiB", "memory_budget": "2GB"}
    limited = project.config.model_copy(update={"serving": ServingConfig.model_validate(written)})
    server, shipper, _ = platform_processes(replace(project, config=limited))
    assert server.arguments[-4:] == ("--log-limit", str(1024**3), "--memory-budget", str(2 * 1000**3))
    assert shipper.arguments[-2:] == ("--log-limit", str(1024**3))


@pytest.mark.parametrize(("watchdog", "told"), [("45s", "45.0s"), (None, "0s")])
def test_a_server_is_told_how_long_it_may_hang(project: ProjectFolder, watchdog: str | None, told: str) -> None:
    written = project.config.serving.model_dump(mode="json") | {"watchdog": watchdog}
    patient = project.config.model_copy(update={"serving": ServingConfig.model_validate(written)})
    arguments = platform_processes(replace(project, config=patient))[0].arguments
    assert arguments[arguments.index("--watchdog") + 1] == told
