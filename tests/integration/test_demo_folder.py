"""Where ``trimtab demo`` may write, and what it copies."""

from __future__ import annotations

from pathlib import Path

from tests.integration.processes import trimtab
from tests.integration.small_project import make_project


def test_the_demo_does_not_touch_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    ended = trimtab("demo", "--exit", "--folder", mine)
    assert ended.code == 2
    assert "no earlier demo" in ended.sentence
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


def test_the_demo_does_not_write_over_the_example_that_it_copies(tmp_path: Path) -> None:
    example = make_project(tmp_path / "example")
    (example / ".trimtab-demo").touch()
    before = sorted(path.name for path in example.rglob("*"))
    for folder in (example, example / "within"):
        ended = trimtab("demo", "--exit", "--folder", folder, "--from", example)
        assert ended.code == 2, ended.err
        assert "--folder" in ended.sentence
    assert sorted(path.name for path in example.rglob("*")) == before


def test_the_demo_needs_a_project_to_copy(tmp_path: Path) -> None:
    ended = trimtab("demo", "--exit", "--folder", tmp_path / "demo", "--from", tmp_path)
    assert ended.code == 3
    assert "trimtab.yaml" in ended.sentence
    assert not (tmp_path / "demo").exists()
