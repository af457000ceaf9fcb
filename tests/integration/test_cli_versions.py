"""Two versions of a model on the command line: what each learnt from, and which is better on rows new to both."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator

import pytest
from tests.integration.processes import ControlPlane, Ended, control_plane, trimtab
from tests.integration.small_project import MODEL, make_project, write_rows

from trimtab.cli.main import main

Run = Callable[..., Ended]


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A project with two versions: one that learnt from rows whose outcome was turned round, one from more good ones.

    Before newer rows come, nothing can be said of both on the same rows.
    """
    project = make_project(tmp_path_factory.mktemp("trained"))
    header, *rows = write_rows(project / "rows.csv", count=300).read_text().splitlines()
    turned = [row.replace(",yes", ",?").replace(",no", ",yes").replace(",?", ",no") for row in rows[:80]]
    with control_plane(project) as plane:
        for name, part in (("turned.csv", turned), ("good.csv", rows[80:])):
            (project / name).write_text("\n".join([header, *part]) + "\n")
            taken = trimtab("ingest", MODEL, project / name, project=project)
            assert taken.code == 0, taken.err
            ended = trimtab("train", MODEL, project=project, timeout_s=200)
            assert ended.code == 0, ended.err
        none = trimtab("compare", MODEL, project=project)
        assert "Not compared on the same rows: 0 labelled rows came that neither version has learnt" in none.out
        newer = trimtab("ingest", MODEL, write_rows(project / "newer.csv", count=200, first=10_000), project=project)
        assert newer.code == 0, newer.err
        yield plane


@pytest.fixture
def run(up: ControlPlane, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command without a process of its own, and return how it ended."""

    def run(*command: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["trimtab", *command, "--project", str(up.project)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Ended(int(left.value.code or 0), told.out, told.err)

    return run


def test_a_better_version_is_told_with_its_interval(run: Run) -> None:
    told = run("compare", f"{MODEL}@1", f"{MODEL}@2")
    assert told.code == 0, told.err
    text = " ".join(told.out.split())
    assert "Both on the same 200 newer rows that neither learnt from:" in text
    assert re.search(
        r"Mean loss of a row: \S+ and \S+, a gain of \S+, 95 % interval \+\S+ to \+\S+: version 2 is better\.", text
    )


def test_machines_read_the_same_comparison(run: Run) -> None:
    told = run("compare", MODEL, "--json").json
    assert [one["number"] for one in told["versions"]] == [1, 2]
    assert [one["data"]["rows"] for one in told["versions"]] == [80, 300]
    assert (told["same_data"], told["why_no_same_rows"]) == (False, None)
    same = told["same_rows"]
    assert same["rows"] == 200
    assert 0 < same["loss_gain_low"] <= same["loss_gain"] <= same["loss_gain_high"]
    assert same["loss_gain"] == pytest.approx(same["loss_current"] - same["loss_candidate"])


def test_turned_round_the_better_version_is_the_worse(run: Run) -> None:
    assert "version 1 is worse." in run("compare", f"{MODEL}@2", f"{MODEL}@1").out


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        (["compare", f"{MODEL}@1", f"{MODEL}@1"], 2, "cannot be compared with itself"),
        (["compare", f"{MODEL}@1", "other@2"], 2, "versions of two models"),
        (["compare", f"{MODEL}@1", f"{MODEL}@9"], 3, "its newest is 2"),
        (["compare", "nobody"], 3, "it has: churn"),
        (["versions", "show", f"{MODEL}@9"], 3, "its newest is 2"),
        (["versions", "show", MODEL], 2, "MODEL@NUMBER"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_versions_that_are_not_there_are_told_in_a_sentence(
    run: Run, command: list[str], code: int, words: str
) -> None:
    ended = run(*command)
    assert (ended.code, ended.out) == (code, "")
    assert words in ended.sentence


def test_a_version_says_what_it_learnt_from_and_who_decided(run: Run) -> None:
    approved = run("versions", "approve", f"{MODEL}@2", "--reason", "better [2]")
    assert approved.code == 0, approved.err
    shown = run("versions", "show", f"{MODEL}@2")
    assert shown.out.startswith(f"{MODEL}@2  logistic_regression, approved")
    assert "300 rows" in shown.out
    assert "better [2]" in shown.out
    answer = run("versions", "show", f"{MODEL}@2", "--json").json
    assert (answer["rows"], answer["state"], answer["reason"]) == (300, "approved", "better [2]")
    assert len(answer["digest"]) == 64
