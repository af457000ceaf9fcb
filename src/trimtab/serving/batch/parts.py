"""The output folder: parts that are whole or absent, what is known of each, and whose run they belong to."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from trimtab.core.canonical import canonical_json
from trimtab.core.errors import ConflictError, DataContractError
from trimtab.files import sha256_of_file, sync_folder, write_atomically

__all__ = ["MANIFEST_NAME", "OutputFolder", "OutputFormat", "PartFacts", "RunFacts", "part_written"]

MANIFEST_NAME: Final = "_manifest.json"
"""Written last. Names that begin with an underscore are skipped by whatever reads a folder of Parquet."""

_RUN_NAME: Final = "_run.json"
_LOCK_NAME: Final = ".lock"
_FACTS_FOLDER: Final = ".parts"
_UNFINISHED: Final = ".unfinished"
_DIFFERENCES: Final = (
    ("bundle_digest", "of another bundle"),
    ("model_version", "of another version"),
    ("format", "in another --format"),
    ("on_error", "of a run with another --on-error"),
    ("inputs", "to other input files, or files that were changed since"),
    ("rows_a_part", "in parts of another --rows-per-part"),
    ("recorded", "that were recorded elsewhere or not at all (--record, --intake, --endpoint)"),
)


class OutputFormat(StrEnum):
    """How parts are written."""

    PARQUET = "parquet"
    CSV = "csv"


class RunFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes two runs the same, ``started_us`` aside: then one goes on where the other stopped."""

    schema_version: Literal[1] = 1
    model: str
    model_version: str
    bundle_digest: str
    format: OutputFormat
    on_error: str
    inputs: tuple[str, ...]
    rows_a_part: int | None = None
    recorded: str = ""
    started_us: int = 0


class PartFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One part: rows ``first_row`` (from 0) and on of ``input``; ``refused``: how many of them have no answer."""

    name: str
    input: str
    input_sha256: str
    first_row: int
    rows: int
    refused: int
    sha256: str


class OutputFolder:
    """The folder that one run owns while `held`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def held(self, run: RunFacts) -> Iterator[RunFacts]:
        """Keep others out, and what is unfinished away; yield the run as it was started first.

        Raises:
            ConflictError: another command writes there, or what is there is of another run.
        """
        if not self.folder.exists() or not any(self.folder.iterdir()):
            self.folder.mkdir(parents=True, exist_ok=True)
        elif not (self.folder / _RUN_NAME).exists() and any(one.name != _LOCK_NAME for one in self.folder.iterdir()):
            raise ConflictError(f"{self.folder}: is not empty, and no output of ours; choose another --output")
        with (self.folder / _LOCK_NAME).open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    f"{self.folder}: another 'trimtab batch' writes there; wait for it, or choose another --output"
                ) from None
            claimed = self._claim(run)
            self._sweep()
            try:
                yield claimed
            finally:
                self._sweep()

    def finished(self, name: str) -> PartFacts | None:
        """Return what is known of the part ``name`` if it is there, whole and as it was written.

        Raises:
            ConflictError: it was changed.
        """
        try:
            facts = msgspec.json.decode((self.folder / _FACTS_FOLDER / f"{name}.json").read_bytes(), type=PartFacts)
        except (OSError, msgspec.DecodeError):
            return None
        path = self.folder / name
        if not path.exists():
            return None
        if sha256_of_file(path) != facts.sha256:
            raise ConflictError(f"{path}: was changed since it was written; remove it, and start the same again")
        return facts

    def enter(self, facts: PartFacts) -> None:
        """Note that a part is finished."""
        content = canonical_json(msgspec.to_builtins(facts)).encode()
        write_atomically(self.folder / _FACTS_FOLDER / f"{facts.name}.json", content)

    def close(self, run: RunFacts, parts: list[PartFacts]) -> None:
        """Write the manifest: all parts in the order of the input."""
        told = {
            **msgspec.to_builtins(run),
            "rows": sum(part.rows for part in parts),
            "refused": sum(part.refused for part in parts),
            "parts": [msgspec.to_builtins(part) for part in parts],
        }
        write_atomically(self.folder / MANIFEST_NAME, msgspec.json.format(canonical_json(told).encode(), indent=2))

    def _claim(self, run: RunFacts) -> RunFacts:
        path = self.folder / _RUN_NAME
        if not path.exists():
            write_atomically(path, canonical_json(msgspec.to_builtins(run)).encode())
            return run
        try:
            before = msgspec.json.decode(path.read_bytes(), type=RunFacts)
        except msgspec.DecodeError as error:
            raise ConflictError(f"{path}: is none of ours ({error}); choose another --output") from error
        differs = next((told for field, told in _DIFFERENCES if getattr(before, field) != getattr(run, field)), None)
        if differs is None:
            return before
        if any((self.folder / _FACTS_FOLDER).glob("*.json")):
            raise ConflictError(f"{self.folder}: holds answers {differs}; choose another --output, or remove it")
        # An earlier command was refused before it wrote a part.
        write_atomically(path, canonical_json(msgspec.to_builtins(run)).encode())
        return run

    def _sweep(self) -> None:
        for path in self.folder.glob(f".*{_UNFINISHED}"):
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def part_written(path: Path, schema: pa.Schema, output: OutputFormat) -> Iterator[Any]:
    """Yield a writer of tables; at the end they are at ``path``, on disk, and not at all after an exception.

    Raises:
        DataContractError: the format has no place for a column.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{_UNFINISHED}")
    try:
        try:
            writer: Any = (
                pq.ParquetWriter(unfinished, schema, compression="zstd")
                if output is OutputFormat.PARQUET
                else pa_csv.CSVWriter(str(unfinished), schema)
            )
            with contextlib.closing(writer):
                yield writer
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise DataContractError(f"{path}: {output} cannot hold a column ({error}); choose the other") from error
        with unfinished.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    sync_folder(path.parent)
