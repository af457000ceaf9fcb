"""``trimtab audit``: what people read, and an export that anybody can verify who has no Trimtab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.audit.forging import cut, disarm, edit, new_key, set_head
from tests.unit.loop.projects import MODEL, World, make_world

from trimtab.audit.export import checker
from trimtab.audit.log import append
from trimtab.cli.main import main
from trimtab.cli.output import console
from trimtab.loop.checkpoints import Checkpoints

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A log of 24 entries, two of them about keys and checkpoints at three places."""
    world = make_world(tmp_path / "project")
    writer = Checkpoints(world.platform)
    for _ in range(3):
        with world.platform.database.transaction() as connection:
            for number in range(7):
                append(
                    connection,
                    at_us=world.platform.now_us(),
                    actor="dana",
                    action="seen",
                    subject=f"version:{MODEL}/{number}",
                    reason="[/] é\N{RIGHT-TO-LEFT OVERRIDE}\u2028x",
                    detail={"small": 1e-7, "large": 1e16, "text": ',"hash":"'},
                )
        writer.write()
        world.clock.advance(timedelta(days=1))
    with world.platform.database.transaction() as connection:
        append(connection, at_us=world.platform.now_us(), actor="emil", action="seen", subject="thing:last")
        append(connection, at_us=world.platform.now_us(), actor="emil", action="left", subject="thing:last")
    return world


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def said(*command: object) -> tuple[int, str]:
        monkeypatch.setattr(console, "_width", 1_000)
        project = str(world.platform.project.root)
        monkeypatch.setattr(sys, "argv", ["trimtab", "audit", *map(str, command), "--project", project])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return int(left.value.code or 0), told.out + told.err

    return said


