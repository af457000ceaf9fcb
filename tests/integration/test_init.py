"""A stranger's table, from the file to a prediction, by the commands that the documentation shows."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.integration.processes import eventually, process, trimtab

GERMAN = Path(__file__).parents[2] / "examples" / "tables" / "german-credit.csv"
MODEL = "german-credit"


def test_a_table_goes_from_init_to_a_prediction_without_code(tmp_path: Path) -> None:
    project = tmp_path / "credit"
    made = trimtab("init", project, "--from", GERMAN, "--target", "credit", "--json")
    assert made.code == 0, made.err
    assert made.json["delivery"]["rows_passed"] == 1000
    # As few trials as there can be: what is shown is the way, not the quality.
    training = project / "models" / MODEL / "training_config.yaml"
    text = training.read_text().replace("trials: 8", "trials: 1").replace("{folds: 5}", "null")
    training.write_text("\n".join(line for line in text.splitlines() if "boost" not in line and "forest" not in line))
    settings = project / "trimtab.yaml"
    settings.write_text(settings.read_text().replace("8765", "0").replace("8766", "0"))
    log = tmp_path / "up.log"

    with process("-m", "trimtab.cli.main", "up", "--project", project, log=log):
        eventually(lambda: "Ctrl-C" in log.read_text(), within_s=60, wanted="processes that are up")
        for command in (
            ("train", MODEL),
            ("versions", "approve", f"{MODEL}@1", "--reason", "try it"),
            ("deploy", f"{MODEL}@1"),
        ):
            done = trimtab(*command, project=project, timeout_s=240)
            assert done.code == 0, f"{command}: {done.err}"
        with GERMAN.open(newline="") as stream:
            first = next(csv.DictReader(stream))
        first.pop("credit")
        row = {name: int(value) if value.isdigit() else value for name, value in first.items()}
        answer = trimtab("predict", MODEL, json.dumps(row), "--json", project=project)

    assert answer.code == 0, answer.err
    assert answer.json["predictions"][0]["prediction"] in {"1", "2"}


@pytest.mark.parametrize(
    ("content", "options", "sentence"),
    [
        (b"PK\x03\x04rest", (), "is a ZIP archive or a workbook"),
        (b"a,out\n1,caf\xe9\n", (), "byte 11 (line 2) is not UTF-8"),
        (b"a,out\n1,x\n2\n", (), "line 3 has 1 values, the header 2"),
        (b'a,out\n1,"x\n2,y\n', (), "line 2: a quote opens in column 'out'"),
        (b"a,out\n" + b"1,x\n" * 40, (), "target 'out': always 'x' in 40 rows"),
        (b"a,out\n" + b"1,x\n" * 40, ("--key", "b"), "--key b: rows.csv has no such column; it has a, out"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, content: bytes, options: tuple[str, ...], sentence: str
) -> None:
    (tmp_path / "rows.csv").write_bytes(content)

    ended = trimtab("init", tmp_path / "project", "--from", tmp_path / "rows.csv", "--target", "out", *options)

    assert sentence in ended.sentence
    assert "\n" not in ended.sentence
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
