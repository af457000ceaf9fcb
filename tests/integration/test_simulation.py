"""A recorded table through the whole loop: what happened, without the machine's time, whenever it was killed."""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.integration.processes import TRIMTAB, environment, eventually, trimtab
from tests.integration.recorded_load import BEGIN, MODEL, TURN, asked, make_project, rows, write_rows

from trimtab import __version__
from trimtab.config.project import ProjectFolder
from trimtab.core.canonical import JsonObject
from trimtab.core.errors import ConflictError
from trimtab.loop.simulation.run import simulate
from trimtab.reports.simulation_plot import simulation_svg

pytestmark = pytest.mark.timeout(900)

REPOSITORY = Path(__file__).parents[2]


class Played:
    """A project whose table has been played to its end, and what its files were before."""

    def __init__(self, root: Path) -> None:
        self.root = make_project(root)
        self.table = write_rows(root.with_name("load.parquet"))
        self.before = tree(self.root)
        self.moments: list[datetime] = []
        self.folder, self.result = simulate(
            ProjectFolder.open(self.root), asked(self.table), progress=lambda told: self.moments.append(told.at)
        )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("simulated") / "project")


def tree(root: Path) -> dict[str, str]:
    """Return the digests of all files of a project but those of its simulations."""
    found = (path for path in root.rglob("*") if path.is_file() and "simulations" not in path.parts)
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def story(result: JsonObject) -> JsonObject:
    """Return what happened, without how long the machine took."""
    return {name: value for name, value in result.items() if name != "run"}


def test_a_concept_that_turns_is_found_learnt_and_released(played: Played) -> None:
    result, summary = played.result, played.result["summary"]
    assert (summary["rows"], summary["refused"]) == (144, 0)
    assert summary["outcomes_told"] == 133
    first = min(check["at"] for check in result["checks"] if check["verdict"] == "breach")
    assert TURN + timedelta(days=1) < datetime.fromisoformat(first) <= TURN + timedelta(days=4)
    fired = [one for one in result["evaluations"] if one["held"]]
    assert fired
    assert all(one["explanation"] is not None for one in fired)
    assert summary["fits"] == len(result["fits"]) >= 2
    assert [one["version"] for one in result["fits"]] == [one["number"] for one in result["versions"]]
    assert result["releases"][0]["version"] == 1
    assert summary["releases"] >= 2
    answered = {version for chunk in result["chunks"] for version in chunk["versions"]}
    assert answered == {str(one["version"]) for one in result["releases"]}
    assert played.moments == sorted(played.moments)


def test_no_version_learns_a_row_before_its_outcome_was_known(played: Played) -> None:
    for version in played.result["versions"]:
        learnt, made = (datetime.fromisoformat(version[name]) for name in ("learnt_until", "at"))
        assert learnt <= made - timedelta(days=1)


def test_nothing_of_the_project_changes(played: Played) -> None:
    assert tree(played.root) == played.before


def test_the_machines_time_and_ids_are_nowhere_in_what_happened(played: Played) -> None:
    told = json.dumps(story(played.result))
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-", told)
    years = set(re.findall(r"\b(20\d\d)-\d\d-\d\dT", told))
    assert years == {"2024"}
    assert played.result["trimtab"] == __version__


def test_nobody_outside_is_asked_for_a_number(played: Played) -> None:
    told = {check["why"] for check in played.result["checks"] if check["kind"] == "business"}
    assert len(told) == 1
    assert "not asked in a simulation" in told.pop()
    assert any("no Prometheus was asked for business" in note for note in played.result["notes"])


def test_one_that_has_ended_is_read_and_not_played_again(played: Played) -> None:
    again: list[object] = []
    folder, result = simulate(ProjectFolder.open(played.root), asked(played.table), progress=again.append)
    assert (folder, result, again) == (played.folder, played.result, [])


def test_killed_anywhere_it_goes_on_to_the_same_end(played: Played, tmp_path: Path) -> None:
    root = make_project(tmp_path / "killed")
    # Where the training runs that was just agreed to, nobody waits any more for whom this tick was cut short.
    points = ("ingest.files_written#9", "monitors.judged", "approval.answered", "training.started", "rollout.stepped")
    command = [sys.executable, "-m", "tests.integration.killed_simulation", str(root), str(played.table), *points]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=600)
    assert ended.stdout.splitlines() == [*(f"{point}: killed" for point in points), "None: 0"], ended.stderr
    (written,) = (root / ".trimtab" / "simulations").glob("*/simulation.json")
    assert story(json.loads(written.read_bytes())) == story(played.result)


def test_one_that_was_stopped_goes_on_only_if_asked_to(played: Played, tmp_path: Path) -> None:
    project = ProjectFolder.open(make_project(tmp_path / "stopped"))
    folder = project.state / "simulations" / played.folder.name
    folder.mkdir(parents=True)
    (folder / "ticks.jsonl").touch()
    with pytest.raises(ConflictError, match="was stopped before its end; add --resume to go on"):
        simulate(project, asked(played.table))


