"""A stranger's file that cannot be used, said by `trimtab init` before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.processes import trimtab


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
