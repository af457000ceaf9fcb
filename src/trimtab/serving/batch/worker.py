"""What one process of a batch run does: it answers parts until there is no more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from trimtab.bundle.manifest import Manifest
from trimtab.bundle.predictor import Predictor
from trimtab.core.errors import DataContractError, TrimtabError
from trimtab.files import sha256_of_file
from trimtab.serving.batch.answering import Answered, Answerer, added_columns
from trimtab.serving.batch.asked import Asked
from trimtab.serving.batch.images import PATH, ImageFiles
from trimtab.serving.batch.inputs import RowRange
from trimtab.serving.batch.parts import OutputFormat, PartFacts, part_written
from trimtab.serving.batch.reading import MOST_ROWS, batches, schema_of
from trimtab.serving.batch.recording import Recorder, Recording, RowNames, hand_over

__all__ = ["Failed", "PartTask", "Setup", "Written", "answer_part", "work"]


_MOST_IMAGES: Final = 32
_TENSOR_BYTES: Final = 32_000_000


@dataclass(frozen=True, slots=True)
class Setup:
    """What all parts of a run share. ``nulls``: rows that the model cannot take stay without an answer.

    ``recording``: where answers go beside the folder; ``now_us``: when the run was started first.
    """

    bundle: str
    bundle_digest: str
    version: str
    output: str
    format: OutputFormat
    nulls: bool
    recording: Recording | None = None
    now_us: int = 0


@dataclass(frozen=True, slots=True)
class PartTask:
    """One part: where it comes from, and the name that it gets."""

    name: str
    file: Asked
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
    schema = schema_of(file)
    recorder = _recorder(setup, predictor.manifest, task)
    answerer = Answerer(
        predictor,
        setup.bundle_digest,
        setup.version,
        nulls=setup.nulls,
        recorder=recorder,
        names=RowNames(predictor.manifest, PATH if isinstance(file, ImageFiles) else None),
    )
    for name, kind in added_columns(predictor.manifest, nulls=setup.nulls).items():
        schema = schema.append(pa.field(name, kind))
    path, first, refused = Path(setup.output) / task.name, task.rows.first, 0
    with part_written(path, schema, setup.format) as writer:
        for table in batches(file, task.rows, _most_rows(predictor.manifest)):
            answered = _answered(answerer, table, file, first)
            refused += len(answered.errors)
            if answered.errors and not setup.nulls:
                raise _refusal(answered, file, first)
            writer.write_table(answered.table.select(schema.names))
            first += table.num_rows
            told(table.num_rows)
        if first != task.rows.stop:
            raise DataContractError(f"{file.path}: ends at row {first}, expected {task.rows.stop}; write it again")
    if setup.recording is not None and recorder is not None:
        # Before the part counts as finished: what was not handed over is answered, and handed over, again.
        hand_over(setup.recording, recorder.segments())
    return PartFacts(
        name=task.name,
        input=file.path,
        input_sha256=file.digest,
        first_row=task.rows.first,
        rows=task.rows.rows,
        refused=refused,
        sha256=sha256_of_file(path),
    )


def _recorder(setup: Setup, manifest: Manifest, task: PartTask) -> Recorder | None:
    if setup.recording is None:
        return None
    return Recorder(setup.recording, manifest, Path(task.name).stem, setup.now_us)


def _most_rows(manifest: Manifest) -> int:
    """Return how many rows are answered together: of images so many that their tensor stays small."""
    if manifest.image is None:
        return MOST_ROWS
    return max(1, min(_MOST_IMAGES, _TENSOR_BYTES // (12 * manifest.image.width * manifest.image.height)))


def _answered(answerer: Answerer, table: pa.Table, file: Asked, first: int) -> Answered:
    try:
        return answerer.answer(table, file, first)
    except DataContractError as error:
        raise DataContractError(f"{file.path}: {error}") from error


def _refusal(answered: Answered, file: Asked, first: int) -> DataContractError:
    at = min(answered.errors)
    others = len(answered.errors) - 1
    more = f" ({others} more of these {answered.table.num_rows} rows are refused too)" if others else ""
    return DataContractError(
        f"{file.told(first + at, answered.errors[at])}{more}; nothing of its part was written; correct it, "
        "or let such rows have no answer: --on-error null, into another --output"
    )