def test_in_a_pipe_it_says_each_tenth_and_once_that_it_was_stopped(played: Played, tmp_path: Path) -> None:
    root, told = make_project(tmp_path / "piped"), tmp_path / "told.txt"
    asked_for = ("--stream", played.table, "--time", "at", "--from", BEGIN.isoformat(), "--project", root)
    with told.open("w") as stream:
        child = subprocess.Popen(
            [*TRIMTAB, "simulate", MODEL, *map(str, asked_for)],
            stdout=subprocess.DEVNULL,
            stderr=stream,
            env=environment(),
        )
    try:
        eventually(lambda: ", 20 %" in told.read_text(), within_s=240, wanted="a fifth that was played")
        child.send_signal(signal.SIGINT)
        child.wait(120)
    finally:
        child.kill()
        child.wait()
    first, *lines, kept, last = told.read_text().splitlines()
    assert first == f"{MODEL} {BEGIN:%Y-%m-%d}: the first version learns, 0 %"
    tenths = [int(re.findall(r"plays, (\d+)0 %, \d+ fit", line)[0]) for line in lines]
    assert tenths == sorted(set(tenths))
    assert (kept, last) == ("what was played is kept: --resume goes on from here", "stopped")


def test_what_becomes_known_later_changes_nothing_before(played: Played, tmp_path: Path) -> None:
    """Outcomes of the last days are made absurd: until they are known, all is as it was."""
    spoilt_from = TURN + timedelta(days=2)
    known = spoilt_from + timedelta(days=1)
    table = rows()
    late = pc.greater_equal(table["at"], pa.scalar(spoilt_from, pa.timestamp("us", tz="UTC")))
    absurd = pa.array(np.full(table.num_rows, 1e6))
    table = table.set_column(table.column_names.index("load"), "load", pc.if_else(late, absurd, table["load"]))
    project = ProjectFolder.open(make_project(tmp_path / "poisoned"))
    _, spoilt = simulate(project, asked(write_rows(tmp_path / "load.parquet", table), end=known + timedelta(days=2)))

    def until_known(result: JsonObject, name: str) -> list[JsonObject]:
        return [one for one in result[name] if datetime.fromisoformat(one["at"]) < known]

    assert known > BEGIN
    for name in ("checks", "evaluations", "releases"):
        assert until_known(spoilt, name) == until_known(played.result, name), name
        assert until_known(spoilt, name)
    assert spoilt["checks"] != played.result["checks"]


def test_what_is_known_to_be_wrong_is_matched_and_the_picture_is_whole(played: Played, tmp_path: Path) -> None:
    marks = tmp_path / "marks.yaml"
    marks.write_text(
        f"planted: [{{from: {TURN:%Y-%m-%d}, to: 2024-01-25T00:00Z, cause: label_flip}}]", encoding="utf-8"
    )
    _, result = simulate(ProjectFolder.open(played.root), asked(played.table, planted=marks))
    (found,) = result["planted"]
    assert (found["detected"], found["detected_by"], found["named"]) == (True, ["model_quality"], True)
    assert found["delay"] == found["named_after"] == "3d"
    assert {name: value for name, value in result.items() if name != "planted"} == {
        name: value for name, value in played.result.items() if name != "planted"
    }
    drawn = ElementTree.fromstring(str(simulation_svg(result)))
    space = "{http://www.w3.org/2000/svg}"
    kinds = [one.get("class") for one in drawn.iter() if one.tag in {f"{space}circle", f"{space}rect"}]
    assert kinds.count("fit") + kinds.count("kept") == played.result["summary"]["fits"]
    assert "breach" in kinds
    assert kinds.count("planted") == 1
    assert "prefers-color-scheme: dark" in "".join(drawn.itertext())


def test_the_command_tells_what_came_of_it_and_leaves_copies(played: Played, tmp_path: Path) -> None:
    simulation = ("simulate", MODEL, "--stream", played.table, "--time", "at", "--from", BEGIN.isoformat())
    marks = tmp_path / "marks.yaml"
    marks.write_text("planted: [{from: 2024-01-16, to: 2024-01-25, cause: label_flip}]\n", encoding="utf-8")
    ended = trimtab(*simulation, "--planted", marks, "--out", tmp_path / "out", project=played.root)
    assert ended.code == 0, ended.err
    said = " ".join(ended.out.split())
    assert "144 rows answered" in said
    assert "label_flip: found after 3d by model_quality, by its name" in said
    assert f"{played.result['summary']['fits']} fits" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["simulation.json", "simulation.svg"]
    refused = trimtab(*simulation, "--label-delay", "-1d", project=played.root)
    assert (refused.code, "--label-delay: -1d, expected 0s or more" in refused.sentence) == (2, True)
