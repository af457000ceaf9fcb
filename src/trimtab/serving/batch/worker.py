"""What one process of a batch run does: it answers parts until there is no more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyarrow as pa

from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import DataContractError, TrimtabError
from trimtab.files import sha256_of_file
from trimtab.serving.batch.answering import Answered, Answerer, added_columns
from trimtab.serving.batch.inputs import InputFile, RowRange
from trimtab.serving.batch.parts import OutputFormat, PartFacts, part_written
from trimtab.serving.batch.reading import batches, schema_of

__all__ = ["Failed", "PartTask", "Setup", "Written", "answer_part", "work"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all parts of a run share. ``nulls``: rows that the model cannot take stay without an answer."""

    bundle: str
    bundle_digest: str
    version: str
    output: str
    format: OutputFormat
    nulls: bool


@dataclass(frozen=True, slots=True)
class PartTask:
    """One part: where it comes from, and the name that it gets."""

    name: str
    file: InputFile
    rows: RowRange


@dataclass(frozen=True, slots=True)
class Written:
    """A worker says that ``rows`` more were answered; ``part`` is there when these were the last of it."""

    rows: int
    part: PartFacts | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """A worker says why it cannot go on."""

    error: TrimtabError | OSError


def work(setup: Setup, connection: Connection[Any, Any]) -> None:
    """Answer each `PartTask` that comes, until there is nobody left who sends one."""
    # Every process has one core to itself.
    pa.set_cpu_count(1)
    try:
        predictor = Predictor.load(Path(setup.bundle), expected_digest=setup.bundle_digest)
        while True:
            task = connection.recv()
            connection.send(
                Written(0, answer_part(setup, predictor, task, lambda rows: connection.send(Written(rows))))
            )
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # whoever sent the parts is gone, perhaps killed
    except (TrimtabError, OSError) as error:
        with contextlib.suppress(OSError):
            connection.send(Failed(error))


def answer_part(setup: Setup, predictor: Predictor, task: PartTask, told: Callable[[int], object]) -> PartFacts:
    """Write one part, and return what is in it; ``told`` hears how many rows each batch had.

    Raises:
        DataContractError: a row cannot be answered, and none may stay without an answer; nothing is written.
    """
    file = task.file
    file.check_unchanged()
    answerer = Answerer(predictor, setup.bundle_digest, setup.version, nulls=setup.nulls)
    schema = schema_of(file)
    for name, kind in added_columns(predictor.manifest, nulls=setup.nulls).items():
        schema = schema.append(pa.field(name, kind))
    path, first, refused = Path(setup.output) / task.name, task.rows.first, 0
    with part_written(path, schema, setup.format) as writer:
        for table in batches(file, task.rows):
            answered = _answered(answerer, table, file, first)
            refused += len(answered.errors)
            if answered.errors and not setup.nulls:
                raise _refusal(answered, file, first)
            writer.write_table(answered.table)
            first += table.num_rows
            told(table.num_rows)
        if first != task.rows.stop:
            raise DataContractError(f"{file.path}: ends at row {first}, expected {task.rows.stop}; write it again")
        file.check_unchanged()
    return PartFacts(
        name=task.name,
        input=file.path,
        input_sha256=file.digest,
        first_row=task.rows.first,
        rows=task.rows.rows,
        refused=refused,
        sha256=sha256_of_file(path),
    )


def _answered(answerer: Answerer, table: pa.Table, file: InputFile, first: int) -> Answered:
    try:
        return answerer.answer(table, file.digest, first)
    except DataContractError as error:
        raise DataContractError(f"{file.path}: {error}") from error


def _refusal(answered: Answered, file: InputFile, first: int) -> DataContractError:
    at = min(answered.errors)
    others = len(answered.errors) - 1
    more = f" ({others} more of these {answered.table.num_rows} rows are refused too)" if others else ""
    return DataContractError(
        f"{file.path}: row {first + at + 1}: {answered.errors[at]}{more}; nothing of its part was written; correct it, "
        "or let such rows have no answer: --on-error null, into another --output"
    )