def _checked(folder: Path, *keys: Path) -> tuple[int, str]:
    command = [sys.executable, "-I", str(folder / "check.py"), str(folder), *map(str, keys)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def test_verify_says_what_is_whole_what_agrees_and_whose_word_it_is(run: Run, tmp_path: Path) -> None:
    code, said = run("verify")
    assert code == 0
    assert re.search(r"24 entries are whole; head 24, [0-9a-f]{16}…", said)
    assert "3 checkpoints agree, 3 signed; 2 entries are newer" in said
    assert "Whose the keys are nobody said" in said
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(run("key")[1])
    code, said = run("verify", "--trusted-key", trusted)
    assert (code, "Signed by, or vouched for by" in said) == (0, True)
    assert "2 entries from 23 on are whole" in run("verify", "--since", "last")[1]
    trusted.write_text(new_key().public.pem)
    code, said = run("verify", "--trusted-key", trusted)
    assert (code, "The log is not vouched for: 24 entries fit each other" in said) == (1, True)
    assert "broken" not in said
    assert len(said.splitlines()) == 3
    assert run("verify", "--trusted-key", tmp_path / "none.pem")[0] == 2
    assert run("verify", "--since", "yesterday")[0] == 2


def test_verify_ends_with_1_where_an_entry_was_edited_and_says_which(run: Run, world: World) -> None:
    with world.platform.database.transaction() as connection:
        disarm(connection)
        edit(connection, 5, actor="eve")
    code, said = run("verify")
    assert code == 1
    assert "The log is broken at entry 5" in said
    assert "was edited: its hash does not fit" in said


def test_verify_says_where_the_end_is_cut_in_one_number(run: Run, world: World) -> None:
    with world.platform.database.transaction() as connection:
        disarm(connection)
        cut(connection, 20)
        set_head(connection, 20)
    code, said = run("verify")
    assert (code, said.splitlines()[0]) == (1, "The log is truncated after entry 20: the checkpoint saw 22 entries")


def test_verify_with_a_key_and_without_a_checkpoint_says_that_nothing_was_signed_yet(run: Run, world: World) -> None:
    for file in (world.platform.lake.root / "audit").rglob("*"):
        if file.is_file():
            file.unlink()
    (world.platform.project.root / "other.pem").write_text(new_key().public.pem)
    code, said = run("verify", "--trusted-key", world.platform.project.root / "other.pem")
    assert (code, "there is no checkpoint" in said, "broken" in said) == (1, True, False)


def test_show_asks_by_what_entries_are_about(run: Run) -> None:
    assert [entry["sequence"] for entry in json.loads(run("show", "--actor", "emil", "--json")[1])["entries"]] == [
        23,
        24,
    ]
    of_version = json.loads(run("show", "--version", f"{MODEL}@3", "--json")[1])["entries"]
    assert [entry["subject"] for entry in of_version] == [f"version:{MODEL}/3"] * 3
    since = json.loads(run("show", "--model", MODEL, "--since", "2030-01-03", "--json")[1])["entries"]
    assert len(since) == 7
    assert "Nothing yet." in run("show", "--incident", "none")[1]


def test_an_export_is_verified_without_trimtab(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    code, said = run("export", folder)
    assert (code, "24 entries, 3 checkpoints and 1 key are" in said) == (0, True)
    assert len(checker().splitlines()) <= 60
    assert "trimtab" not in "".join(line for line in checker().decode().splitlines() if "import" in line)
    assert _checked(folder) == (0, "entries up to 24 are whole; signed up to 22\n")
    [key] = (folder / "keys").iterdir()
    assert _checked(folder, key)[0] == 0
    other = tmp_path / "other.pem"
    other.write_text(new_key().public.pem)
    assert "none of 1 keys has signed it" in _checked(folder, other)[1]
    code, said = run("export", folder)
    assert (code != 0, "holds something already" in said) == (True, True)


def test_an_export_may_begin_after_an_entry_and_is_bound_to_the_checkpoint_there(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    run("export", folder, "--after", 15)
    lines = (folder / "entries.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["entry"]["sequence"] for line in lines] == list(range(16, 25))
    assert _checked(folder)[0] == 0
    first = json.loads(lines[0])
    first["entry"]["previous_hash"] = "f" * 64
    assert _checked(folder)[0] == 0
    (folder / "entries.jsonl").write_bytes(b"\n".join([*lines[1:], b""]))
    assert _checked(folder)[0] == 0, "it begins one later: nothing says that it should not"
    (folder / "entries.jsonl").write_bytes(b"\n".join([lines[0], *lines[2:], b""]))
    assert "broken at entry 17" in _checked(folder)[1]


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("entries.jsonl", b'"actor":"emil"', b'"actor":"eve"', "broken at entry 23: it was edited"),
        ("entries.jsonl", b'"sequence":5,', b'"sequence":55,', "broken at entry 5"),
        ("checkpoints/checkpoint-000000000022.json", b'"sequence":22', b'"sequence":21', "saw another"),
        ("checkpoints/checkpoint-000000000015.json", b'"first_of":"day"', b'"first_of":"hour"', "none of 1 keys"),
    ],
)
def test_what_was_changed_in_an_export_is_found(
    run: Run, tmp_path: Path, name: str, old: bytes, new: bytes, words: str
) -> None:
    folder = tmp_path / "export"
    run("export", folder)
    content = (folder / name).read_bytes()
    assert old in content
    (folder / name).write_bytes(content.replace(old, new, 1))
    code, said = _checked(folder)
    assert (code, words in said) == (1, True), said


def test_a_cut_export_is_found_by_its_checkpoints(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    run("export", folder)
    lines = (folder / "entries.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "entries.jsonl").write_bytes(b"".join(lines[:20]))
    assert "the end is cut" in _checked(folder)[1]
    (folder / "entries.jsonl").write_bytes(b"".join(lines[1:]))
    assert _checked(folder)[0] == 0, "whole from entry 2 on: what it says of itself"


def test_renewing_the_key_and_making_the_index_anew_are_told(run: Run) -> None:
    code, said = run("renew", "--reason", "one left")
    assert code == 0
    assert re.search(r"Key [0-9a-f]{16} signs from entry 25 on", said)
    assert "25 entries can be found" in run("reindex")[1]
