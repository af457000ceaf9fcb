"""A table that cannot be used, through ``init`` and ``ingest``: a sentence with column, row and next move."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.integration.processes import Ended

from trimtab.cli.main import main
from trimtab.cli.replaying import read_rows
from trimtab.config.memory import available_bytes
from trimtab.core.errors import ConfigError

ROWS = 120
HEADER = "customer,when,age,spend,left"
MODEL = "shop"
FORMS = ("%Y-%m-%d %H:%M", "%d.%m.%Y", "%m/%d/%Y", "%d %b %Y", "%B %d, %Y")

Run = Callable[..., Ended]


def moment(row: int) -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=31 * row)


def rows(*, first: int = 0) -> list[list[str]]:
    draw = random.Random(first)
    return [
        [
            f"c{first + row}",
            moment(row).strftime(FORMS[0]),
            str(draw.randint(18, 80)),
            f"{draw.uniform(0, 100):.2f}",
            draw.choice(["yes", "no"]),
        ]
        for row in range(ROWS)
    ]


def text(cells: list[list[str]], header: str = HEADER) -> bytes:
    # Values with a comma of their own, as dates may have, stand in quotes.
    lines = [",".join(f'"{cell}"' if "," in cell else cell for cell in row) for row in cells]
    return "\n".join([header, *lines, ""]).encode()


def with_column(place: int, values: list[str]) -> bytes:
    return text([[*row[:place], value, *row[place + 1 :]] for row, value in zip(rows(first=500), values, strict=True)])


def shuffled(values: list[str]) -> list[str]:
    random.Random(2).shuffle(values)
    return values


MIXED_ENCODINGS = (
    text([["Köln", *row[1:]] for row in rows(first=500)[:1]])
    + "Orléans,2024-01-02 07:00,30,1.0,yes\n".encode("latin-1")
    + text(rows(first=500)).partition(b"\n")[2]
)
IN_FIVE_FORMS = with_column(1, [moment(row).strftime(FORMS[row % 5]) for row in range(ROWS)])
NUMBERS_AND_WORDS = with_column(3, ["some" if row % 5 == 3 else str(row / 4) for row in range(ROWS)])
TWICE = text([*rows(first=500), *rows(first=500)[:40]])
IDS = [f"{row * 37}.0" for row in range(ROWS)]

REFUSED: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "mixed encodings": (
        MIXED_ENCODINGS,
        ("(line 3) is not UTF-8 in column 'customer'", "but line 2 is", "bring that line", "into UTF-8"),
    ),
    "duplicate names": (text(rows(), "customer,when,age,age,left"), ("column 'age'", "columns 3 and 4", "rename or")),
    "no name": (text(rows(), "customer,when,,spend,left"), ("column 3 of 5 has no name", "; name it")),
    "a header only": (HEADER.encode() + b"\n", ("has a header and no rows", "; deliver it again with rows")),
}
"""What neither takes."""

NOT_BY_INIT: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "five forms": (
        IN_FIVE_FORMS,
        (
            "time column 'when': written in 5 forms ('ISO 8601' from row 1, '%d.%m.%Y' from row 2, '%m/%d/%Y' from row",
            "'%d %b %Y' from row 4, '%B %d, %Y' from row 5",
            "; write it in ISO 8601",
        ),
    ),
    "a key that repeats": (
        TWICE,
        ("key customer with when: rows 1 and 121 are both", "40 of 160 rows", "; name a column that tells rows apart"),
    ),
    "a constant target": (with_column(4, ["no"] * ROWS), ("target 'left': always 'no' in 120 rows", "; name another")),
    "ids as target": (
        with_column(4, shuffled(IDS)),
        ("target 'left': looks like an id (all 120 numbers are whole, in steps of 37", "in row 1", "; name another"),
    ),
    "sorted ids as target": (with_column(4, IDS), ("target 'left': looks like an id", "or pass --task if it is")),
}

QUARANTINED: dict[str, tuple[bytes, int, tuple[str, ...]]] = {
    "numbers and words": (
        NUMBERS_AND_WORDS,
        24,
        ("24 × spend: not a number", "first in row 4 (spend: 'some' is not a number); correct it, or list what"),
    ),
    "five forms": (
        IN_FIVE_FORMS,
        96,
        (
            "96 × when: not a date or time",
            "first in row 2 (when: '02.01.2024' is not a date or time); the column is written in 5 forms",
            "'%m/%d/%Y' from row 3",
            "; write all of it as ISO 8601",
        ),
    ),
    "a key that repeats": (
        TWICE,
        40,
        (
            "40 × customer + when: repeated",
            "first in row 121 (customer + when: 'c500, 2024-01-01 00:00' repeats row 1); keep one row of each key",
        ),
    ),
    "out of range": (
        with_column(2, ["900" if row == 6 else "40" for row in range(ROWS)]),
        1,
        ("1 × age: above 1", "first in row 7 (age: 900 is above 1", "; correct it, or widen min and max in contract"),
    ),
    "missing": (
        with_column(3, ["" if row == 8 else "4.5" for row in range(ROWS)]),
        1,
        ("1 × spend: missing", "first in row 9 (spend: is missing); fill it in, or let it be empty"),
    ),
    "delivered before": (
        text(rows()[5:]),
        115,
        ("115 × customer + when: processed before", "first in row 1 (customer + when: 'c5, ", "; leave out what was"),
    ),
}
"""What a project that is there takes: rows that break the contract are told, with the first of them."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command without a process of its own, and return how it ended."""

    def run(*command: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["trimtab", *map(str, command)])
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        return Ended(int(left.value.code or 0), told.out, told.err)

    return run


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one model, that ``init`` made from sound rows."""
    root = tmp_path_factory.mktemp("bad-tables")
    (root / f"{MODEL}.csv").write_bytes(text(rows()))
    command = ["init", root / "project", "--from", root / f"{MODEL}.csv", "--target", "left", "--key", "customer"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["trimtab", *map(str, command), "--time", "when"])
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    contract = root / "project" / "models" / MODEL / "contract.yaml"
    assert "unique: [customer" in contract.read_text()
    # Sent again at another moment, a customer is another row.
    contract.write_text(contract.read_text().replace("unique: [customer]", "unique: [customer, when]"))
    return root / "project"


def init(run: Run, folder: Path, file: Path) -> Ended:
    return run("init", folder, "--from", file, "--target", "left", "--key", "customer", "--time", "when", "--no-ingest")


@pytest.mark.parametrize("case", [*REFUSED, *NOT_BY_INIT])
def test_init_refuses_in_a_sentence_that_says_where_and_what_to_do(run: Run, tmp_path: Path, case: str) -> None:
    content, words = {**REFUSED, **NOT_BY_INIT}[case]
    (tmp_path / "rows.csv").write_bytes(content)
    ended = init(run, tmp_path / "project", tmp_path / "rows.csv")
    assert ended.code == 1
    assert "\n" not in ended.sentence
    for word in words:
        assert word in ended.sentence
    assert not (tmp_path / "project").exists()


def test_init_says_which_column_holds_numbers_and_words_and_what_to_do(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(NUMBERS_AND_WORDS)
    ended = init(run, tmp_path / "project", tmp_path / "rows.csv")
    assert ended.code == 0
    told = " ".join(ended.out.split())
    assert "spend: mixed: 96 of 120 values are numbers (row 1), others not ('some' in row 4)" in told
    assert "to learn from the numbers, correct the others or leave them empty" in told


@pytest.mark.parametrize("case", REFUSED)
def test_ingest_refuses_what_is_no_table_in_the_same_words(run: Run, project: Path, tmp_path: Path, case: str) -> None:
    content, words = REFUSED[case]
    (tmp_path / "rows.csv").write_bytes(content)
    ended = run("ingest", MODEL, tmp_path / "rows.csv", "--project", project)
    assert ended.code == 1
    for word in words:
        assert word in ended.sentence


@pytest.mark.parametrize("case", QUARANTINED)
def test_ingest_says_of_each_broken_rule_which_row_was_first_and_what_to_do(
    run: Run, project: Path, tmp_path: Path, case: str
) -> None:
    content, broken, words = QUARANTINED[case]
    table = tmp_path / "rows.csv"
    # Each case brings customers of its own.
    number = list(QUARANTINED).index(case)
    table.write_bytes(content if case in {"delivered before", "a key that repeats"} else _renamed(content, number))
    ended = run("ingest", MODEL, table, "--project", project)
    assert ended.code == 0, ended.err
    told = " ".join(ended.out.split())
    assert f"{broken} quarantined" in told
    for word in words:
        assert word in told


def _renamed(content: bytes, number: int) -> bytes:
    return content.replace(b"\nc", f"\nd{number}".encode())


@pytest.mark.parametrize("command", ["init", "ingest"])
def test_a_file_that_does_not_fit_into_memory_is_refused_before_it_is_read(
    run: Run, project: Path, tmp_path: Path, command: str
) -> None:
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as stream:
        stream.write(text(rows()))
        # Takes no room on the disk. On a machine with much memory it has to be larger than these 3 GB.
        stream.truncate(max(3_000_000_000, available_bytes() or 0))
    ended = (
        init(run, tmp_path / "project", huge) if command == "init" else run("ingest", MODEL, huge, "--project", project)
    )
    assert ended.code == 1
    assert re.match(r"huge.csv: \S+ GB of rows need about \S+ GB of memory to be judged, ", ended.sentence)
    assert "; split it into several files of rows, each with the header, and deliver one after" in ended.sentence
    assert not (tmp_path / "project").exists()
    assert not list((project / ".trimtab").rglob(".incoming.*"))


def test_init_fills_the_empty_folder_that_one_stands_in(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows.csv").write_bytes(text(rows()))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ended = run("init", ".", "--from", "../rows.csv", "--target", "left", "--no-ingest")
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in Path().iterdir()) == ["models", "policy.yaml", "trimtab.yaml"]
    assert "project: here" in Path("trimtab.yaml").read_text()
    assert "  cd " not in ended.out


def test_a_project_is_made_below_folders_that_are_not_there_and_of_a_refusal_none_is_left(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_bytes(text(rows()))
    deep = tmp_path / "a" / "b" / "project"
    refused = run("init", deep, "--from", tmp_path / "rows.csv", "--target", "nothing")
    assert refused.code == 2
    assert not (tmp_path / "a").exists()
    made = run("init", deep, "--from", tmp_path / "rows.csv", "--target", "left", "--no-ingest")
    assert made.code == 0, made.err
    assert (deep / "trimtab.yaml").is_file()


def test_a_column_without_any_date_is_no_time(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(with_column(1, [f"week {row}" for row in range(ROWS)]))
    ended = init(run, tmp_path / "project", tmp_path / "rows.csv")
    assert "time column 'when': holds no dates; row 1 has 'week 0'; name a column of dates" in ended.sentence


def test_an_epoch_that_is_missing_from_a_column_of_texts_is_told_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pl.DataFrame({"at": ["1704067200", None, "1704070800"], "x": [1, 2, 3]}).write_parquet(path)
    with pytest.raises(ConfigError, match=r"at: row 2: found None; expected a time such as"):
        read_rows(path, inputs={}, time="at", start=None, end=None)
