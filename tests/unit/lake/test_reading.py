from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.core.enums import Encoding
from trimtab.core.errors import DataContractError
from trimtab.lake import reading
from trimtab.lake.reading import MEMORY_PER_BYTE, read_table_file, refuse_too_large


def written(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_text_is_read_as_strings_whatever_separates_them(tmp_path: Path, separator: str) -> None:
    lines = [["a", "b"], ["1", ""], ['"x\ny"', "NaN"]]
    content = "\n".join(separator.join(line) for line in lines)

    table = read_table_file(written(tmp_path, b"\xef\xbb\xbf" + content.encode(), "rows.tab"))

    assert table.to_pylist() == [{"a": "1", "b": ""}, {"a": "x\ny", "b": "NaN"}]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table({"a": [1, None], "b": ["x", "y"]})
    pq.write_table(table, tmp_path / "rows.parquet")

    assert read_table_file(tmp_path / "rows.parquet") == table


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty \\(0 bytes\\)"),
        (b"\n\n", "its first line is blank"),
        (b"a,b\n", "has a header and no rows"),
        (b"a,,c\n1,2,3\n", "column 2 of 3 has no name"),
        (b"a,b,a\n1,2,3\n", "column 'a' stands twice"),
        (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 values, the header 2"),
        (b'a,b\n"x\ny",2\n1\n', "line 4 has 1 values, the header 2"),
        (b"a,b\nb\xfcr,2\n", "byte 5 \\(line 2\\) is not UTF-8"),
        (b"a,\xfc\n1,2\n", "byte 2 \\(line 1\\) is not UTF-8"),
        (b"a,b", "has a header and no rows"),
        (b'"a\nb",c\n1,2\n', "a quote opens in its first line"),
        (b"a,\x1b[31mb\n1,2\n", "column 2 is called '\\\\x1b\\[31mb', with a line break or control character"),
        (b",".join(b"c%d" % place for place in range(5_001)) + b"\n1\n", "has 5001 columns; at most 5000"),
        (b"a," + b"b" * 1_200_000 + b"\n1,2\n", "its first line is longer than 1048576 characters"),
        (b"a,b\n1," + b"x" * 3_000_000 + b"\n", "line 2 ends a row of more than 1048576 characters"),
        (b"a,b\n1," + b"x" * 200_000 + b"\n1,2,3\n", "line 3 has 3 values, the header 2"),
    ],
)
def test_an_unreadable_file_is_told_in_one_sentence(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(DataContractError, match=f"rows.csv: {sentence}") as caught:
        read_table_file(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_the_place_of_a_wrong_byte_is_found_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 3)
    content = b"a,b\n" + "éé,1\n".encode() * 50 + b"\xc3(,1\n"

    with pytest.raises(DataContractError, match=f"byte {content.index(b'(') - 1} \\(line 52\\) is not UTF-8"):
        read_table_file(written(tmp_path, content))


def test_a_text_without_the_mark_of_its_encoding_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match=r"rows.csv: is not UTF-16 .* save the file as UTF-8"):
        read_table_file(written(tmp_path, "a,b\n1,2\n".encode("utf-16-le")), encoding=Encoding.UTF_16)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataContractError, match="no such file"):
        read_table_file(tmp_path / "rows.csv")


def test_a_file_that_needs_more_memory_than_is_free_is_refused() -> None:
    refuse_too_large(100, "rows.csv", available=100 * MEMORY_PER_BYTE)
    with pytest.raises(DataContractError, match=r"rows.csv: 3 GB of rows need about 30 GB of memory .* 8 GB are free"):
        refuse_too_large(3_000_000_000, "rows.csv", available=8_000_000_000)
