"""Rows from CSV text: by name where the first line names features, else in the features' order."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from trimtab.bundle.manifest import Feature
from trimtab.core.enums import ColumnKind
from trimtab.core.errors import ConfigError
from trimtab.serving.protocols.bodies import FieldValue

__all__ = ["check_columns", "csv_line", "csv_rows", "named_rows"]

_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_LONGEST_NUMBER: Final = 400
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}
_SHOWN: Final = 60


def csv_rows(
    body: bytes, features: Sequence[Feature], max_rows: int, *, has_header: bool | None = None
) -> list[dict[str, FieldValue]]:
    r"""Return the rows of ``body`` (UTF-8, commas, RFC 4180's quotes; empty lines are skipped) by feature name.

    ``has_header`` None: the first line is a header if it holds a feature's name. A header's first column may go without
    a name, as pandas writes its index: it is left out. An empty cell is null. Other cells become what the feature's
    kind wants: numbers, or true, false, 1 and 0; categories, texts and moments stay text. What is none stays text too,
    so that the encoder finds a sender's word for 'not known', or refuses it by row and field.

    Raises:
        ConfigError: it is no such text, has lines of other lengths than its header's or the features', or too many.

    >>> age = Feature(name="age", kind=ColumnKind.NUMBER)
    >>> sex = Feature(name="sex", kind=ColumnKind.CATEGORY)
    >>> csv_rows(b"sex,age\nmale,60\n", (age, sex), 10) == csv_rows(b"60,male", (age, sex), 10)
    True
    """
    records = _records(body, max_rows + 2)
    names = [feature.name for feature in features]
    if has_header is None:
        has_header = bool(records) and _names_features(records[0], frozenset(names))
    index = False
    if has_header and records:
        names = records.pop(0)
        if names[0] == "":
            index, names = True, names[1:]
    if len(records) > max_rows:
        raise ConfigError(f"body: more than {max_rows} rows, which is the limit; split them")
    return named_rows([record[1:] if index else record for record in records], names, features, _of_text)


def named_rows(
    records: Sequence[Sequence[FieldValue]],
    names: Sequence[str],
    features: Sequence[Feature],
    read: Callable[[FieldValue, ColumnKind], FieldValue] | None = None,
) -> list[dict[str, FieldValue]]:
    """Return each record as a row with the names ``names``; ``read`` makes values what the features' kinds want.

    Raises:
        ConfigError: a name is unknown or stands there twice, or a record is of another length.
    """
    check_columns(names, features)
    kinds = {feature.name: feature.kind for feature in features}
    wanted = [kinds[name] for name in names]
    rows: list[dict[str, FieldValue]] = []
    for at, record in enumerate(records):
        if len(record) != len(names):
            raise ConfigError(
                f"row {at}: {len(record)} values, expected {len(names)} ({_shown(names)}); send one for each"
            )
        values = record if read is None else map(read, record, wanted)
        rows.append(dict(zip(names, values, strict=True)))
    return rows


def check_columns(names: Iterable[str], features: Sequence[Feature]) -> None:
    """Check that each of ``names`` is a feature's, and stands there once.

    Raises:
        ConfigError: one is not, or does not.
    """
    known = {feature.name for feature in features}
    seen: set[str] = set()
    for name in names:
        if name not in known:
            listed = _shown([feature.name for feature in features])
            raise ConfigError(f"column {name[:_SHOWN]!r}: unknown; expected only {listed}; remove it")
        if name in seen:
            raise ConfigError(f"column {name[:_SHOWN]!r}: stands there twice; keep one")
        seen.add(name)


def csv_line(value: FieldValue) -> str:
    """Return ``value`` as a line of one cell, quoted where it must be; null is an empty one."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(["" if value is None else value])
    return line.getvalue()


def _records(body: bytes, most: int) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"body: byte {error.start} is not UTF-8; send UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        # Lines beyond the limit are not read: they are small, and could be millions.
        return list(islice((record for record in reader if record), most))
    except csv.Error as error:
        raise ConfigError(f"body: line {reader.line_num} is not CSV ({error}); correct it") from None


def _names_features(cells: list[str], names: frozenset[str]) -> bool:
    # One name is enough, so that a header with a slip in it is refused and not answered as a row. A column that is
    # named by a number could be a value: then all cells must be names.
    known = [cell for cell in cells if cell in names]
    return any(not _NUMBER.fullmatch(cell) for cell in known) or (
        len(set(known)) == len(cells) or (cells[0] == "" and len(set(known)) == len(cells) - 1 > 0)
    )


def _of_text(value: FieldValue, kind: ColumnKind) -> FieldValue:
    if not isinstance(value, str):
        return value
    bare = value.strip()
    if not bare:
        return None
    if kind is ColumnKind.BOOLEAN:
        return _BOOLEANS.get(bare.lower(), value)
    if kind.is_numeric:
        # A cell of megabytes of digits would be slow to read, and is no number that a model knows.
        if len(bare) <= _LONGEST_NUMBER and _NUMBER.fullmatch(bare):
            return float(bare)
        return None if bare.lower() == "nan" else value
    return value


def _shown(names: Sequence[str]) -> str:
    text = ", ".join(names[:_SHOWN])
    return text if len(text) <= 3 * _SHOWN else text[: 3 * _SHOWN] + "..."
